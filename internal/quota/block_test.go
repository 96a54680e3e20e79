package quota

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// disk holds the stored record for all processes.
type disk struct {
	mu      sync.Mutex
	data    []byte
	version int
	saves   int
	biggest int
}

// handle is one process's view of the disk, with its latencies and faults.
type handle struct {
	*disk
	mu     sync.Mutex
	rng    *rand.Rand
	seen   int
	slow   time.Duration
	faults bool
	dead   bool // the process was killed
}

func (h *handle) pause() (dead, fault bool) {
	h.mu.Lock()
	d, fault := time.Duration(h.rng.Int64N(int64(h.slow)+1)), h.faults && h.rng.IntN(10) == 0
	h.mu.Unlock()
	time.Sleep(d)
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.dead, fault
}

func (h *handle) kill() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dead = true
}

var errStore = errors.New("the store did not answer")

func (h *handle) Load(context.Context) (r Record, err error) {
	if dead, fault := h.pause(); dead || fault {
		return r, errStore
	}
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	h.seen = h.version
	if h.data == nil {
		return r, ErrNoRecord
	}
	return r, json.Unmarshal(h.data, &r)
}

func (h *handle) Save(_ context.Context, r Record) error {
	dead, fault := h.pause()
	if dead {
		return errStore
	}
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if h.seen != h.version {
		return ErrConflict
	}
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	h.version++
	h.data = data
	h.saves++
	h.biggest = max(h.biggest, len(data))
	if fault {
		return errStore // saved, and nobody knows
	}
	h.seen = h.version
	return nil
}

func newHandle(d *disk, seed uint64) *handle {
	return &handle{disk: d, rng: rand.New(rand.NewPCG(seed, 99)), slow: 50 * time.Millisecond}
}

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
				together := seed%2 == 0
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
									Identity: fmt.Sprint(node),
									Clock:    func() time.Time { return time.Now().Add(offset) },
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

// TestFullLoadWithStore measures saves, record size and the price in time.
func TestFullLoadWithStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 5000
		var (
			d   disk
			srv server
			wg  sync.WaitGroup
		)
		l := New(Config{Windows: consoleWindows}, WithStore(newHandle(&d, 1), Durability{Identity: "a", Fresh: true}))
		start := time.Now()
		for i := range n {
			rng := rand.New(rand.NewPCG(4, uint64(i)))
			wg.Go(func() {
				p := reconcile(t, l, Request{Key: fmt.Sprint(i), Turn: fmt.Sprint(i % 10), Lane: Change})
				p.Done(srv.call(rng, 400*time.Millisecond))
			})
		}
		wg.Wait()
		took, least := time.Since(start), leastTime(n, consoleWindows, 90)
		t.Logf("%d saves in %v, largest record %d bytes, ratio %.4f", d.saves, took, d.biggest, float64(took)/float64(least))
		if rate := float64(d.saves) / took.Seconds(); rate >= 1 {
			t.Errorf("%.2f saves per second", rate)
		}
		if burst := 90; d.saves > n/(burst/4)*3/2 {
			t.Errorf("%d saves for %d requests", d.saves, n)
		}
		if d.biggest > 4096 {
			t.Errorf("the record grew to %d bytes", d.biggest)
		}
		if float64(took) > 1.05*float64(least) {
			t.Errorf("took %v, more than 1.05 of the least time %v", took, least)
		}
		srv.check(t, consoleWindows, 90)

		saves := d.saves
		time.Sleep(24 * time.Hour)
		if d.saves != saves {
			t.Errorf("an idle day cost %d saves", d.saves-saves)
		}
		l.Close()
	})
}
