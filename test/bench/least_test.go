package main

import (
	"testing"
	"time"

	"github.com/console-access/console-access-operator/internal/consolesim"
)

func TestLeastTime(t *testing.T) {
	documented := consolesim.DefaultWindows()
	tests := []struct {
		name    string
		before  []time.Duration
		n       int
		windows []consolesim.Window
		share   int
		want    time.Duration
	}{
		{"nothing to do", nil, 0, documented, 100, 0},
		{"one", nil, 1, documented, 100, 0},
		{"a full short window", nil, 100, documented, 100, 0},
		{"one more", nil, 101, documented, 100, 10 * time.Second},
		{"the share counts", nil, 91, documented, 90, 10 * time.Second},
		{"within the share", nil, 90, documented, 90, 0},
		{"a full long window", nil, 810, documented, 90, 80 * time.Second},
		{"the long window rules", nil, 811, documented, 90, 15 * time.Minute},
		// The second long window fills up in the rhythm of the first.
		{"two long windows and a short one", nil, 1620 + 100, documented, 90, 30*time.Minute + 10*time.Second},
		{"no window", nil, 1000, nil, 90, 0},
		{"a share of less than one is one", nil, 3, []consolesim.Window{{Requests: 5, Per: time.Second}}, 10, 2 * time.Second},
		{"what was sent before counts", []time.Duration{-2 * time.Second, -time.Second}, 90, documented, 90, 9 * time.Second},
		{"what was sent long before does not", []time.Duration{-time.Hour, -10 * time.Second}, 90, documented, 90, 0},
		{"the order does not matter", nil, 811, []consolesim.Window{documented[1], documented[0]}, 90, 15 * time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := leastTime(tt.before, tt.n, tt.windows, tt.share); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// TestLeastTimeIsAttainable: requests sent that early are taken by the
// simulator, and no request can be sent earlier.
func TestLeastTimeIsAttainable(t *testing.T) {
	windows := []consolesim.Window{{Requests: 3, Per: 7 * time.Second}, {Requests: 5, Per: 20 * time.Second}}
	sent := []time.Duration{}
	for n := 1; n <= 40; n++ {
		sent = append(sent, leastTime(nil, n, windows, 100))
	}
	inside := func(end time.Duration, per time.Duration) (n int) {
		for _, at := range sent {
			if at > end-per && at <= end {
				n++
			}
		}
		return n
	}
	for k, at := range sent {
		full := at == 0
		for _, w := range windows {
			n := inside(at, w.Per)
			if n > w.Requests {
				t.Errorf("request %d at %v is one of %d in %v", k, at, n, w.Per)
			}
			// One instant earlier there was no room, or the same instant has
			// others after whom this one would be too many.
			full = full || inside(at-1, w.Per) == w.Requests
		}
		if !full {
			t.Errorf("request %d could have been sent before %v", k, at)
		}
	}
}
