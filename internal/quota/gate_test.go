package quota

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
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

// TestGateAfter429 checks how long the gate stays closed, and of which window a
// guess is made. Nothing counts that was not sent.
func TestGateAfter429(t *testing.T) {
	tests := []struct {
		name   string
		o      Outcome
		closed time.Duration
		guess  []int // of 100 and 900, right after
	}{
		{"Retry-After", throttle(7 * time.Second), 7 * time.Second, []int{0, 900}},
		{"a Retry-After the short window cannot explain", throttle(11 * time.Second), 11 * time.Second, []int{100, 0}},
		{"longer than any window", throttle(20 * time.Hour), 20 * time.Hour, []int{100, 0}},
		{"zero", throttle(0), backoffMin, []int{0, 900}},
		{"negative", throttle(-time.Hour), backoffMin, []int{0, 900}},
		{"absurdly long", throttle(1000 * time.Hour), maxRetryAfter, []int{100, 0}},
		{"none", Outcome{Kind: Throttled}, backoffMin / 2, []int{0, 900}}, // without jitter
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, Config{Windows: consoleWindows}, func(t *testing.T, l *Limiter) {
				mustTry(t, l, Request{Key: "a"}).Done(tt.o)
				s := l.Stats()
				if got := time.Until(s.ClosedUntil); got != tt.closed {
					t.Errorf("closed for %v, want %v", got, tt.closed)
				}
				for i, want := range tt.guess {
					if w := s.Windows[i]; w.Used != 1 || w.Capacity != want {
						t.Errorf("window %d: %d used of %d, want 1 of %d", i, w.Used, w.Capacity, want)
					}
				}
				w := mustWait(t, l, Request{Key: "b", Lane: Revoke})
				if w.Reason != ReasonThrottled || time.Until(w.At) != tt.closed {
					t.Errorf("%+v in %v, want Throttled for %v", w, time.Until(w.At), tt.closed)
				}
				time.Sleep(tt.closed)
				mustTry(t, l, Request{Key: "b", Lane: Revoke})
			})
		})
	}
}

// TestSimultaneous429sAreOneEvent answers all attempts in flight with 429.
func TestSimultaneous429sAreOneEvent(t *testing.T) {
	bubble(t, Config{Windows: consoleWindows}, func(t *testing.T, l *Limiter) {
		spendNow(t, l, Change, 40)
		var flight []*Permit
		for range leastConcurrent {
			flight = append(flight, mustTry(t, l, Request{Key: "a"}))
		}
		for i, p := range flight {
			time.Sleep(10 * time.Millisecond)
			p.Done(throttle(time.Duration(i) * time.Second))
		}
		s := l.Stats()
		if got, want := time.Until(s.ClosedUntil), (leastConcurrent-1)*time.Second; got != want {
			t.Errorf("closed for %v, want the longest wait asked for, %v", got, want)
		}
		if got := s.Windows[0].Capacity; got != 36 {
			t.Errorf("capacity %d, want nine tenths of the 40 that were accepted", got)
		}
		if got := s.Windows[1].Capacity; got != 900 {
			t.Errorf("the long window's capacity is %d, want it untouched", got)
		}
		time.Sleep(2*10*time.Second + 2*time.Minute)
		if got := l.Stats().Windows[0].Capacity; got != 100 {
			t.Errorf("capacity %d although no 429 came for long, want 100", got)
		}
	})
}

// TestTrialAfter429 lets one attempt through after the pause; refused again, the
// longer window is suspected too, and what goes beyond is tried one by one.
func TestTrialAfter429(t *testing.T) {
	bubble(t, Config{Windows: consoleWindows}, func(t *testing.T, l *Limiter) {
		mustTry(t, l, Request{Key: "a"}).Done(throttle(time.Second))
		time.Sleep(time.Second)
		trial := mustTry(t, l, Request{Key: "a"})
		mustWait(t, l, Request{Key: "b"})
		l.Withdraw("b")
		trial.Done(throttle(time.Second))
		if s := l.Stats(); s.Windows[0].Capacity != 0 || s.Windows[1].Capacity != 0 || s.Windows[1].Used != 2 {
			t.Errorf("%+v, want a guess of both windows, and 2 used", s.Windows)
		}
		time.Sleep(time.Second)
		for l.Stats().Windows[1].Capacity < 900 {
			p := mustTry(t, l, Request{Key: "a"})
			if w := mustWait(t, l, Request{Key: "b"}); w.Reason != ReasonThrottled && w.Reason != ReasonGuess {
				t.Errorf("%+v, want one at a time", w)
			}
			l.Withdraw("b")
			p.Done(Outcome{})
		}
		if s := l.Stats(); s.Windows[0].Capacity != 100 || s.Totals.OK > regainLeast {
			t.Errorf("%+v, want the guesses dropped after at most %d answers", s, regainLeast)
		}
		for i := range leastConcurrent {
			mustTry(t, l, Request{Key: fmt.Sprint(i)})
		}
	})
}

