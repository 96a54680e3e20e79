package quota

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// server is the API's side: it has its own count of every sliding window and
// shares no code with the limiter.
type server struct {
	mu   sync.Mutex
	seen []time.Time
}

// see counts one request as arriving now.
func (s *server) see() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, time.Now())
}

// count returns how many requests have arrived.
func (s *server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seen)
}

// accept is see for a server that enforces its windows and counts only what it
// accepts; retry is the wait until the next request would be accepted.
func (s *server) accept(windows []Window) (ok bool, retry time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for _, w := range windows {
		if i := len(s.seen) - w.Requests; i >= 0 {
			retry = max(retry, w.Per-now.Sub(s.seen[i]))
		}
	}
	if retry > 0 {
		return false, retry
	}
	s.seen = append(s.seen, now)
	return true, 0
}

// most returns the largest number of requests in any closed interval of length
// per.
func (s *server) most(per time.Duration) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := slices.SortedFunc(slices.Values(s.seen), time.Time.Compare)
	most, first := 0, 0
	for i, t := range seen {
		for t.Sub(seen[first]) > per {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// check fails the test if any window ever held more than its share.
func (s *server) check(t *testing.T, windows []Window, share int) {
	t.Helper()
	for _, w := range windows {
		limit := max(1, w.Requests*share/100)
		if got := s.most(w.Per); got > limit {
			t.Errorf("a window of %v held %d requests, allowed %d", w.Per, got, limit)
		}
	}
}

// leastTime is the least time in which n requests can be made: the moment of
// request k is the latest of those of request k-limit plus the window.
func leastTime(n int, windows []Window, share int) time.Duration {
	at := make([]time.Duration, n)
	for k := range at {
		for _, w := range windows {
			if i := k - max(1, w.Requests*share/100); i >= 0 {
				at[k] = max(at[k], at[i]+w.Per)
			}
		}
	}
	return at[n-1]
}

// call makes one attempt of a random length; the server sees it at a random
// moment of it, or some seconds after the end when the answer is lost.
func (s *server) call(rng *rand.Rand, longest time.Duration) Outcome {
	d := time.Duration(rng.Int64N(int64(longest) + 1))
	arrives := time.Duration(rng.Int64N(int64(d) + 1))
	lost := rng.IntN(20) == 0
	if lost {
		late := time.Duration(rng.Int64N(int64(time.Second)))
		time.AfterFunc(d+late, s.see)
		time.Sleep(d)
		return Outcome{Kind: OK, Lost: true}
	}
	time.Sleep(arrives)
	s.see()
	time.Sleep(d - arrives)
	return Outcome{Kind: OK}
}

var consoleWindows = []Window{{100, 10 * time.Second}, {900, 15 * time.Minute}}
