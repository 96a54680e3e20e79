package quota

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// process runs workers over a limiter of its own until it is killed.
func process(t *testing.T, l *Limiter, srv *server, rng *rand.Rand, life time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), life)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 30 {
		rng := rand.New(rand.NewPCG(rng.Uint64(), uint64(i)))
		wg.Go(func() {
			for {
				p, err := l.Acquire(ctx, Request{Lane: Lane(rng.IntN(laneCount))})
				if err != nil || ctx.Err() != nil {
					return
				}
				if rng.IntN(10) == 0 {
					p.Cancel()
					time.Sleep(time.Second)
					continue
				}
				p.Done(srv.call(rng, time.Second))
			}
		})
	}
	wg.Wait()
}

// TestCrashesAndTwoLeaders has two processes with clocks that are off by up to
// two seconds use one record, at the same time or in turns, killed and started
// again at random instants, with a store that fails at times.
func TestCrashesAndTwoLeaders(t *testing.T) {
	windows := []Window{{40, 10 * time.Second}, {150, time.Minute}}
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 3))
				together, exclusive := seed%2 == 0, seed%4 == 1
				var (
					d   disk
					srv server
					wg  sync.WaitGroup
				)
				// There is a record before the first start, so that only the
				// loss of one could be taken for a fresh start.
				begin := newHandle(&d, seed)
				if err := begin.Save(t.Context(), New(Config{Windows: windows}).Export()); err != nil {
					t.Fatal(err)
				}
				leader := make(chan struct{}, 1)
				for node, offset := range []time.Duration{2 * time.Second, -2 * time.Second} {
					rng := rand.New(rand.NewPCG(rng.Uint64(), uint64(node)))
					wg.Go(func() {
						for range 8 {
							if !together {
								leader <- struct{}{}
							}
							h := newHandle(&d, rng.Uint64())
							h.faults = true
							l := New(Config{Windows: windows, Share: 100}, WithMaxCall(5*time.Second),
								WithStore(h, Durability{
									Identity:  fmt.Sprint(node),
									Exclusive: exclusive,
									Clock:     func() time.Time { return time.Now().Add(offset) },
									OnRecordLoss: func(reason string) {
										t.Errorf("record lost: %s", reason)
									},
								}))
							process(t, l, &srv, rng, time.Duration(rng.Int64N(int64(3*time.Minute))))
							if rng.IntN(2) == 0 {
								h.kill()
							}
							l.Close()
							if !together {
								<-leader
							}
						}
					})
				}
				wg.Wait()
				time.Sleep(time.Minute)
				srv.check(t, windows, 100)
				if len(srv.seen) < 500 {
					t.Errorf("only %d requests were made", len(srv.seen))
				}
			})
		})
	}
}

// TestRestart counts what the next process believes, and for how long, after a
// clean end and after a crash.
func TestRestart(t *testing.T) {
	tests := []struct {
		name  string
		clean bool
		gap   time.Duration // from the end to the restart
		next  string        // identity of the next process
		used  int           // right after the restart: the first two blocks have 3
		freed time.Duration // from the restart until the short window is empty
	}{
		{"clean end, same process", true, 0, "a", 4, 10 * time.Second},
		{"clean end, another process", true, 0, "b", 4, (4 + 10) * time.Second},
		{"clean end, same process later", true, 6 * time.Second, "a", 4, (10 - 6) * time.Second},
		{"clean end, another process later", true, 6 * time.Second, "b", 4, (4 + 10 - 6) * time.Second},
		{"crash, same process", false, 0, "a", 6, (15 + 30 + 10) * time.Second},
		{"crash, another process", false, 0, "b", 6, (15 + 30 + 10) * time.Second},
		{"crash, another process later", false, 20 * time.Second, "b", 6, (15 + 30 + 4 + 10 - 20) * time.Second},
		{"crash, another process that is alone", false, 0, "b alone", 6, (10 + 10) * time.Second},
		{"crash, another process that is alone, later", false, 45 * time.Second, "b alone", 6, (15 + 30 + 4 + 10 - 45) * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d disk
				var lost []string
				l, h := holder(t, &d, "a", true, &lost)
				for _, p := range acquire(t, l, 4) {
					p.Done(Outcome{})
				}
				if !tt.clean {
					h.kill()
				}
				l.Close()
				time.Sleep(tt.gap)
				next, _ := holder(t, &d, tt.next, false, &lost)
				tt.freed += newWindow(consoleWindows[0], 100).margin()
				if got := next.Stats().Windows[0].Used; got != tt.used {
					t.Errorf("%d believed used, want %d", got, tt.used)
				}
				time.Sleep(tt.freed - time.Millisecond)
				if got := next.Stats().Windows[0].Used; got != tt.used {
					t.Errorf("%d used just before they come back, want %d", got, tt.used)
				}
				time.Sleep(2 * time.Millisecond)
				if got := next.Stats().Windows[0].Used; got != 0 {
					t.Errorf("%d used in the end, want none", got)
				}
				if len(lost) > 0 {
					t.Errorf("record loss was reported: %q", lost)
				}
			})
		})
	}
}

// TestRival has a process that believes itself alone meet another one: what
// the other may still send then counts for as long as it may be sent.
func TestRival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d disk
		var lost []string
		a, _ := holder(t, &d, "a alone", true, &lost)
		acquire(t, a, 1)[0].Done(Outcome{})
		b, _ := holder(t, &d, "b", false, &lost)
		acquire(t, b, 1)[0].Done(Outcome{})
		for range 3 { // until a has to save, and finds b's record
			if p, err := a.TryAcquire(Request{Key: "a", Lane: Change}); err == nil {
				p.Done(Outcome{})
			}
		}
		synctest.Wait()
		a.Withdraw("a")
		time.Sleep(lostGrace + 10*time.Second + time.Second)
		if got := a.Stats().Windows[0].Used; got < 3 {
			t.Errorf("%d believed used, want at least b's block of 3", got)
		}
	})
}

