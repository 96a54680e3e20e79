package main

import (
	"slices"
	"time"

	"github.com/console-access/console-access-operator/internal/consolesim"
)

// leastTime is the least time in which n requests can be sent when no window,
// wherever it begins, may hold more than share percent of its requests: the
// time of the last of n requests that are each sent as early as the windows
// permit, if a request takes no time. Requests made before, at these negative
// times in order, count too. It shares no code with internal/quota.
func leastTime(before []time.Duration, n int, windows []consolesim.Window, share int) time.Duration {
	sent := slices.Clone(before)
	for range n {
		at := time.Duration(0)
		if len(sent) > 0 {
			at = max(at, sent[len(sent)-1])
		}
		for _, w := range windows {
			// The request before which this one would be one too many leaves
			// the window one period after it was sent.
			if oldest := len(sent) - allowed(w, share); oldest >= 0 {
				at = max(at, sent[oldest]+w.Per)
			}
		}
		sent = append(sent, at)
	}
	if n == 0 {
		return 0
	}
	return sent[len(sent)-1]
}

// allowed is how many requests of a window a share in percent comes to.
func allowed(w consolesim.Window, share int) int { return max(1, w.Requests*share/100) }
