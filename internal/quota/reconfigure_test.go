package quota

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A hit is a request as the server sees it, and the configurations under which
// it was permitted and seen.
type hit struct {
	at             time.Time
	permitted, met int
}

// reconfigured is a limiter whose configuration changes, and the requests made.
type reconfigured struct {
	l       *Limiter
	mu      sync.Mutex
	hits    []hit
	configs []Config
}

func (r *reconfigured) set(c Config) {
	c.Share = 100
	r.mu.Lock()
	defer r.mu.Unlock()
	r.configs = append(r.configs, c)
	r.l.Reconfigure(c)
}

// use makes requests of random lengths until ctx ends.
func (r *reconfigured) use(ctx context.Context, rng *rand.Rand) {
	for {
		mutation := rng.IntN(2) == 0
		p, err := r.l.Acquire(ctx, Request{Lane: Lane(rng.IntN(laneCount)), Mutation: mutation, Turn: fmt.Sprint(rng.IntN(3))})
		if err != nil {
			return
		}
		r.mu.Lock()
		h := hit{permitted: len(r.configs)}
		r.mu.Unlock()
		time.Sleep(time.Duration(rng.Int64N(int64(2 * time.Second))))
		r.mu.Lock()
		h.at, h.met = time.Now(), len(r.configs)
		if !mutation && r.configs[h.met-1].MutationsOnly {
			h.permitted = 0 // not limited, and yet counted by the next configuration
		}
		r.hits = append(r.hits, h)
		r.mu.Unlock()
		time.Sleep(time.Duration(rng.Int64N(int64(2 * time.Second))))
		p.Done(Outcome{})
	}
}

// check finds the requests beside which a window held too many. What was
// permitted under another configuration is in the windows of the present one.
func (r *reconfigured) check(t *testing.T) {
	t.Helper()
	slices.SortFunc(r.hits, func(a, b hit) int { return a.at.Compare(b.at) })
	for i, h := range r.hits {
		c := r.configs[h.met-1]
		if h.permitted != h.met || c.MutationsOnly {
			continue
		}
		for _, w := range c.Windows {
			n := 0
			for j := i; j >= 0 && h.at.Sub(r.hits[j].at) < w.Per; j-- {
				n++
			}
			if n > w.Requests {
				t.Fatalf("a window of %v held %d requests, allowed %d, under configuration %d of %+v", w.Per, n, w.Requests, h.met, r.configs[:h.met])
			}
		}
	}
}

// TestNoWindowOfAnyConfigurationHoldsTooMany has windows come and go, and reads
// count or not, while requests are under way: what was sent before counts.
func TestNoWindowOfAnyConfigurationHoldsTooMany(t *testing.T) {
	sets := [][]Window{
		{{12, 10 * time.Second}, {40, time.Minute}},
		{{12, 10 * time.Second}},
		{{40, time.Minute}},
		{{5, 10 * time.Second}, {60, 2 * time.Minute}},
		{{3, time.Second}, {20, 30 * time.Second}, {40, time.Minute}},
		{{30, time.Minute}, {200, 10 * time.Minute}},
	}
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 77))
				draw := func() Config {
					return Config{Windows: sets[rng.IntN(len(sets))], MutationsOnly: seed%4 == 3 && rng.IntN(2) == 0}
				}
				var d disk
				var opts []Option
				if seed%2 == 0 {
					opts = append(opts, WithStore(newHandle(&d, seed), Durability{Identity: "a", Fresh: true, Exclusive: true}))
				}
				r := &reconfigured{l: New(Config{}, opts...)}
				r.set(draw())
				ctx, cancel := context.WithCancel(t.Context())
				var wg sync.WaitGroup
				for i := range 20 {
					rng := rand.New(rand.NewPCG(seed, uint64(1000+i)))
					wg.Go(func() { r.use(ctx, rng) })
				}
				for range 12 {
					time.Sleep(time.Duration(rng.Int64N(int64(90 * time.Second))))
					synctest.Wait()
					r.set(draw())
				}
				time.Sleep(time.Minute)
				cancel()
				wg.Wait()
				r.l.Close()
				r.check(t)
				if len(r.hits) < 100 {
					t.Errorf("only %d requests were made", len(r.hits))
				}
			})
		})
	}
}

