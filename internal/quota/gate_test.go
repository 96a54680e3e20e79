package quota

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestSecondClientOnTheSameProject lets another client constantly take half of
// a strictly enforced limit, of which the limiter knows nothing.
func TestSecondClientOnTheSameProject(t *testing.T) {
	const calls = 2000
	tests := []struct {
		name       string
		windows    []Window
		other      time.Duration // the other client's pause between bursts
		burst      int
		retryAfter bool
	}{
		{"steady, both windows", consoleWindows, 2 * time.Second, 1, false},
		{"steady, both windows, Retry-After", consoleWindows, 2 * time.Second, 1, true},
		{"in bursts, both windows", consoleWindows, 90 * time.Second, 45, false},
		{"in bursts, both windows, Retry-After", consoleWindows, 90 * time.Second, 45, true},
		{"steady, one window", consoleWindows[:1], 200 * time.Millisecond, 1, false},
		{"steady, one window, Retry-After", consoleWindows[:1], 200 * time.Millisecond, 1, true},
		{"in bursts, one window", consoleWindows[:1], 10 * time.Second, 50, false},
	}
	for i, tt := range slices.Repeat(tests, 3) {
		seed := uint64(i)
		t.Run(fmt.Sprintf("%s, seed %d", tt.name, seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := New(Config{Windows: tt.windows}, WithJitter(rand.New(rand.NewPCG(2, 1)).Float64))
				defer l.Close()
				var srv server
				stop := make(chan struct{})
				var wg sync.WaitGroup
				wg.Go(func() {
					for tick := time.NewTicker(tt.other); ; {
						for range tt.burst {
							srv.accept(tt.windows)
						}
						select {
						case <-tick.C:
						case <-stop:
							return
						}
					}
				})
				time.Sleep(15 * time.Minute) // the other has filled its half
				start := time.Now()
				var mine sync.WaitGroup
				work := make(chan int)
				for i := range 40 {
					rng := rand.New(rand.NewPCG(seed, uint64(i)+1))
					mine.Go(func() {
						for range work {
							p, err := l.Acquire(t.Context(), Request{Lane: Change, Mutation: true})
							if err != nil {
								t.Error(err)
								return
							}
							time.Sleep(time.Duration(rng.Int64N(int64(200 * time.Millisecond))))
							o := Outcome{}
							if ok, retry := srv.accept(tt.windows); !ok {
								o = Outcome{Kind: Throttled, RetryAfter: retry, HasRetryAfter: tt.retryAfter}
							}
							time.Sleep(time.Duration(rng.Int64N(int64(200 * time.Millisecond))))
							p.Done(o)
						}
					})
				}
				for i := range calls {
					work <- i
				}
				close(work)
				mine.Wait()
				close(stop)
				wg.Wait()
				took := time.Since(start)
				half := make([]Window, len(tt.windows))
				for i, w := range tt.windows {
					half[i] = Window{w.Requests / 2, w.Per}
				}
				least := leastTime(calls, half, 100)
				totals := l.Stats().Totals
				refused := float64(totals.Throttled) / calls
				t.Logf("%.2f %% refused (%d), %v for %d calls, %.2f of the time half the quota needs",
					100*refused, totals.Throttled, took.Round(time.Second), calls, float64(took)/float64(least))
				if refused > 0.01 {
					t.Errorf("%.2f %% of the calls were answered 429, more than 1 %%", 100*refused)
				}
				if took > 2*least {
					t.Errorf("took %v, more than twice the %v that half the quota needs", took, least)
				}
			})
		})
	}
}

func throttle(retry time.Duration) Outcome {
	return Outcome{Kind: Throttled, RetryAfter: retry, HasRetryAfter: true}
}

// TestGateAfter429 checks how long the gate stays closed, and which window is
// believed to be full.
func TestGateAfter429(t *testing.T) {
	tests := []struct {
		name   string
		o      Outcome
		closed time.Duration
		used   []int // of 100 and 900, right after
	}{
		{"Retry-After", throttle(7 * time.Second), 7 * time.Second, []int{100, 1}},
		{"a Retry-After the short window cannot explain", throttle(11 * time.Second), 11 * time.Second, []int{1, 900}},
		{"zero", throttle(0), backoffMin, []int{100, 1}},
		{"negative", throttle(-time.Hour), backoffMin, []int{100, 1}},
		{"absurdly long", throttle(1000 * time.Hour), 15 * time.Minute, []int{1, 900}},
		{"none", Outcome{Kind: Throttled}, backoffMin / 2, []int{100, 1}}, // without jitter
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, Config{Windows: consoleWindows}, func(t *testing.T, l *Limiter) {
				mustTry(t, l, Request{Key: "a"}).Done(tt.o)
				s := l.Stats()
				if got := time.Until(s.ClosedUntil); got != tt.closed {
					t.Errorf("closed for %v, want %v", got, tt.closed)
				}
				for i, want := range tt.used {
					if got := s.Windows[i].Used; got != want {
						t.Errorf("window %d: %d used, want %d", i, got, want)
					}
				}
				w := mustWait(t, l, Request{Key: "b", Lane: Revoke})
				if w.Reason != ReasonThrottled || time.Until(w.At) < tt.closed {
					t.Errorf("%+v in %v, want Throttled and no sooner than %v", w, time.Until(w.At), tt.closed)
				}
			})
		})
	}
}

