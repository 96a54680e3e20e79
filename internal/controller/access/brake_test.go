package access

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

func pass(b *Brake, key string) bool { return b.Pass(key, false, func() {}) }

func TestBrakeHoldsWhatIsTooMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told int
		b := NewBrake(func() { told++ })
		if pass(b, "early") {
			t.Error("a brake that is not configured lets pass")
		}
		b.Drop("early")
		b.Configure(2, time.Minute)
		if !pass(b, "early a") || !pass(b, "early b") {
			t.Error("two may not pass")
		}
		time.Sleep(time.Minute)
		if !pass(b, "a") || !pass(b, "b") || !pass(b, "a") || pass(b, "c") {
			t.Error("a minute later two more may pass, as often as they ask, and a third may not")
		}
		time.Sleep(time.Hour)
		if pass(b, "c") || pass(b, "d") {
			t.Error("held deletions trickle")
		}
		if held, approved := b.Standing(); held != 2 || approved != 0 {
			t.Errorf("%d held, %d approved", held, approved)
		}
		if told != 4 {
			t.Errorf("told %d times of what is held, want 4", told)
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

func TestBrakeApproval(t *testing.T) {
	for approved, want := range map[int]int{0: 0, 1: 1, 3: 3, 5: 5, -1: 5} {
		t.Run(fmt.Sprint("approve ", approved), func(t *testing.T) {
			b := NewBrake(nil)
			b.Configure(0, time.Minute)
			released, passed := 0, 0
			for i := range 5 {
				b.Pass(fmt.Sprint(i), false, func() { released++ })
			}
			b.Approve(approved)
			for i := range 5 {
				if pass(b, fmt.Sprint(i)) {
					passed++
				}
			}
			held, left := b.Standing()
			if passed != want || held != 5-want || left != 0 || released != 5 {
				t.Errorf("%d passed, %d held, %d left, %d released; want %d passed", passed, held, left, released, want)
			}
		})
	}
}

// What a process before this one held stays held, though nothing has passed yet.
func TestBrakeAfterARestart(t *testing.T) {
	b := NewBrake(nil)
	b.Configure(2, time.Minute)
	if b.Pass("held", true, func() {}) || pass(b, "new") {
		t.Error("a restart released a held deletion, or let others overtake it")
	}
	b.Approve(-1)
	if !b.Pass("held", true, func() {}) || !pass(b, "new") {
		t.Error("approval does not end it")
	}
}

func TestBrakeCleared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBrake(nil)
		b.Configure(1, time.Minute)
		if !pass(b, "a") || pass(b, "b") {
			t.Fatal("one may pass")
		}
		b.Approve(1)
		b.Clear()
		if held, approved := b.Standing(); held != 0 || approved != 1 {
			t.Errorf("%d held, %d approved; want the approval kept", held, approved)
		}
		if !pass(b, "b") || pass(b, "c") {
			t.Error("want one more for the approval, and what passed before to count")
		}
	})
}

// Whatever is asked, and whenever, no period without approval sees more
// deletions pass than may, none that was held passes, and approvals let pass
// exactly as many as they say.
func TestBrakeProperty(t *testing.T) {
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			limit, per := r.IntN(4), time.Duration(1+r.IntN(20))*time.Second
			b := NewBrake(nil)
			b.Configure(limit, per)
			var passedAt []time.Time
			passing, held := map[string]bool{}, map[string]bool{}
			credit := 0
			for step := range 300 {
				time.Sleep(time.Duration(r.IntN(2000)) * time.Millisecond)
				key := fmt.Sprint(r.IntN(30))
				switch r.IntN(20) {
				case 0:
					b.Drop(key)
					delete(passing, key)
					delete(held, key)
					continue
				case 1:
					if n := r.IntN(4) - 1; n < 0 {
						credit += len(held)
						b.Approve(n)
					} else {
						credit += n
						b.Approve(n)
					}
					continue
				}
				wasHeld := r.IntN(20) == 0
				passed := b.Pass(key, wasHeld, func() {})
				switch {
				case passing[key]:
					if !passed {
						t.Fatalf("seed %d step %d: what passed is held", seed, step)
					}
				case passed && credit > 0:
					credit--
					passing[key] = true
					delete(held, key)
					passedAt = append(passedAt, time.Now())
				case passed:
					if held[key] || wasHeld || len(held) > 0 {
						t.Fatalf("seed %d step %d: a held deletion, or one behind it, trickled", seed, step)
					}
					recent := 0
					for _, at := range passedAt {
						if time.Since(at) < per {
							recent++
						}
					}
					if recent >= limit {
						t.Fatalf("seed %d step %d: %d passed within %v, %d may", seed, step, recent+1, per, limit)
					}
					passing[key] = true
					passedAt = append(passedAt, time.Now())
				default:
					if credit > 0 {
						t.Fatalf("seed %d step %d: held although %d are approved", seed, step, credit)
					}
					held[key] = true
				}
				if h, c := b.Standing(); h != len(held) || c != credit {
					t.Fatalf("seed %d step %d: stands at %d held and %d approved, want %d and %d", seed, step, h, c, len(held), credit)
				}
			}
		})
	}
}