// TestReadsUnderWayBeginToCount: the server sees a read that was sent while only
// mutations counted when all requests do.
func TestReadsUnderWayBeginToCount(t *testing.T) {
	window := []Window{{10, time.Minute}}
	bubble(t, Config{Windows: window, MutationsOnly: true}, func(t *testing.T, l *Limiter) {
		var reads []*Permit
		for range 4 {
			reads = append(reads, mustTry(t, l, Request{Key: "read", Lane: Change}))
		}
		l.Reconfigure(Config{Windows: window, Share: 100})
		if used := l.Stats().Windows[0].Used; used != 4 {
			t.Errorf("%d of the 4 reads under way count", used)
		}
		time.Sleep(25 * time.Second)
		for _, p := range reads {
			p.Done(Outcome{}) // seen just now
		}
		time.Sleep(36 * time.Second)
		n := 0
		for ; n < 10; n++ {
			p, err := l.TryAcquire(Request{Key: fmt.Sprint(n), Lane: Change})
			if err != nil {
				break
			}
			p.Done(Outcome{})
		}
		if n != 6 {
			t.Errorf("%d requests beside 4 reads within a minute, want 6", n)
		}
		if s := l.Stats(); s.InFlight != 0 {
			t.Errorf("%d are held for ever", s.InFlight)
		}
	})
}

// TestGrantedReadBeginsToCount: a read whose turn came while reads were free, and
// which is not sent yet, takes a place in the windows like any other.
func TestGrantedReadBeginsToCount(t *testing.T) {
	window := []Window{{1, time.Minute}}
	bubble(t, Config{Windows: window, MutationsOnly: true}, func(t *testing.T, l *Limiter) {
		mustTry(t, l, Request{Key: "trial"}).Done(throttle(time.Second))
		mustWait(t, l, Request{Key: "read"})
		time.Sleep(2 * time.Second) // a token is held for it
		l.Reconfigure(Config{Windows: window, Share: 100})
		if w := mustWait(t, l, Request{Key: "read"}); w.Reason != ReasonQuota {
			t.Errorf("%+v, want the window full of what was sent before", w)
		}
		time.Sleep(2 * time.Minute)
		mustTry(t, l, Request{Key: "read"}).Done(Outcome{})
	})
}

// TestReconfiguredAfterARestart: a record knows nothing of what its windows had
// forgotten, so a longer window is full at first.
func TestReconfiguredAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d disk
		start := func(fresh bool, windows ...Window) *Limiter {
			h := newHandle(&d, 1)
			h.slow = 0
			l := New(Config{Windows: windows, Share: 100}, WithStore(h, Durability{Identity: "a", Exclusive: true, Fresh: fresh}))
			synctest.Wait()
			return l
		}
		short, long := Window{12, 10 * time.Second}, Window{40, time.Minute}
		l := start(true, short)
		for range 3 {
			for range 12 {
				acquire(t, l, 1)[0].Done(Outcome{})
			}
			time.Sleep(11 * time.Second)
		}
		l.Close()
		next := start(false, short)
		defer next.Close()
		next.Reconfigure(Config{Windows: []Window{long}, Share: 100})
		if used := next.Stats().Windows[0].Used; used != 40 {
			t.Errorf("%d used after a minute with 36 requests of which the record knows none, want the window full", used)
		}
	})
}

// TestRecordThatLoadsBeforeTheWindows: a limiter is made without windows, and its
// record may be there first.
func TestRecordThatLoadsBeforeTheWindows(t *testing.T) {
	windows := []Window{{12, 10 * time.Second}, {40, 10 * time.Minute}}
	for _, mutationsOnly := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var d disk
			var lost []string
			cfg := Config{Windows: windows, Share: 100, MutationsOnly: mutationsOnly}
			start := func(fresh bool, first Config) *Limiter {
				h := newHandle(&d, 1)
				h.slow = 0
				l := New(first, WithStore(h, Durability{Identity: "a", Exclusive: true, Fresh: fresh,
					OnRecordLoss: func(reason string) { lost = append(lost, reason) }}))
				synctest.Wait()
				return l
			}
			l := start(true, cfg)
			for range 10 {
				p, err := l.Acquire(t.Context(), Request{Mutation: true})
				if err != nil {
					t.Fatal(err)
				}
				p.Done(Outcome{})
			}
			l.Close()
			for range 2 { // the second finds what the first has saved without windows
				next := start(false, Config{})
				next.Reconfigure(cfg)
				for i, w := range next.Stats().Windows {
					if w.Used != 10 {
						t.Errorf("window %d: %d used, want 10; only mutations %v", i, w.Used, mutationsOnly)
					}
				}
				next.Close()
				start(false, Config{}).Close()
			}
			if len(lost) > 0 {
				t.Errorf("record loss was reported: %q", lost)
			}
		})
	}
}
