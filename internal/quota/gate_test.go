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
	const calls = 8000
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
