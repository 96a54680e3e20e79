package quota

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
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

// holder makes a limiter over d whose process is called id, or "id alone" for
// one that holds a lock.
func holder(t *testing.T, d *disk, id string, fresh bool, lost *[]string) (*Limiter, *handle) {
	h := newHandle(d, 7)
	h.slow = 0
	id, alone := strings.CutSuffix(id, " alone")
	l := New(Config{Windows: consoleWindows, Share: 100}, WithStore(h, Durability{
		Identity: id, Exclusive: alone, Fresh: fresh, OnRecordLoss: func(s string) { *lost = append(*lost, s) },
	}))
	t.Cleanup(l.Close)
	synctest.Wait()
	return l, h
}

func acquire(t *testing.T, l *Limiter, n int) (permits []*Permit) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	for range n {
		p, err := l.Acquire(ctx, Request{Lane: Change})
		if err != nil {
			t.Fatalf("Acquire: %v", err)
		}
		permits = append(permits, p)
	}
	return permits
}

func TestRecordLoss(t *testing.T) {
	tests := []struct {
		name  string
		data  []byte
		fresh bool
		lost  bool
	}{
		{"first start", nil, true, false},
		{"record deleted", nil, false, true},
		{"record damaged", []byte(`{"v":1,"windows":[{"per":-1}]}`), true, true},
		{"record of a later version", []byte(`{"v":2}`), true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := disk{data: tt.data}
				var lost []string
				l, _ := holder(t, &d, "a", tt.fresh, &lost)
				used := l.Stats().Windows[1].Used
				if tt.lost && (used != 900 || len(lost) != 1) {
					t.Errorf("%d used, reported %q; want a full window, reported once", used, lost)
				}
				if !tt.lost && (used != 0 || len(lost) != 0) {
					t.Errorf("%d used, reported %q; want a free start", used, lost)
				}
				if tt.lost {
					w := mustWait(t, l, Request{Key: "a", Lane: Change})
					if time.Until(w.At) < 15*time.Minute {
						t.Errorf("the first call is expected in %v, want a whole window later", time.Until(w.At))
					}
					time.Sleep(time.Until(w.At) + time.Second)
				}
				acquire(t, l, 1)[0].Done(Outcome{})
				if d.saves == 0 {
					t.Error("a call was made without a record")
				}
			})
		})
	}
}

// TestRestartAfterRecordLoss: what a process believes that finds no record
// outlives it, so that processes that end early do not begin the wait anew.
func TestRestartAfterRecordLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d disk
		var lost []string
		for range 3 {
			l, h := holder(t, &d, "a", false, &lost)
			if used := l.Stats().Windows[1].Used; used != 900 {
				t.Errorf("%d used, want the window full", used)
			}
			h.kill()
			l.Close()
			time.Sleep(5 * time.Minute)
		}
		if len(lost) != 1 {
			t.Errorf("reported %q, want the loss once", lost)
		}
		time.Sleep(time.Minute + 2*lostGrace)
		l, _ := holder(t, &d, "a", false, &lost)
		acquire(t, l, 1)[0].Done(Outcome{})
	})
}

// TestNoRecordNoCall cuts the store off: what is recorded may be used up, then
// everybody waits and is told why; when the store is back, work goes on.
func TestNoRecordNoCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d disk
		var lost []string
		l, h := holder(t, &d, "a", true, &lost)
		acquire(t, l, 1)[0].Done(Outcome{})
		h.kill()
		for range 100 {
			mustTry(t, l, Request{Key: "a", Lane: Change}).Cancel()
		}
		n := 1
		for ; n < 100; n++ {
			p, err := l.TryAcquire(Request{Key: "a", Lane: Change})
			if err != nil {
				break
			}
			p.Done(Outcome{})
		}
		if n != 3 {
			t.Errorf("%d calls were made on one block, want 3", n)
		}
		time.Sleep(time.Hour)
		if w := mustWait(t, l, Request{Key: "a", Lane: Change}); w.Reason != ReasonRecord {
			t.Errorf("%+v, want the reason Record", w)
		}
		h.mu.Lock()
		h.dead = false
		h.mu.Unlock()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		acquire(t, l, 1)
	})
}

// TestBlockDeadline lets blocks run out of time: no attempt starts on one
// whose deadline has passed, not even with a token already held.
func TestBlockDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d disk
		var lost []string
		l, h := holder(t, &d, "a", true, &lost)
		var calls log
		r := Request{Key: "held", Lane: Change, Notify: func() { calls.add("a") }}
		mustWait(t, l, r) // for the first block
		calls.expect(t, "a")
		first := d.saves
		time.Sleep(BlockLife)
		if w := mustWait(t, l, r); w.Ahead != 0 {
			t.Errorf("%+v, want the front of the queue", w)
		}
		calls.expect(t, "a", "a")
		if d.saves != first+1 {
			t.Errorf("%d saves after the first %d, want a second block", d.saves, first)
		}
		mustTry(t, l, r).Done(Outcome{})
		h.kill()
		time.Sleep(BlockLife - time.Millisecond)
		mustTry(t, l, Request{Key: "last", Lane: Change}).Done(Outcome{})
		time.Sleep(time.Millisecond)
		if w := mustWait(t, l, Request{Key: "late", Lane: Change}); w.Reason != ReasonRecord {
			t.Errorf("%+v, want the reason Record", w)
		}
	})
}

// TestBlockIsSavedAhead has requests wait for a window longer than a block
// lives: when there is room, the next block is there already.
func TestBlockIsSavedAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d disk
		h := newHandle(&d, 1)
		l := New(Config{Windows: []Window{{9, time.Minute}}, Share: 100}, WithStore(h, Durability{Fresh: true}))
		defer l.Close()
		for range 9 {
			acquire(t, l, 1)[0].Done(Outcome{})
		}
		saves := d.saves
		w := mustWait(t, l, Request{Key: "a", Lane: Change})
		time.Sleep(time.Until(w.At))
		synctest.Wait()
		mustTry(t, l, Request{Key: "a", Lane: Change})
		if d.saves != saves+1 {
			t.Errorf("%d saves while waiting, want one", d.saves-saves)
		}
	})
}
