package quota

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// bubble runs f in a synctest bubble with a limiter of the given windows.
func bubble(t *testing.T, cfg Config, f func(*testing.T, *Limiter)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if cfg.Share == 0 {
			cfg.Share = 100
		}
		l := New(cfg, WithJitter(func() float64 { return 0 }))
		defer l.Close()
		f(t, l)
	})
}

func mustTry(t *testing.T, l *Limiter, r Request) *Permit {
	t.Helper()
	p, err := l.TryAcquire(r)
	if err != nil {
		t.Fatalf("TryAcquire(%q): %v", r.Key, err)
	}
	return p
}

func mustWait(t *testing.T, l *Limiter, r Request) *WaitError {
	t.Helper()
	_, err := l.TryAcquire(r)
	var wait *WaitError
	if !errors.As(err, &wait) {
		t.Fatalf("TryAcquire(%q) = %v, want a WaitError", r.Key, err)
	}
	return wait
}

// spendNow uses n tokens at once.
func spendNow(t *testing.T, l *Limiter, lane Lane, n int) {
	t.Helper()
	for range n {
		mustTry(t, l, Request{Key: "spend", Lane: lane, Mutation: true}).Done(Outcome{})
	}
}

// log notes what Notify functions say, from whichever goroutine calls them.
type log struct {
	mu    sync.Mutex
	lines []string
}

func (l *log) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
}

func (l *log) expect(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Equal(l.lines, want) {
		t.Fatalf("called %v, want %v", l.lines, want)
	}
}

// TestOrderOfService queues tickets of several lanes and turns and compares the
// order of service, and the places told beforehand, with the expected order.
func TestOrderOfService(t *testing.T) {
	bubble(t, Config{Windows: []Window{{1, time.Second}}}, func(t *testing.T, l *Limiter) {
		spendNow(t, l, Change, 1)
		var served log
		ask := func(key string, lane Lane) {
			turn, _, _ := strings.Cut(key, "-")
			r := Request{Key: key, Turn: turn, Lane: lane}
			r.Notify = func() {
				served.add(key)
				p, err := l.TryAcquire(Request{Key: key, Turn: turn, Lane: lane})
				if err != nil {
					t.Errorf("%s was called but has to wait: %v", key, err)
					return
				}
				p.Done(Outcome{})
			}
			mustWait(t, l, r)
		}
		ask("z-1", Drift)
		for i := range 3 {
			ask(fmt.Sprintf("a-%d", i), Change)
		}
		ask("b-0", Change)
		ask("b-1", Change)
		ask("c-0", Change)
		ask("r-0", Revoke)
		ask("a-2", Revoke) // moves to the more urgent lane
		ask("b-0", Drift)  // keeps its place
		want := []string{"r-0", "a-2", "a-0", "b-0", "c-0", "a-1", "b-1", "z-1"}
		for i, key := range want {
			if w, ok := l.Waiting(key); !ok || w.Ahead != i {
				t.Errorf("Waiting(%s) = %+v, %v, want %d ahead", key, w, ok, i)
			}
		}
		time.Sleep(time.Minute)
		served.expect(t, want...)
	})
}

