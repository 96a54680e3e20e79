package access

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func pass(b *Brake, key string) bool { return b.Pass(Deletion{Key: key, Since: time.Now()}) }

// send lets the deletion through to the console and ends it.
func send(t *testing.T, b *Brake, keys ...string) {
	t.Helper()
	for _, key := range keys {
		if err := b.Sending(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		b.Drop(key)
	}
}

func TestBrakeHoldsWhatIsTooMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told int
		b := NewBrake(BrakeRecord{}, func() { told++ }, nil)
		if pass(b, "early") {
			t.Error("a brake that is not configured lets pass")
		}
		b.Drop("early")
		b.Configure(2, time.Minute)
		if !pass(b, "early a") || !pass(b, "early b") {
			t.Error("two may not pass")
		}
		time.Sleep(time.Hour)
		if pass(b, "late") {
			t.Error("two that have waited for their turn ever since do not count")
		}
		b.Drop("late")
		send(t, b, "early a", "early b")
		time.Sleep(time.Minute)
		if !pass(b, "a") || !pass(b, "b") || !pass(b, "a") || pass(b, "c") {
			t.Error("a minute later two more may pass, as often as they ask, and a third may not")
		}
		send(t, b, "a", "b")
		time.Sleep(time.Hour)
		if pass(b, "c") || pass(b, "d") {
			t.Error("held deletions trickle")
		}
		if held, approved := b.Standing(); held != 2 || approved != 0 {
			t.Errorf("%d held, %d approved", held, approved)
		}
		if told != 6 {
			t.Errorf("told %d times of what is held, want 6", told)
		}
		// When nobody wants what is held any more, the brake is free again.
		b.Drop("c")
		b.Drop("d")
		if !pass(b, "e") || !pass(b, "f") || pass(b, "g") {
			t.Error("after the held ones are gone two may pass again")
		}
		if n, per := b.Limit(); n != 2 || per != time.Minute {
			t.Errorf("limit %d per %v", n, per)
		}
	})
}

// An approval is for the oldest of those held when it is given, and for nobody
// who comes later, however much of it is left.
func TestBrakeApproval(t *testing.T) {
	for approved, want := range map[int]int{0: 0, 1: 1, 3: 3, 5: 5, 9: 5, -1: 5} {
		t.Run(fmt.Sprint("approve ", approved), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := NewBrake(BrakeRecord{}, nil, nil)
				b.Configure(0, time.Minute)
				var released []string
				for i := range 5 {
					key := fmt.Sprint(9 - i)
					b.Pass(Deletion{Key: key, Since: time.Now(), Release: func() { released = append(released, key) }})
					time.Sleep(time.Second)
				}
				if n, held := b.Approve(approved); n != want || held != 5 {
					t.Errorf("approved %d of %d, want %d of 5", n, held, want)
				}
				if pass(b, "later") {
					t.Error("a later one took the approval of those held before")
				}
				oldest := []string{"9", "8", "7", "6", "5"}
				for i, key := range oldest {
					if passed := pass(b, key); passed != (i < want) {
						t.Errorf("%s passed: %v", key, passed)
					}
				}
				if !slices.Equal(released, oldest[:want]) {
					t.Errorf("released %v, want the oldest %d", released, want)
				}
				send(t, b, oldest...)
				if held, left := b.Standing(); held != 1 || left != 0 {
					t.Errorf("in the end %d are held and %d approved", held, left)
				}
			})
		})
	}
}

// A restarter is a brake whose process can end at any time.
type restarter struct {
	*Brake
	record BrakeRecord
	limit  int
	per    time.Duration
}

func (r *restarter) restart(wanted ...Deletion) {
	r.Brake = NewBrake(r.record, nil, func(_ context.Context, record BrakeRecord) error {
		r.record = record
		return nil
	})
	r.Configure(r.limit, r.per)
	r.Resume(wanted)
}