// TestStorm answers everything 429 for a while, and then nothing any more: what
// was learned is forgotten within a minute, however long it took.
func TestStorm(t *testing.T) {
	tests := []struct {
		name  string
		busy  int // requests that were accepted before
		o     Outcome
		storm time.Duration
		most  time.Duration // until 200 more were accepted
	}{
		{"one 429", 16, throttle(20 * time.Second), 0, 50 * time.Second},
		{"two 429s", 16, throttle(2 * time.Second), 2 * time.Second, 40 * time.Second},
		{"a minute", 0, throttle(time.Second), time.Minute, time.Minute},
		{"ten minutes", 0, throttle(time.Second), 10 * time.Minute, time.Minute},
		{"an hour", 0, throttle(time.Second), time.Hour, time.Minute},
		{"an hour without Retry-After", 0, Outcome{Kind: Throttled}, time.Hour, 90 * time.Second},
		{"three hours", 0, throttle(0), 3 * time.Hour, time.Minute},
		{"ten minutes of a busy hour", 400, throttle(time.Second), 10 * time.Minute, 4 * time.Minute},
	}
	for _, tt := range tests {
		for seed := range uint64(5) {
			t.Run(fmt.Sprintf("%s, seed %d", tt.name, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := New(Config{Windows: consoleWindows}, WithJitter(rand.New(rand.NewPCG(seed, 3)).Float64))
					defer l.Close()
					call := func(o Outcome) {
						p, err := l.Acquire(t.Context(), Request{Lane: Change})
						if err != nil {
							t.Fatal(err)
						}
						time.Sleep(100 * time.Millisecond)
						p.Done(o)
					}
					for range tt.busy {
						call(Outcome{})
					}
					ends := time.Now().Add(tt.storm)
					call(tt.o)
					for time.Now().Before(ends) {
						call(tt.o)
					}
					mark := time.Now()
					for range 200 {
						call(Outcome{})
					}
					took := time.Since(mark)
					t.Logf("%d refusals, then 200 calls took %v", l.Stats().Totals.Throttled, took.Round(time.Second))
					if took > tt.most {
						t.Errorf("200 calls took %v after %v of 429s, want at most %v", took, tt.storm, tt.most)
					}
					for i, w := range l.Stats().Windows {
						if w.Capacity != w.Limit && tt.busy < 100 {
							t.Errorf("window %d: the guess %d is not forgotten", i, w.Capacity)
						}
					}
				})
			})
		}
	}
}

// TestRetryAfterOutlastsOtherTroubles: a 429 says until when to wait, whatever
// the attempts under way bring in the meantime.
func TestRetryAfterOutlastsOtherTroubles(t *testing.T) {
	for _, last := range []Outcome{{}, {Lost: true}, {Kind: Unavailable}, {Kind: Throttled}, throttle(time.Second)} {
		bubble(t, Config{}, func(t *testing.T, l *Limiter) {
			var flight []*Permit
			for range 8 {
				flight = append(flight, mustTry(t, l, Request{Key: "a"}))
			}
			time.Sleep(time.Second)
			flight[0].Done(throttle(time.Hour))
			for _, p := range flight[1:7] {
				time.Sleep(time.Second)
				p.Done(Outcome{Kind: Unavailable})
			}
			flight[7].Done(last)
			if wait := time.Until(l.Stats().ClosedUntil); wait != time.Hour-6*time.Second {
				t.Errorf("closed for %v after %+v, want the rest of an hour", wait, last)
			}
			if w := mustWait(t, l, Request{Key: "b"}); w.Reason != ReasonThrottled {
				t.Errorf("%+v, want the reason Throttled", w)
			}
		})
	}
}