// TestPromote: what waits in a lane moves to the more urgent one that others
// come to need it in, and what joins the queue later begins there.
func TestPromote(t *testing.T) {
	bubble(t, Config{Windows: []Window{{1, time.Minute}}}, func(t *testing.T, l *Limiter) {
		spendNow(t, l, Change, 1)
		u := NewUrgency(Drift)
		var served log
		page := func(key string) {
			p, err := l.Acquire(t.Context(), Request{Key: key, Lane: Drift, Urgency: u})
			if err != nil {
				t.Errorf("Acquire(%s): %v", key, err)
				return
			}
			served.add(key)
			p.Done(Outcome{})
		}
		go page("page 1")
		synctest.Wait()
		mustWait(t, l, Request{Key: "check", Lane: Drift})
		for i := range 3 {
			mustWait(t, l, Request{Key: fmt.Sprint(i), Turn: "big", Lane: Change})
		}
		expect := func(want [3]int) {
			t.Helper()
			if got := l.Stats().Waiting; got != want {
				t.Errorf("waiting by lane: %v, want %v", got, want)
			}
		}
		expect([3]int{Change: 3, Drift: 2})
		l.Promote(u, Change)
		l.Promote(u, Drift)
		expect([3]int{Change: 4, Drift: 1})
		go page("page 2")
		synctest.Wait()
		expect([3]int{Change: 5, Drift: 1})
		mustWait(t, l, Request{Key: "write", Lane: Change, Mutation: true, Urgency: u})
		l.Promote(u, Revoke)
		expect([3]int{Revoke: 3, Change: 3, Drift: 1})
		l.Withdraw("write")
		time.Sleep(3 * time.Minute)
		served.expect(t, "page 1", "page 2")
	})
}

// TestOneTenantDoesNotHoldUpAnother queues 5,000 requests of one namespace
// before one of another.
func TestOneTenantDoesNotHoldUpAnother(t *testing.T) {
	bubble(t, Config{Windows: consoleWindows}, func(t *testing.T, l *Limiter) {
		spendNow(t, l, Change, 100)
		for i := range 5000 {
			mustWait(t, l, Request{Key: fmt.Sprint(i), Turn: "big", Lane: Change})
		}
		if w := mustWait(t, l, Request{Key: "small", Turn: "small", Lane: Change}); w.Ahead != 1 {
			t.Errorf("%d requests ahead, want 1", w.Ahead)
		}
	})
}

func TestDriftUsesOnlyItsShare(t *testing.T) {
	window := []Window{{80, time.Minute}}
	take := func(l *Limiter) (n int) {
		for i := range 80 {
			if p, err := l.TryAcquire(Request{Key: fmt.Sprint(i), Lane: Drift}); err == nil {
				p.Done(Outcome{})
				n++
			}
		}
		return n
	}
	t.Run("half when nobody else waits", func(t *testing.T) {
		bubble(t, Config{Windows: window}, func(t *testing.T, l *Limiter) {
			if n := take(l); n != 40 {
				t.Errorf("%d checks were made, want 40", n)
			}
			spendNow(t, l, Change, 40) // the rest is there for a change
		})
	})
	t.Run("a quarter while a change is being made", func(t *testing.T) {
		bubble(t, Config{Windows: window}, func(t *testing.T, l *Limiter) {
			p := mustTry(t, l, Request{Key: "change", Lane: Change})
			if n := take(l); n != 20 {
				t.Errorf("%d checks were made, want 20", n)
			}
			p.Cancel()
			if n := take(l); n != 20 {
				t.Errorf("%d checks were made when the change was over, want 20", n)
			}
		})
	})
	t.Run("none while a change waits", func(t *testing.T) {
		bubble(t, Config{Windows: window}, func(t *testing.T, l *Limiter) {
			spendNow(t, l, Change, 80)
			mustWait(t, l, Request{Key: "drift", Lane: Drift})
			for i := range 100 {
				mustWait(t, l, Request{Key: fmt.Sprintf("c%d", i), Lane: Change})
			}
			time.Sleep(61 * time.Second)
			if w, ok := l.Waiting("drift"); !ok || w.Ahead != 100-leastConcurrent {
				t.Errorf("Waiting(drift) = %+v, %v; want the changes ahead that are not being made", w, ok)
			}
		})
	})
}

func TestHeldTokenIsGivenBack(t *testing.T) {
	bubble(t, Config{Windows: []Window{{1, time.Minute}}}, func(t *testing.T, l *Limiter) {
		p := mustTry(t, l, Request{Key: "a"})
		var called log
		for _, key := range []string{"b", "c", "d"} {
			mustWait(t, l, Request{Key: key, Turn: key, Notify: func() { called.add(key) }})
		}
		p.Cancel() // at once to b, which never comes
		time.Sleep(grantTTL - time.Second)
		called.expect(t, "b")
		time.Sleep(2 * time.Second)
		called.expect(t, "b", "c")
		l.Withdraw("c") // gives the token back
		called.expect(t, "b", "c", "d")
		if _, ok := l.Waiting("b"); ok {
			t.Error("b still has a ticket")
		}
		mustTry(t, l, Request{Key: "d"}).Done(Outcome{})
		mustWait(t, l, Request{Key: "e"})
	})
}