func newRestarter(limit int, per time.Duration) *restarter {
	r := &restarter{limit: limit, per: per}
	r.restart()
	return r
}

// What was deleted before a restart counts after it, as long as it would have.
func TestBrakeCountsAcrossARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRestarter(3, time.Minute)
		for _, key := range []string{"a", "b"} {
			if !pass(b.Brake, key) {
				t.Fatal(key, "is held")
			}
			send(t, b.Brake, key)
		}
		b.restart()
		if !pass(b.Brake, "c") || pass(b.Brake, "d") {
			t.Error("two were deleted before the restart, so one more may be")
		}
		b.restart()
		time.Sleep(50 * time.Second)
		if !pass(b.Brake, "c") || pass(b.Brake, "d") {
			t.Error("what passed and was not sent counts, or what was sent is forgotten too early")
		}
		b.restart()
		time.Sleep(17 * time.Second)
		for i := range 4 {
			if passed := pass(b.Brake, fmt.Sprint(i)); passed != (i < 3) {
				t.Errorf("deletion %d after the period passed: %v", i, passed)
			}
		}
	})
}

// A deletion under way at a restart goes on, and counts once.
func TestBrakeResumesWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRestarter(2, time.Minute)
		for _, key := range []string{"done", "open"} {
			pass(b.Brake, key)
			if err := b.Sending(t.Context(), key); err != nil {
				t.Fatal(err)
			}
		}
		b.restart(Deletion{Key: "open", Since: time.Now()})
		if !pass(b.Brake, "open") {
			t.Error("what was sent before the restart is held after it")
		}
		if pass(b.Brake, "new") {
			t.Error("one of the two that were sent no longer counts")
		}
	})
}

// Held deletions stay held through restarts and pauses, those that were approved
// go on, and nobody overtakes them.
func TestBrakeResumesWhatIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRestarter(0, time.Minute)
		since := time.Now().Truncate(time.Second)
		var wanted []Deletion
		for i := range 4 {
			d := Deletion{Key: fmt.Sprint(i), Since: since, Held: true}
			b.Pass(Deletion{Key: d.Key, Since: d.Since})
			wanted = append(wanted, d)
		}
		b.Approve(2)
		if err := b.Save(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.limit = 10
		for range 3 {
			b.restart(wanted...)
			time.Sleep(time.Hour)
			if pass(b.Brake, "new") {
				t.Error("a new one overtook those that are held")
			}
			b.Drop("new")
			for i, d := range wanted {
				if passed := b.Pass(d); passed != (i < 2) {
					t.Errorf("deletion %d, of which two are approved, passed: %v", i, passed)
				}
			}
		}
		send(t, b.Brake, "0", "1")
		if err := b.Save(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.restart(wanted[2:]...)
		if held, approved := b.Standing(); held != 2 || approved != 0 {
			t.Errorf("%d held, %d approved", held, approved)
		}
		// Nobody wants them any more after a pause.
		b.Resume(nil)
		if held, _ := b.Standing(); held != 0 {
			t.Errorf("%d are held that nobody wants", held)
		}
		if b.record.ApprovedUpTo != nil {
			t.Error("an approval that is used up is still recorded")
		}
	})
}

// Nothing may be sent that the next process would not know of.
func TestBrakeNotRecorded(t *testing.T) {
	broken := errors.New("no answer")
	b := NewBrake(BrakeRecord{}, nil, func(context.Context, BrakeRecord) error { return broken })
	b.Configure(1, time.Minute)
	if !pass(b, "a") {
		t.Fatal("it is held")
	}
	if err := b.Sending(t.Context(), "a"); !errors.Is(err, broken) {
		t.Errorf("sending without a record: %v", err)
	}
}