// TestSimultaneous429sAreOneEvent answers all attempts in flight with 429.
func TestSimultaneous429sAreOneEvent(t *testing.T) {
	bubble(t, Config{Windows: consoleWindows}, func(t *testing.T, l *Limiter) {
		spendNow(t, l, Change, 40)
		var flight []*Permit
		for range leastFlight {
			flight = append(flight, mustTry(t, l, Request{Key: "a"}))
		}
		for i, p := range flight {
			time.Sleep(10 * time.Millisecond)
			p.Done(throttle(time.Duration(i) * time.Second))
		}
		s := l.Stats()
		if got, want := time.Until(s.ClosedUntil), (leastFlight-1)*time.Second; got != want {
			t.Errorf("closed for %v, want the longest wait asked for, %v", got, want)
		}
		// 40 were accepted, but no more than half is given up at a time.
		if got := s.Windows[0].Capacity; got != 50 {
			t.Errorf("capacity %d, want 50", got)
		}
		if got := s.Windows[1].Capacity; got != 900 {
			t.Errorf("the long window's capacity is %d, want it untouched", got)
		}
		time.Sleep(recoveryPeriods * 10 * time.Second)
		if got := l.Stats().Windows[0].Capacity; got != 100 {
			t.Errorf("capacity %d after the recovery, want 100", got)
		}
	})
}

// TestTrialAfter429 lets one attempt through after the pause; refused again,
// the longer window is believed full.
func TestTrialAfter429(t *testing.T) {
	bubble(t, Config{Windows: consoleWindows}, func(t *testing.T, l *Limiter) {
		mustTry(t, l, Request{Key: "a"}).Done(throttle(time.Second))
		time.Sleep(11 * time.Second)
		trial := mustTry(t, l, Request{Key: "a"})
		mustWait(t, l, Request{Key: "b"})
		l.Withdraw("b")
		trial.Done(throttle(time.Second))
		if got := l.Stats().Windows[1].Used; got != 900 {
			t.Errorf("%d used in the long window, want 900", got)
		}
		time.Sleep(16 * time.Minute)
		mustTry(t, l, Request{Key: "a"}).Done(Outcome{})
		mustTry(t, l, Request{Key: "a"})
		mustWait(t, l, Request{Key: "b"}) // what is proven is explored one by one
	})
}

func TestCircuitBreaker(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, l *Limiter) {
		fail := func(o Outcome) { mustTry(t, l, Request{Key: "a"}).Done(o) }
		expect := func(want BreakerState) {
			t.Helper()
			if got := l.Stats().Breaker; got != want {
				t.Fatalf("the breaker is %s, want %s", got, want)
			}
		}
		bad := Outcome{Kind: Unavailable}
		for range 4 {
			fail(bad)
		}
		fail(Outcome{}) // a good answer in between
		stale := mustTry(t, l, Request{Key: "stale"})
		for range 5 {
			expect(BreakerClosed)
			fail(bad)
		}
		stale.Done(bad) // known already
		for i := range 9 {
			expect(BreakerOpen)
			pause := min(time.Second<<i, time.Minute) / 2 // without jitter
			if w := mustWait(t, l, Request{Key: "b"}); w.Reason != ReasonUnavailable || time.Until(w.At) != pause {
				t.Fatalf("pause %d: %+v in %v, want Unavailable for %v", i, w, time.Until(w.At), pause)
			}
			l.Withdraw("b")
			time.Sleep(pause)
			expect(BreakerHalfOpen)
			probe := mustTry(t, l, Request{Key: "a"})
			if w := mustWait(t, l, Request{Key: "b"}); w.Reason != ReasonUnavailable {
				t.Fatalf("a second probe: %+v, want Unavailable", w)
			}
			l.Withdraw("b")
			probe.Done(bad)
		}
		time.Sleep(time.Minute)
		mustTry(t, l, Request{Key: "a"}).Cancel() // not sent: the next may try
		fail(Outcome{Kind: OK, Lost: true})       // tells nothing, so the next may try later
		expect(BreakerOpen)
		time.Sleep(time.Minute)
		fail(Outcome{})
		expect(BreakerClosed)
		for range 100 {
			mustTry(t, l, Request{Key: "a"})
		}
	})
}

// TestHeldTokenAndClosedGate has a token handed over just before the gate
// closes: its owner waits again, at the front, and is called once more.
func TestHeldTokenAndClosedGate(t *testing.T) {
	bubble(t, Config{Windows: []Window{{2, time.Second}}}, func(t *testing.T, l *Limiter) {
		spendNow(t, l, Change, 1)
		p := mustTry(t, l, Request{Key: "b", Lane: Change})
		var calls log
		r := Request{Key: "a", Lane: Change, Notify: func() { calls.add("a") }}
		mustWait(t, l, r)
		time.Sleep(1100 * time.Millisecond)
		calls.expect(t, "a")
		p.Done(throttle(time.Second))
		mustWait(t, l, Request{Key: "c", Lane: Change})
		if w := mustWait(t, l, r); w.Ahead != 0 || w.Reason != ReasonThrottled {
			t.Errorf("%+v, want the front of the queue and Throttled", w)
		}
		time.Sleep(5 * time.Second)
		calls.expect(t, "a", "a")
		mustTry(t, l, r)
	})
}

func TestWaitErrorTextIsStable(t *testing.T) {
	for _, r := range []Reason{ReasonQuota, ReasonThrottled, ReasonUnavailable, ReasonRecord} {
		a := &WaitError{Ahead: 1, At: time.Unix(1, 0), Reason: r}
		b := &WaitError{Ahead: 2, At: time.Unix(2, 0), Reason: r}
		if a.Error() != b.Error() {
			t.Errorf("%v: %q differs from %q", r, a, b)
		}
	}
}