func TestPermitEndsOnce(t *testing.T) {
	bubble(t, Config{Windows: []Window{{2, time.Minute}}}, func(t *testing.T, l *Limiter) {
		p := mustTry(t, l, Request{Key: "a"})
		p.Done(Outcome{})
		p.Done(Outcome{})
		p.Cancel()
		p = mustTry(t, l, Request{Key: "a"})
		p.Cancel()
		p.Done(Outcome{})
		s := l.Stats()
		if s.Windows[0].Used != 1 || s.InFlight != 0 || s.Totals != (Totals{OK: 1, Cancelled: 1}) {
			t.Errorf("%+v; want one request used", s)
		}
	})
}

func TestReadsAreFreeWhenOnlyMutationsCount(t *testing.T) {
	bubble(t, Config{Windows: []Window{{1, time.Minute}}, MutationsOnly: true}, func(t *testing.T, l *Limiter) {
		spendNow(t, l, Change, 1)
		mustWait(t, l, Request{Key: "write", Mutation: true})
		for range 100 {
			mustTry(t, l, Request{Key: "read", Lane: Drift}).Done(Outcome{})
		}
		mustTry(t, l, Request{Key: "read"}).Done(Outcome{Kind: Throttled, RetryAfter: 5 * time.Second, HasRetryAfter: true})
		var called log
		w := mustWait(t, l, Request{Key: "read", Lane: Drift, Notify: func() { called.add("read") }})
		if w.Reason != ReasonThrottled || time.Until(w.At) != 5*time.Second {
			t.Errorf("%+v in %v, want the gate's 5s", w, time.Until(w.At))
		}
		time.Sleep(6 * time.Second)
		called.expect(t, "read")
		// Where reads count after all, those made before do too.
		l.Withdraw("write")
		l.Reconfigure(Config{Windows: []Window{{500, time.Minute}}, Share: 100})
		if got := l.Stats().Windows[0].Used; got != 500 {
			t.Errorf("%d used, want the window believed full", got)
		}
	})
}

func TestAcquireEndsWithItsContext(t *testing.T) {
	bubble(t, Config{Windows: []Window{{1, time.Minute}}}, func(t *testing.T, l *Limiter) {
		spendNow(t, l, Change, 1)
		cause := errors.New("listing no longer needed")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, cause)
		defer cancel()
		if _, err := l.Acquire(ctx, Request{}); !errors.Is(err, cause) {
			t.Errorf("Acquire = %v, want the context's cause", err)
		}
		if _, err := l.Acquire(ctx, Request{}); !errors.Is(err, cause) {
			t.Errorf("Acquire with an ended context = %v", err)
		}
		if got := l.Stats().Waiting; got != [3]int{} {
			t.Errorf("waiting %v, want nobody", got)
		}
		done := make(chan error)
		go func() {
			_, err := l.Acquire(t.Context(), Request{})
			done <- err
		}()
		synctest.Wait()
		l.Close()
		if err := <-done; !errors.Is(err, ErrClosed) {
			t.Errorf("Acquire = %v, want ErrClosed", err)
		}
		if _, err := l.TryAcquire(Request{}); !errors.Is(err, ErrClosed) {
			t.Errorf("TryAcquire = %v, want ErrClosed", err)
		}
	})
}

