package quota

import (
	"fmt"
	"testing"
	"testing/synctest"
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

// TestConcurrency: as many attempts are under way at once as it takes to use up the
// shortest window, with some headroom.
func TestConcurrency(t *testing.T) {
	tests := []struct {
		length time.Duration
		want   int
	}{
		{0, leastConcurrent},
		{100 * time.Millisecond, leastConcurrent},
		{500 * time.Millisecond, 10},
		{2 * time.Second, 40},
		{8 * time.Second, 40},
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

// TestSomeMoreWithoutAnswers: attempts that take far longer than usual do
// not hold up everybody else until they are over.
func TestSomeMoreWithoutAnswers(t *testing.T) {
	bubble(t, Config{Windows: consoleWindows}, func(t *testing.T, l *Limiter) {
		if n := len(fly(l, 0)); n != leastConcurrent {
			t.Fatalf("%d attempts at once, want %d", n, leastConcurrent)
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
		time.Sleep(time.Minute)
		if n := len(fly(l, 0)); n != 15 {
			t.Errorf("%d more attempts after a minute without an answer, want 40 in all", n)
		}
	})
}

// TestUnpacedIsCapped: what no window paces is capped, too.
func TestUnpacedIsCapped(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no windows":          {},
		"reads do not count":  {Windows: consoleWindows, MutationsOnly: true},
		"the windows are few": {Windows: []Window{{1, time.Hour}}, MutationsOnly: true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, cfg, func(t *testing.T, l *Limiter) {
				permits := fly(l, 0)
				if len(permits) != unpacedConcurrent {
					t.Fatalf("%d attempts at once, want %d", len(permits), unpacedConcurrent)
				}
				var woken log
				w := mustWait(t, l, Request{Key: "next", Notify: func() { woken.add("next") }})
				if w.Reason != ReasonAnswers {
					t.Errorf("it waits for the %v, want the answers", w.Reason)
				}
				time.Sleep(time.Minute)
				woken.expect(t)
				permits[7].Done(Outcome{})
				woken.expect(t, "next")
			})
		})
	}
}

// TestWorkersAreShared: limiters whose attempts hang leave workers for others,
// and go on with fewer of them when attempts of their own end.
func TestWorkersAreShared(t *testing.T) {
	const workers, hanging = 100, 8
	synctest.Test(t, func(t *testing.T) {
		shared := NewWorkers(workers)
		limiter := func() *Limiter {
			l := New(Config{}, WithWorkers(shared))
			t.Cleanup(l.Close)
			return l
		}
		free := func() int { return workers - int(shared.busy.Load()) }
		first := limiter()
		permits := fly(first, 0)
		for range hanging {
			before := free()
			if n := len(fly(limiter(), 0)); n < before/4 || free() < before*2/3-1 {
				t.Fatalf("of %d workers a limiter takes %d, and leaves %d", before, n, free())
			}
		}
		quick := limiter()
		for range 1000 {
			mustTry(t, quick, Request{Key: "quick"}).Done(Outcome{})
		}
		before := free()
		// A reading in the background keeps no worker.
		if _, err := quick.Acquire(t.Context(), Request{}); err != nil || free() != before {
			t.Errorf("after Acquire (%v) %d workers are free, want %d", err, free(), before)
		}
		for _, p := range permits {
			p.Done(Outcome{})
		}
		if free() != before+len(permits) {
			t.Errorf("%d workers are free after %d attempts ended, want %d", free(), len(permits), before+len(permits))
		}
		if n := len(fly(first, 0)); n == 0 || n > len(permits)/2 {
			t.Errorf("a limiter that had %d workers takes %d again, want about a third", len(permits), n)
		}
	})
}