// TestMostUrgentProbe: the first request after a 429 is the most urgent one, also
// before those that no window counts.
func TestMostUrgentProbe(t *testing.T) {
	for _, mutationsOnly := range []bool{false, true} {
		bubble(t, Config{Windows: consoleWindows, MutationsOnly: mutationsOnly}, func(t *testing.T, l *Limiter) {
			mustTry(t, l, Request{Key: "a", Mutation: true}).Done(throttle(time.Second))
			var served log
			for key, r := range map[string]Request{
				"read": {Lane: Drift}, "listing": {Lane: Change}, "revoke": {Lane: Revoke, Mutation: true}, "change": {Lane: Change, Mutation: true},
			} {
				r.Key, r.Notify = key, func() { served.add(key) }
				mustWait(t, l, r)
			}
			time.Sleep(time.Second)
			served.expect(t, "revoke")
		})
	}
}

// TestTroublesPass has everything go wrong at random, and then nothing: everybody
// gets on again, and nothing is held for ever.
func TestTroublesPass(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 7))
				cfg := Config{Windows: []Window{{12, 10 * time.Second}, {60, time.Minute}}, MutationsOnly: seed%3 == 0, Share: 100}
				var opts []Option
				var d disk
				h := newHandle(&d, seed)
				h.faults = seed%4 == 0
				if seed%2 == 0 {
					opts = append(opts, WithStore(h, Durability{Identity: "a", Fresh: true, Exclusive: true}))
				}
				l := New(cfg, opts...)
				var calm atomic.Bool
				var served atomic.Int64
				ctx, cancel := context.WithCancel(t.Context())
				var wg sync.WaitGroup
				for i := range 12 {
					rng := rand.New(rand.NewPCG(seed, uint64(i)))
					wg.Go(func() { troubled(ctx, l, rng, &calm, &served) })
				}
				for range 6 {
					time.Sleep(time.Duration(rng.Int64N(int64(time.Minute))))
					if rng.IntN(3) == 0 {
						cfg.MutationsOnly = rng.IntN(2) == 0
						l.Reconfigure(cfg)
					}
				}
				calm.Store(true)
				h.mu.Lock()
				h.faults = false
				h.mu.Unlock()
				time.Sleep(5 * time.Minute)
				before := served.Load()
				time.Sleep(2 * time.Minute)
				if n := served.Load() - before; n < 100 {
					t.Errorf("%d calls in two calm minutes, which permit 120; %+v", n, l.Stats())
				}
				cancel()
				wg.Wait()
				time.Sleep(grantTTL)
				if s := l.Stats(); s.InFlight != 0 {
					t.Errorf("%d are held for ever", s.InFlight)
				}
				l.Close()
			})
		})
	}
}

// troubled makes requests that end in any way until it is calm, and well then.
func troubled(ctx context.Context, l *Limiter, rng *rand.Rand, calm *atomic.Bool, served *atomic.Int64) {
	for {
		p, err := l.Acquire(ctx, Request{Turn: fmt.Sprint(rng.IntN(3)), Lane: Lane(rng.IntN(laneCount)), Mutation: rng.IntN(2) == 0})
		if err != nil {
			return
		}
		if rng.IntN(10) == 0 {
			p.Cancel()
			continue
		}
		time.Sleep(time.Duration(rng.Int64N(int64(3 * time.Second))))
		o := Outcome{}
		if !calm.Load() {
			o = []Outcome{
				{}, {}, {Lost: true}, {Kind: Throttled}, {Kind: Unavailable}, {Kind: Unavailable, Lost: true},
				throttle(time.Duration(rng.IntN(40)) * time.Second), throttle(-time.Hour),
			}[rng.IntN(8)]
		}
		p.Done(o)
		served.Add(1)
	}
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
			mustTry(t, l, Request{Key: "a"}).Cancel()
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
	for _, r := range []Reason{ReasonQuota, ReasonThrottled, ReasonUnavailable, ReasonRecord, ReasonGuess} {
		a := &WaitError{Ahead: 1, At: time.Unix(1, 0), Reason: r}
		b := &WaitError{Ahead: 2, At: time.Unix(2, 0), Reason: r}
		if a.Error() != b.Error() {
			t.Errorf("%v: %q differs from %q", r, a, b)
		}
	}
}
