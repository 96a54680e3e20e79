package quota

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// named makes a limiter of the quota of that name, whose record is on d.
func named(t *testing.T, d *disk, name, identity string, fresh bool) (*Limiter, *handle) {
	h := newHandle(d, 7)
	h.slow = 0
	l := New(Config{Windows: consoleWindows, Share: 100}, WithStore(h, Durability{
		Quota: name, Identity: identity, Exclusive: true, Fresh: fresh,
		OnRecordLoss: func(reason string) { t.Errorf("%s of %s: %s", name, identity, reason) },
	}))
	t.Cleanup(l.Close)
	return l, h
}

// send makes n requests, one after the other.
func send(t *testing.T, l *Limiter, n int) {
	t.Helper()
	for range n {
		acquire(t, l, 1)[0].Done(Outcome{})
	}
}

// move hands the history of one quota to another one and waits until that is
// recorded.
func move(t *testing.T, from, to *Limiter) {
	t.Helper()
	to.Import(from.journal.Quota, from.Export())
	if err := to.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// used expects that so many requests count in every window.
func used(t *testing.T, l *Limiter, want int) {
	t.Helper()
	synctest.Wait()
	for _, w := range l.Stats().Windows {
		if w.Used != want {
			t.Errorf("%d used per %v, want %d", w.Used, w.Per, want)
		}
	}
}

// TestImport hands the history of one limiter to another.
func TestImport(t *testing.T) {
	bubble(t, Config{Windows: []Window{{50, time.Minute}}}, func(t *testing.T, l *Limiter) {
		spendNow(t, l, Change, 7)
		mustTry(t, l, Request{Key: "under way"})
		heir := New(Config{Windows: []Window{{50, time.Minute}, {80, time.Hour}}, Share: 100})
		defer heir.Close()
		spendNow(t, heir, Change, 2)
		heir.Import("former", l.Export())
		if got := heir.Stats().Windows[0].Used; got != 10 {
			t.Errorf("%d used in the known window, want 10", got)
		}
		if got := heir.Stats().Windows[1].Used; got < 80 {
			t.Errorf("%d used in the window of which nothing is known, want it full", got)
		}
	})
}

// TestImportOfNothing: where the history of a former quota is lost, every window
// is full.
func TestImportOfNothing(t *testing.T) {
	bubble(t, Config{Windows: consoleWindows}, func(t *testing.T, l *Limiter) {
		spendNow(t, l, Change, 7)
		l.Import("lost", Record{})
		for _, w := range l.Stats().Windows {
			if w.Used != w.Limit {
				t.Errorf("%d of %d used, want the window full", w.Used, w.Limit)
			}
		}
		time.Sleep(16 * time.Minute)
		mustTry(t, l, Request{Key: "a"})
	})
}

// TestImportCountsOnce: whatever is handed over and back, however often, before
// the own record was read or after, each request counts once.
func TestImportCountsOnce(t *testing.T) {
	for _, loaded := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var d1, d2, d3 disk
			one, _ := named(t, &d1, "one", "a", true)
			send(t, one, 7)
			two, _ := named(t, &d2, "two", "a", true)
			if loaded {
				synctest.Wait()
			}
			for range 3 { // as for several connections that move
				move(t, one, two)
				used(t, two, 7)
			}
			send(t, one, 1)
			move(t, one, two)
			send(t, two, 10)
			used(t, two, 18)
			time.Sleep(time.Minute)
			move(t, two, one) // and back
			if w := one.Stats().Windows; w[0].Used != 0 || w[1].Used != 18 {
				t.Errorf("%+v, want 18 in the longer window", w)
			}
			send(t, one, 1)
			three, _ := named(t, &d3, "three", "a", true)
			move(t, two, three) // has a copy of the first one's, from before
			move(t, one, three)
			move(t, two, three)
			for _, l := range []*Limiter{one, two, three} {
				l.Close()
			}
			time.Sleep(time.Minute)
			// What was handed over outlives the process.
			for name, d := range map[string]*disk{"one": &d1, "three": &d3} {
				next, _ := named(t, d, name, "a", false)
				synctest.Wait()
				if w := next.Stats().Windows; w[0].Used != 0 || w[1].Used != 19 {
					t.Errorf("%s: %+v after a restart, want 19 in the longer window", name, w)
				}
			}
		})
	}
}

// TestImportOfAnotherProcess: two copies of a history that processes made whose
// clocks do not tell which is the later one both count.
func TestImportOfAnotherProcess(t *testing.T) {
	for apart, want := range map[time.Duration]int{0: 5, time.Second: 8, time.Minute: 3, -time.Second: 8, -time.Minute: 5} {
		bubble(t, Config{Windows: []Window{{50, time.Hour}}}, func(t *testing.T, l *Limiter) {
			at := time.Now()
			copied := func(at time.Time, n int) Record {
				return Record{Writer: "b", Windows: []WindowRecord{{Per: time.Hour}}, Former: []Former{{Quota: "third", At: at, Windows: []WindowRecord{
					{Per: time.Hour, Spent: []Spent{{time.Now(), n}}},
				}}}}
			}
			l.Import("one", copied(at, 5))
			l.Import("two", copied(at.Add(apart), 3))
			if got := l.Stats().Windows[0].Used; got != want {
				t.Errorf("%d used of copies with 5 and 3 that are %v apart, want %d", got, apart, want)
			}
		})
	}
}

// TestSync: it returns when what was imported is on the disk, and the process
// after one that was killed then knows it.
func TestSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d1, d2 disk
		one, _ := named(t, &d1, "one", "a", true)
		send(t, one, 7)
		two, h := named(t, &d2, "two", "a", true)
		h.mu.Lock()
		h.slow, h.faults = time.Second, true
		h.mu.Unlock()
		two.Import("one", one.Export())
		if err := two.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.kill()
		next, _ := named(t, &d2, "two", "b", false)
		used(t, next, 7)

		two.Import("one", one.Export())
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := two.Sync(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("while nothing can be saved: %v", err)
		}
		two.Close()
		if err := two.Sync(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("of a closed limiter: %v", err)
		}
	})
}
