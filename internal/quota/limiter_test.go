package quota

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// reconcile asks with TryAcquire until it has a permit, waiting for Notify in
// between as a work queue would.
func reconcile(t *testing.T, l *Limiter, r Request) *Permit {
	wake := make(chan struct{}, 1)
	r.Notify = func() { wake <- struct{}{} }
	for {
		p, err := l.TryAcquire(r)
		if err == nil {
			return p
		}
		var wait *WaitError
		if !errors.As(err, &wait) {
			t.Errorf("TryAcquire: %v", err)
			return nil
		}
		<-wake
	}
}

// TestNoWindowEverHoldsTooMany runs random clients with random latencies,
// lanes, lost answers, cancellations and withdrawals against a server that
// counts for itself.
func TestNoWindowEverHoldsTooMany(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 1))
				windows := []Window{
					{1 + rng.IntN(30), time.Duration(1+rng.IntN(5)) * time.Second},
					{10 + rng.IntN(100), time.Duration(10+rng.IntN(50)) * time.Second},
				}
				share := 1 + rng.IntN(100)
				longest := time.Duration(rng.Int64N(int64(4 * time.Second)))
				if seed%4 == 0 {
					longest = 0 // only the margin keeps requests apart
				}
				l := New(Config{Windows: windows, Share: share})
				defer l.Close()
				var srv server
				var wg sync.WaitGroup
				for i := range 60 {
					rng := rand.New(rand.NewPCG(seed, uint64(i)+2))
					wg.Go(func() { randomClient(t, l, &srv, rng, i, longest) })
				}
				wg.Wait()
				time.Sleep(time.Minute)
				srv.check(t, windows, share)
				if len(srv.seen) < 60 {
					t.Errorf("only %d requests were made", len(srv.seen))
				}
			})
		})
	}
}

func randomClient(t *testing.T, l *Limiter, srv *server, rng *rand.Rand, id int, longest time.Duration) {
	r := Request{Key: fmt.Sprint(id), Turn: fmt.Sprint(id % 7)}
	for range 6 {
		time.Sleep(time.Duration(rng.Int64N(int64(10 * time.Second))))
		r.Lane, r.Mutation = Lane(rng.IntN(laneCount)), rng.IntN(2) == 0
		var p *Permit
		switch rng.IntN(8) {
		case 0:
			if p, _ = l.TryAcquire(r); p == nil {
				l.Withdraw(r.Key)
				continue
			}
		case 1, 2:
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rng.IntN(60))*time.Second)
			p, _ = l.Acquire(ctx, r)
			cancel()
			if p == nil {
				continue
			}
		default:
			p = reconcile(t, l, r)
		}
		if rng.IntN(10) == 0 {
			p.Cancel()
		}
		if !p.ended {
			p.Done(srv.call(rng, longest))
		}
	}
}

// TestBacklogTakesLittleMoreThanTheLeastTime works off backlogs at the default
// limits of the Console API.
func TestBacklogTakesLittleMoreThanTheLeastTime(t *testing.T) {
	for _, n := range []int{1000, 5000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := New(Config{Windows: consoleWindows})
				defer l.Close()
				var srv server
				start := time.Now()
				var wg sync.WaitGroup
				for i := range n {
					rng := rand.New(rand.NewPCG(uint64(n), uint64(i)))
					wg.Go(func() {
						p := reconcile(t, l, Request{Key: fmt.Sprint(i), Turn: fmt.Sprint(i % 10), Lane: Change})
						p.Done(srv.call(rng, 400*time.Millisecond))
					})
				}
				wg.Wait()
				took, least := time.Since(start), leastTime(n, consoleWindows, 90)
				t.Logf("%d requests: %v, least %v, ratio %.4f", n, took, least, float64(took)/float64(least))
				if float64(took) > 1.05*float64(least) {
					t.Errorf("took %v, more than 1.05 of the least time %v", took, least)
				}
				time.Sleep(time.Minute)
				srv.check(t, consoleWindows, 90)
			})
		})
	}
}

func TestAcquireWithoutContentionDoesNotAllocate(t *testing.T) {
	l := New(Config{Windows: []Window{{1 << 20, time.Hour}, {1 << 21, 2 * time.Hour}}})
	defer l.Close()
	for range 1000 { // let the rings grow
		if p, err := l.TryAcquire(Request{Key: "a"}); err == nil {
			p.Done(Outcome{})
		}
	}
	for name, acquire := range acquirers {
		if n := testing.AllocsPerRun(1000, func() { acquire(t.Context(), l) }); n != 0 {
			t.Errorf("%s: %v allocations, want 0", name, n)
		}
	}
}

var acquirers = map[string]func(context.Context, *Limiter){"TryAcquire": tryOnce, "Acquire": acquireOnce}

func tryOnce(_ context.Context, l *Limiter) {
	p, err := l.TryAcquire(Request{Key: "a", Turn: "b", Lane: Change, Mutation: true})
	if err != nil {
		panic(err)
	}
	p.Cancel()
}

func acquireOnce(ctx context.Context, l *Limiter) {
	p, err := l.Acquire(ctx, Request{Turn: "b", Lane: Change, Mutation: true})
	if err != nil {
		panic(err)
	}
	p.Cancel()
}

func BenchmarkAcquire(b *testing.B) {
	l := New(Config{Windows: []Window{{1 << 20, time.Hour}, {1 << 21, 2 * time.Hour}}})
	defer l.Close()
	for name, acquire := range acquirers {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				acquire(b.Context(), l)
			}
		})
	}
	b.Run("TryAcquire and Done", func(b *testing.B) {
		l := New(Config{Windows: []Window{{1 << 30, time.Millisecond}}})
		defer l.Close()
		b.ReportAllocs()
		for b.Loop() {
			p, err := l.TryAcquire(Request{Key: "a", Lane: Change})
			if err != nil {
				b.Fatal(err)
			}
			p.Done(Outcome{})
		}
	})
}