// The record stays small however much is deleted.
func TestBrakeRecordIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRestarter(1, time.Minute)
		pass(b.Brake, "first")
		for i := range 1000 {
			pass(b.Brake, fmt.Sprint(i))
		}
		b.Approve(-1)
		for i := range 1000 {
			if err := b.Sending(t.Context(), fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
			if i < 500 {
				b.Drop(fmt.Sprint(i))
			}
			time.Sleep(10 * time.Millisecond)
		}
		total := len(b.record.Deleting)
		for _, recent := range b.record.Recent {
			total += int(recent.Count)
		}
		if len(b.record.Deleting) > maxDeleting || len(b.record.Recent) > recordSteps+2 || total != 1000 {
			t.Errorf("%d named, %d counts, %d in all; want 1000", len(b.record.Deleting), len(b.record.Recent), total)
		}
	})
}

// Whatever is asked, whenever, and however often the process ends: no period
// sees more deletions without approval than may be, none that was held passes
// without one, and an approval is for the oldest of those held then.
func TestBrakeProperty(t *testing.T) {
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			b := newRestarter(r.IntN(4), time.Duration(1+r.IntN(20))*time.Second)
			m := &brakeModel{t: t, b: b, wanted: map[string]Deletion{}, approved: map[string]bool{}}
			for range 300 {
				// Kubernetes tells the time of a deletion by the second.
				time.Sleep(time.Duration(1+r.IntN(2)) * time.Second)
				switch key := fmt.Sprint(r.IntN(30)); r.IntN(20) {
				case 0:
					m.forget(key)
				case 1:
					m.approve(r.IntN(4) - 1)
				case 2:
					m.restart()
				default:
					m.delete(key, r.IntN(3) == 0)
				}
			}
		})
	}
}

// A brakeModel is what a brake is held to.
type brakeModel struct {
	t        *testing.T
	b        *restarter
	wanted   map[string]Deletion
	approved map[string]bool
	sent     []time.Time
}

func (m *brakeModel) forget(key string) {
	m.b.Drop(key)
	delete(m.wanted, key)
	delete(m.approved, key)
}

func (m *brakeModel) approve(n int) {
	var held []Deletion
	for _, d := range m.wanted {
		if d.Held && !m.approved[d.Key] {
			held = append(held, d)
		}
	}
	slices.SortFunc(held, func(x, y Deletion) int { return markOf(x).compare(markOf(y)) })
	if n < 0 {
		n = len(held)
	}
	for _, d := range held[:min(n, len(held))] {
		m.approved[d.Key] = true
	}
	m.b.Approve(n)
	if err := m.b.Save(m.t.Context()); err != nil {
		m.t.Fatal(err)
	}
}

func (m *brakeModel) restart() {
	var wanted []Deletion
	for _, d := range m.wanted {
		wanted = append(wanted, d)
	}
	m.b.restart(wanted...)
	// A new process looks at every object.
	for _, d := range wanted {
		m.delete(d.Key, false)
	}
}

// delete asks for a deletion and, when it passes, may end it.
func (m *brakeModel) delete(key string, ends bool) {
	d, known := m.wanted[key]
	if !known {
		d = Deletion{Key: key, Since: time.Now()}
	}
	passed := m.b.Pass(d)
	d.Held = d.Held || !passed
	m.wanted[key] = d
	switch {
	case !passed && m.approved[key]:
		m.t.Fatalf("%s is held though it is approved", key)
	case passed && d.Held && !m.approved[key]:
		m.t.Fatalf("%s trickled", key)
	}
	if !passed || !ends {
		return
	}
	if !m.approved[key] {
		recent := slices.DeleteFunc(m.sent, func(t time.Time) bool { return time.Since(t) >= m.b.per })
		if len(recent) >= m.b.limit {
			m.t.Fatalf("%d deletions within %v, %d may be", len(recent)+1, m.b.per, m.b.limit)
		}
		m.sent = append(recent, time.Now())
	}
	if err := m.b.Sending(m.t.Context(), key); err != nil {
		m.t.Fatal(err)
	}
	m.forget(key)
}