// TestCrashCost compares what a crash costs with what the process had used.
func TestCrashCost(t *testing.T) {
	for _, used := range []int{1, 2, 5, 10, 40, 100} {
		t.Run(fmt.Sprint(used), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d disk
				var lost []string
				l, h := holder(t, &d, "a", true, &lost)
				for range used {
					acquire(t, l, 1)[0].Done(Outcome{})
				}
				h.kill()
				next, _ := holder(t, &d, "b", false, &lost)
				const first, full = 3, 25
				most := min(used+max(first, used), full) * 3 / 2
				if got := next.Stats().Windows[1].Used - used; got < 0 || got > most {
					t.Errorf("%d unused tokens count as used, want at most %d", got, most)
				}
			})
		})
	}
}

// TestCrashLoop kills a process every few seconds for minutes, while another
// one with another clock takes over, with a block as large as two of the
// shortest windows: requests are made all the same.
func TestCrashLoop(t *testing.T) {
	windows := []Window{{200, time.Second}, {1800, 90 * time.Second}}
	synctest.Test(t, func(t *testing.T) {
		var (
			d   disk
			srv server
		)
		rng := rand.New(rand.NewPCG(5, 6))
		begin := newHandle(&d, 1)
		if err := begin.Save(t.Context(), New(Config{Windows: windows}).Export()); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for i := range 200 {
			h := newHandle(&d, rng.Uint64())
			offset := [...]time.Duration{2 * time.Second, -2 * time.Second}[i%2]
			l := New(Config{Windows: windows, Share: 100}, WithStore(h, Durability{
				Identity: fmt.Sprint(i % 2), Exclusive: true,
				Clock:        func() time.Time { return time.Now().Add(offset) },
				OnRecordLoss: func(reason string) { t.Errorf("record lost: %s", reason) },
			}))
			time.Sleep(time.Second) // for the Lease of the one before to run out
			process(t, l, &srv, rng, time.Duration(rng.Int64N(int64(3*time.Second))))
			h.kill()
			l.Close()
		}
		took := time.Since(start)
		most := int(1800 * (1 + took.Seconds()/90))
		t.Logf("%d requests in %v; the windows permit %d", srv.count(), took, most)
		if srv.count() < most/4 {
			t.Errorf("%d requests in %v, want at least a quarter of %d", srv.count(), took, most)
		}
		srv.check(t, windows, 100)
	})
}

// TestPauseSurvivesAKill kills a process that was answered 429 a moment before,
// or while it saved something else: the next one waits as long as was asked for,
// and makes the same guess.
func TestPauseSurvivesAKill(t *testing.T) {
	for _, slow := range []time.Duration{0, 50 * time.Millisecond} {
		for _, next := range []string{"a", "b", "b alone"} {
			t.Run(fmt.Sprintf("%s, saves take %v", next, slow), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var d disk
					var lost []string
					l, h := holder(t, &d, "a", true, &lost)
					for _, p := range acquire(t, l, 2) {
						p.Done(Outcome{})
					}
					h.mu.Lock()
					h.slow = slow
					h.mu.Unlock()
					throttled := mustTry(t, l, Request{Key: "throttled"})
					mustWait(t, l, Request{Key: "next"}) // for the block that is being saved
					throttled.Done(throttle(20 * time.Minute))
					until := time.Now().Add(20 * time.Minute)
					time.Sleep(2*slow + time.Millisecond)
					h.kill()
					l.Close()

					n, _ := holder(t, &d, next, false, &lost)
					s := n.Stats()
					// Another process's clock may be four seconds behind.
					if wait := s.ClosedUntil.Sub(until); wait < 0 || wait > 5*time.Second {
						t.Errorf("closed until %v after what was asked for", wait)
					}
					if s.Windows[0].Capacity != s.Windows[0].Limit || s.Windows[1].Capacity >= 900 {
						t.Errorf("%+v, want a guess of the longer window", s.Windows)
					}
					if w := mustWait(t, n, Request{Key: "a", Lane: Revoke}); w.Reason != ReasonThrottled {
						t.Errorf("%+v, want the reason Throttled", w)
					}
					time.Sleep(time.Until(s.ClosedUntil))
					mustTry(t, n, Request{Key: "a", Lane: Revoke}).Done(Outcome{})
				})
			})
		}
	}
}

// TestGuessIsDroppedForGood: neither a change of the limits nor a record that was
// read again brings back a guess that was wrong.
func TestGuessIsDroppedForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d disk
		var lost []string
		l, h := holder(t, &d, "a", true, &lost)
		acquire(t, l, 1)[0].Done(throttle(20 * time.Second))
		time.Sleep(time.Second)
		h.kill()
		l.Close()
		n, _ := holder(t, &d, "a", false, &lost)
		time.Sleep(30 * time.Second)
		for range regainLeast {
			p, err := n.Acquire(t.Context(), Request{})
			if err != nil {
				t.Fatal(err)
			}
			p.Done(Outcome{})
		}
		n.Reconfigure(Config{Windows: consoleWindows, Share: 90})
		for _, w := range n.Stats().Windows {
			if w.Capacity != w.Limit {
				t.Errorf("a guess of %d per %v is back", w.Capacity, w.Per)
			}
		}
	})
}
