package statsig

import (
	"math"
	"testing"
	"time"
)

var retryAfterNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestParseRetryAfter(t *testing.T) {
	const (
		noon  = "Sun, 01 Mar 2026 12:00:00 GMT"
		later = "Sun, 01 Mar 2026 12:00:30 GMT"
	)
	tests := []struct {
		name, value, date string
		want              time.Duration
		ok                bool
	}{
		{"seconds", "7", "", 7 * time.Second, true},
		{"seconds whatever the date", "7", later, 7 * time.Second, true},
		{"zero", "0", "", 0, true},
		{"negative", "-5", "", 0, true},
		{"fraction is rounded up", "0.2", "", time.Second, true},
		{"a year passes", "31536000", "", 365 * 24 * time.Hour, true},
		{"more than a duration holds", "99999999999999999999", "", math.MaxInt64, true},
		{"more than a float holds", "9" + string(make9s(400)), "", math.MaxInt64, true},
		{"date by the answer's own clock", later, noon, 30 * time.Second, true},
		{"date by the answer's own clock, an hour behind ours", "Sun, 01 Mar 2026 11:00:30 GMT", "Sun, 01 Mar 2026 11:00:00 GMT", 30 * time.Second, true},
		{"date by our clock", later, "", 30 * time.Second, true},
		{"date by our clock when the answer's is unreadable", later, "yesterday", 30 * time.Second, true},
		{"date gone by", noon, later, 0, true},
		{"absent", "", noon, 0, false},
		{"text", "soon", "", 0, false},
		{"infinity", "inf", "", 0, false},
		{"exponent", "1e3", "", 0, false},
		{"signs", "+-", "", 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := parseRetryAfter(tt.value, tt.date, retryAfterNow)
			if got != tt.want || ok != tt.ok {
				t.Errorf("parseRetryAfter(%.40q, %q) = %v, %v; want %v, %v", tt.value, tt.date, got, ok, tt.want, tt.ok)
			}
		})
	}
}

func make9s(n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = '9'
	}
	return out
}
