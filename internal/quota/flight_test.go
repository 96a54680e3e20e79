package quota

import (
	"fmt"
	"testing"
	"time"
)

// fly makes as many attempts at once as are let out, and returns their number.
func fly(l *Limiter, from int) (permits []*Permit) {
	for i := range 100 {
		key := fmt.Sprint(from + i)
		p, err := l.TryAcquire(Request{Key: key, Lane: Change})
		if err != nil {
			l.Withdraw(key)
			return permits
		}
		permits = append(permits, p)
	}
	return permits
}

// TestFlight: as many attempts are under way at once as it takes to use up the
// shortest window, with some headroom.
func TestFlight(t *testing.T) {
	tests := []struct {
		length time.Duration
		want   int
	}{
		{0, leastFlight},
		{100 * time.Millisecond, leastFlight},
		{500 * time.Millisecond, 10},
		{2 * time.Second, 40},
	}
	for _, tt := range tests {
		t.Run(tt.length.String(), func(t *testing.T) {
			bubble(t, Config{Windows: consoleWindows}, func(t *testing.T, l *Limiter) {
				p := mustTry(t, l, Request{Key: "a"})
				time.Sleep(tt.length)
				p.Done(Outcome{})
				if got := len(fly(l, 0)); got != tt.want {
					t.Errorf("%d attempts at once, want %d", got, tt.want)
				}
			})
		})
	}
}

// TestFlightGoesOnWithoutAnswers: attempts that take far longer than usual do
// not hold up everybody else until they are over.
func TestFlightGoesOnWithoutAnswers(t *testing.T) {
	bubble(t, Config{Windows: consoleWindows}, func(t *testing.T, l *Limiter) {
		if n := len(fly(l, 0)); n != leastFlight {
			t.Fatalf("%d attempts at once, want %d", n, leastFlight)
		}
		var woken log
		mustWait(t, l, Request{Key: "next", Notify: func() { woken.add("next") }})
		// 10 requests per second, twice as fast, and the fifth of them.
		time.Sleep(250 * time.Millisecond)
		woken.expect(t, "next")
		mustTry(t, l, Request{Key: "next"})
		time.Sleep(time.Second)
		if n := len(fly(l, 0)); n != 20 {
			t.Errorf("%d more attempts after a second without an answer, want those of a second at twice the pace", n)
		}
	})
}