// TestReconfigureKeepsWhatWasSpent changes the windows of a busy limiter.
func TestReconfigureKeepsWhatWasSpent(t *testing.T) {
	bubble(t, Config{Windows: []Window{{50, time.Minute}}}, func(t *testing.T, l *Limiter) {
		spendNow(t, l, Change, 30)
		time.Sleep(45 * time.Second)
		spendNow(t, l, Change, 5)
		l.Reconfigure(Config{Windows: []Window{{20, 30 * time.Second}, {100, time.Hour}, {40, time.Minute}}, Share: 100})
		for i, want := range []int{5, 35, 35} {
			if got := l.Stats().Windows[i].Used; got != want {
				t.Errorf("window %d: %d used, want %d", i, got, want)
			}
		}
		// A window longer than any before cannot know when the requests were
		// made that those have forgotten.
		l.Reconfigure(Config{Windows: []Window{{20, 30 * time.Second}}, Share: 100})
		time.Sleep(40 * time.Second)
		l.Reconfigure(Config{Windows: []Window{{100, time.Hour}}, Share: 100})
		if got := l.Stats().Windows[0].Used; got != 35 {
			t.Errorf("%d used, want 35", got)
		}
	})
}

// TestForecast compares the time told to every ticket that waits for some
// seconds with the time at which its turn came.
func TestForecast(t *testing.T) {
	bubble(t, Config{Windows: consoleWindows}, func(t *testing.T, l *Limiter) {
		rng := rand.New(rand.NewPCG(5, 5))
		type promise struct {
			asked, at, came time.Time
			lane            Lane
			latency         time.Duration
		}
		promises := make([]promise, 1500)
		for range memory { // from which it knows how long attempts take
			p := mustTry(t, l, Request{Key: "before"})
			time.Sleep(time.Duration(rng.Int64N(int64(300 * time.Millisecond))))
			p.Done(Outcome{})
		}
		time.Sleep(15 * time.Minute)
		finish := func(pr *promise, p *Permit) {
			time.AfterFunc(pr.latency, func() { p.Done(Outcome{}) })
		}
		for i := range promises {
			pr := &promises[i]
			pr.asked, pr.latency = time.Now(), time.Duration(rng.Int64N(int64(300*time.Millisecond)))
			r := Request{Key: fmt.Sprint(i), Turn: fmt.Sprint(i % 13), Lane: Change}
			if i >= 1000 {
				r.Lane = Drift
			}
			pr.lane = r.Lane
			r.Notify = func() {
				pr.came = time.Now()
				finish(pr, mustTry(t, l, Request{Key: r.Key}))
			}
			if p, err := l.TryAcquire(r); err == nil {
				pr.at, pr.came = time.Now(), time.Now()
				finish(pr, p)
			}
		}
		for i := range promises {
			if w, ok := l.Waiting(fmt.Sprint(i)); ok {
				promises[i].at = w.At
			}
		}
		time.Sleep(4 * time.Hour)
		synctest.Wait()
		worst := [laneCount]float64{}
		for i, pr := range promises {
			told, took := pr.at.Sub(pr.asked), pr.came.Sub(pr.asked)
			if pr.came.IsZero() {
				t.Fatalf("the turn of %d did not come", i)
			}
			if took > 5*time.Second {
				worst[pr.lane] = max(worst[pr.lane], max(float64(told-took), float64(took-told))/float64(took))
			}
		}
		t.Logf("worst error: changes %.1f %%, checks %.1f %%", 100*worst[Change], 100*worst[Drift])
		if max(worst[Change], worst[Drift]) > 0.1 {
			t.Errorf("a forecast was off by %.1f %%", 100*max(worst[Change], worst[Drift]))
		}
	})
}

func BenchmarkWaiting10000(b *testing.B) {
	l := New(Config{Windows: consoleWindows})
	defer l.Close()
	keys := make([]string, 10000)
	for i := range keys {
		keys[i] = fmt.Sprint(i)
		_, _ = l.TryAcquire(Request{Key: keys[i], Turn: fmt.Sprint(i % 100), Lane: Change})
	}
	i := 0
	for b.Loop() {
		if _, ok := l.Waiting(keys[200+i%9000]); !ok {
			b.Fatal("not waiting")
		}
		i++
	}
}
