package console_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/console-access/console-access-operator/internal/quota"
)

// turns notes when whose turn came, and has them read at once if reads is set.
type turns struct {
	b     *bench
	reads bool
	mu    sync.Mutex
	who   []string
	at    []time.Time
}

func (tt *turns) plan(key string, read time.Time, interval time.Duration) bool {
	return tt.b.PlanCheck(key, read, interval, func() {
		tt.mu.Lock()
		defer tt.mu.Unlock()
		tt.who, tt.at = append(tt.who, key), append(tt.at, time.Now())
		if tt.reads {
			tt.b.Checked(key, time.Now())
		}
	})
}

// Whoever was read longest ago comes first, then one after the other at even
// distances, each once an interval.
func TestChecksAreSpread(t *testing.T) {
	const n, interval = 60, 10 * time.Minute
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		start, order := time.Now(), &turns{b: b, reads: true}
		for i := range n {
			// The first ones were read last; the very first never.
			read := start.Add(-time.Duration(i) * time.Second)
			if i == 0 {
				read = time.Time{}
			}
			if order.plan(fmt.Sprint(i), read, interval) {
				t.Fatal("its turn has come before anybody waited")
			}
		}
		time.Sleep(3*interval + time.Second)
		synctest.Wait()
		if len(order.who) != 3*n {
			t.Fatalf("%d turns in three intervals, want %d", len(order.who), 3*n)
		}
		for i, who := range order.who {
			want := (n - i%n) % n
			if who != fmt.Sprint(want) || !order.at[i].Equal(start.Add(time.Duration(i+1)*interval/n)) {
				t.Fatalf("turn %d is that of %s at %v, want %d every %v", i, who, order.at[i].Sub(start), want, interval/n)
			}
		}
		if got := b.PlannedChecks(); got != n {
			t.Errorf("%d planned, want %d", got, n)
		}
	})
}

// A turn lasts until the reading, and the others' come meanwhile.
func TestTurnLastsUntilRead(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		start, order := time.Now(), &turns{b: b}
		order.plan("a", start.Add(-time.Hour), time.Minute)
		order.plan("b", start, time.Minute)
		time.Sleep(time.Hour)
		synctest.Wait()
		if !slices.Equal(order.who, []string{"a", "b"}) {
			t.Fatalf("turns %v, want one each", order.who)
		}
		if !order.plan("a", start.Add(-time.Hour), time.Minute) {
			t.Error("a's turn is over before it was read")
		}
		b.Checked("a", time.Now())
		if order.plan("a", start, time.Minute) {
			t.Error("a's turn is not over although it was read")
		}
		if order.plan("b", time.Now(), time.Minute) {
			t.Error("b's turn is not over although it was seen since")
		}
		b.Forget("b")
		b.UnplanCheck("b")
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if len(order.who) != 3 || order.who[2] != "a" || b.PlannedChecks() != 1 {
			t.Errorf("turns %v, want only one of a after b was forgotten", order.who)
		}
	})
}

// A new interval counts from the last turn, and nobody's turn comes after the end.
func TestIntervalOfChecksChanges(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		order := &turns{b: b, reads: true}
		order.plan("a", time.Now(), time.Hour)
		time.Sleep(5 * time.Minute)
		order.plan("a", time.Time{}, time.Minute)
		synctest.Wait()
		if len(order.who) != 1 {
			t.Fatalf("%d turns with an interval shorter than the time since, want 1", len(order.who))
		}
		order.plan("b", time.Now(), time.Hour)
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := len(order.who); n < 60 || n > 62 {
			t.Errorf("%d turns in an hour, want 60 of a and one of b", n)
		}
		n := len(order.who)
		b.Close()
		time.Sleep(time.Hour)
		if len(order.who) != n {
			t.Error("turns came after the end")
		}
	})
}

// Who asks for all gets all: also those whose reading is under way, and those
// planned later that were read before.
func TestAllChecksAtOnce(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		start, order := time.Now(), &turns{b: b}
		for i := range 5 {
			order.plan(fmt.Sprint(i), start.Add(time.Duration(i)), time.Hour)
		}
		time.Sleep(15 * time.Minute)
		synctest.Wait()
		if !slices.Equal(order.who, []string{"0"}) {
			t.Fatalf("turns %v, want the first", order.who)
		}
		began := time.Now()
		time.Sleep(time.Second)
		b.CheckAll()
		if !slices.Equal(order.who, []string{"0", "0", "1", "2", "3", "4"}) {
			t.Fatalf("turns %v, want all, oldest first", order.who)
		}
		b.Checked("0", began)
		if !order.plan("0", began, time.Hour) {
			t.Error("a reading that began before it was asked for counts")
		}
		for i := range 5 {
			b.Checked(fmt.Sprint(i), time.Now())
			if order.plan(fmt.Sprint(i), time.Now(), time.Hour) {
				t.Errorf("the turn of %d is not over although it was read", i)
			}
		}
		if !order.plan("late", start, time.Hour) {
			t.Error("who comes late is not read")
		}
	})
}
