package console_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/internal/quota"
)

const grace = "grace@example.com"

// demote does what a reconciler does, from the moment it saw the difference.
func (b *bench) demote(ctx context.Context, email string, since time.Time) (went bool, err error) {
	remains, end, err := b.BeginDemotion(ctx, caller(email), email, since)
	if err != nil || !remains {
		return false, err
	}
	defer end()
	_, err = b.UpdateUser(ctx, caller(email), email, role("Member"))
	return err == nil, err
}

func (b *bench) admins() (n int) {
	for _, u := range b.sim.Users() {
		if u.Role == "Admin" {
			n++
		}
	}
	return n
}

// However demotions run into each other, one Admin remains, and no more than
// one: the guard holds nobody back without need.
func TestConcurrentDemotions(t *testing.T) {
	people := []string{ada, grace, "alan@example.com", "barbara@example.com"}
	for admins := 2; admins <= len(people); admins++ {
		for range 10 {
			inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
				for _, email := range people[:admins] {
					b.put(email, "Admin")
				}
				b.put("member@example.com", "Member")
				b.behave(t, func(s *consolesim.Behavior) { s.Latency = time.Millisecond })
				b.listUsers(t)
				b.demoteAll(t, people[:admins])
				if n := b.admins(); n < 1 || admins == 2 && n != 1 {
					t.Fatalf("%d Admins are left of %d", n, admins)
				}
				// Who was held back goes as soon as nobody is in the way.
				for _, email := range people[:admins-1] {
					if _, err := b.demote(t.Context(), email, time.Now()); err != nil {
						t.Fatal(err)
					}
				}
				if n := b.admins(); n != 1 {
					t.Fatalf("%d Admins are left in the end, want 1", n)
				}
			})
		}
	}
}

// demoteAll demotes at the same time.
func (b *bench) demoteAll(t *testing.T, emails []string) {
	t.Helper()
	start := make(chan struct{})
	var wg sync.WaitGroup
	for _, email := range emails {
		wg.Go(func() {
			<-start
			if _, err := b.demote(t.Context(), email, time.Now()); err != nil {
				t.Errorf("demote %s: %v", email, err)
			}
		})
	}
	synctest.Wait()
	close(start)
	wg.Wait()
}

func TestDemotionAsksTheConsole(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		b.put(ada, "Admin")
		b.put(grace, "Admin")
		b.listUsers(t)
		time.Sleep(time.Second)
		since := time.Now()
		// Somebody demoted the other Admin since the listing.
		b.put(grace, "Member")
		if went, err := b.demote(t.Context(), ada, since); err != nil || went {
			t.Errorf("the last Admin was demoted on the word of an old listing: %v", err)
		}
		b.put(grace, "Admin")
		b.listUsers(t)
		b.sim.Inject(consolesim.Fault{Endpoint: consolesim.GetUser, Effect: consolesim.EffectError, Times: 1})
		if went, err := b.demote(t.Context(), ada, time.Now().Add(time.Second)); went || console.ClassOf(err) != console.Unavailable {
			t.Errorf("demoted without knowing of another Admin: %v", err)
		}
		reads := b.sim.Count(consolesim.GetUser)
		if went, err := b.demote(t.Context(), ada, b.UsersRead().StartedAt); err != nil || !went {
			t.Errorf("with another Admin: %v, %v", went, err)
		}
		if n := b.sim.Count(consolesim.GetUser) - reads; n != 0 {
			t.Errorf("%d reads of an Admin who was seen since, want none", n)
		}
	})
}

// An Admin who may just have been demoted is nobody to rely on, also when the
// console still shows the old state.
func TestDemotionInDoubt(t *testing.T) {
	for _, tt := range []struct {
		name   string
		stale  time.Duration
		effect consolesim.Effect
	}{
		{"took effect", 0, consolesim.EffectCutAfter},
		{"took effect, stale reads", 10 * time.Second, consolesim.EffectCutAfter},
		{"had no effect", 0, consolesim.EffectCut},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
				b.put(ada, "Admin")
				b.put(grace, "Admin")
				b.listUsers(t)
				b.behave(t, func(s *consolesim.Behavior) { s.StaleReads = tt.stale })
				began := time.Now()
				time.Sleep(time.Second)
				// grace's demotion has seen ada, and waits for its turn.
				if _, err := b.FetchUser(t.Context(), caller("g"), ada); err != nil {
					t.Fatal(err)
				}
				b.sim.Inject(consolesim.Fault{Endpoint: consolesim.UpdateUser, Effect: tt.effect, Times: 1})
				if _, err := b.demote(t.Context(), ada, began); console.ClassOf(err) != console.Ambiguous {
					t.Fatalf("the first demotion: %v, want its answer lost", err)
				}
				for range 60 {
					if _, err := b.demote(t.Context(), grace, began); err != nil && !errors.Is(err, console.ErrReading) {
						t.Fatal(err)
					}
					time.Sleep(time.Second)
				}
				if n := b.admins(); n != 1 {
					t.Errorf("%d Admins are left, want 1", n)
				}
			})
		})
	}
}

// Two keys may lead to one project: a view does not rely on an Admin whom
// another view demotes or has demoted, whatever its own listing says.
func TestDemotionsOfTwoViews(t *testing.T) {
	for _, stale := range []time.Duration{0, 10 * time.Second} {
		inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
			b.put(ada, "Admin")
			b.put(grace, "Admin")
			second := b.another()
			defer second.Close()
			two := &bench{Project: second, sim: b.sim, limiter: b.limiter}
			b.listUsers(t)
			two.listUsers(t)
			b.behave(t, func(s *consolesim.Behavior) { s.StaleReads = stale })
			began := time.Now()
			// Each has seen the other's Admin, and then they go at the same time.
			time.Sleep(time.Second)
			for _, view := range []*bench{b, two} {
				for _, email := range []string{ada, grace} {
					if _, err := view.FetchUser(t.Context(), caller("g"), email); err != nil {
						t.Fatal(err)
					}
				}
			}
			b.behave(t, func(s *consolesim.Behavior) { s.Latency = time.Second })
			var wg sync.WaitGroup
			went := make([]bool, 2)
			wg.Go(func() { went[0], _ = b.demote(t.Context(), ada, began) })
			wg.Go(func() { went[1], _ = two.demote(t.Context(), grace, began) })
			wg.Wait()
			if went[0] == went[1] || b.admins() != 1 {
				t.Fatalf("went %v, and %d Admins are left; want one", went, b.admins())
			}
			rest, email := two, grace
			if went[1] {
				rest, email = b, ada
			}
			if _, err := rest.demote(t.Context(), email, began); !errors.Is(err, console.ErrReading) {
				t.Errorf("at once after the other: %v, want to wait until reads show it", err)
			}
			settled()
			if again, err := rest.demote(t.Context(), email, began); again || err != nil || b.admins() != 1 {
				t.Errorf("after the other: went %v, %v, and %d Admins are left", again, err, b.admins())
			}
		})
	}
}

// Who waits for another view's demotion to show is told.
func TestDemotionWaitsForAnotherView(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		b.put(ada, "Admin")
		b.put(grace, "Admin")
		second := b.another()
		defer second.Close()
		b.listUsers(t)
		(&bench{Project: second}).listUsers(t)
		if went, err := b.demote(t.Context(), ada, time.Now()); !went || err != nil {
			t.Fatal(went, err)
		}
		// ada is Admin again, by hand, and may be relied on once that can be seen.
		b.put(ada, "Admin")
		var told tally
		if _, _, err := second.BeginDemotion(t.Context(), waiting("a", quota.Change, &told), grace, time.Time{}); !errors.Is(err, console.ErrReading) {
			t.Fatalf("%v, want to wait", err)
		}
		settled()
		remains, end, err := second.BeginDemotion(t.Context(), caller("a"), grace, time.Time{})
		if told.count() != 1 || !remains || err != nil {
			t.Fatalf("told %d times, then remains %v, %v", told.count(), remains, err)
		}
		end()
	})
}

// A process that has just begun does not rely on an Admin whom the process
// before it may have demoted: reads are behind, or the request is on its way yet.
func TestDemotionsOfTwoProcesses(t *testing.T) {
	for _, tt := range []struct {
		name          string
		stale, effect time.Duration
	}{
		{"reads are behind", 5 * time.Second, 0},
		{"reads are far behind", 14 * time.Second, 0},
		{"the effect is late", 0, 20 * time.Second},
		{"the effect is late, and reads are behind", 10 * time.Second, 25 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
				b.put(ada, "Admin")
				b.put(grace, "Admin")
				b.listUsers(t)
				time.Sleep(time.Minute)
				b.behave(t, func(s *consolesim.Behavior) { s.StaleReads = tt.stale })
				b.sim.Inject(consolesim.Fault{Endpoint: consolesim.UpdateUser, Effect: consolesim.EffectLatency, Delay: tt.effect, Times: 1})
				var last sync.WaitGroup
				defer last.Wait()
				last.Go(func() { _, _ = b.demote(t.Context(), ada, time.Now()) })
				time.Sleep(time.Second)
				second := b.successor()
				defer second.Close()
				two := &bench{Project: second, sim: b.sim, limiter: b.limiter}
				two.listUsers(t)
				began, reads := time.Now(), b.sim.Count(consolesim.GetUser)
				for range 60 {
					if _, err := two.demote(t.Context(), grace, began); err != nil && !errors.Is(err, console.ErrReading) {
						t.Fatal(err)
					}
					time.Sleep(time.Second)
				}
				if n := b.admins(); n != 1 {
					t.Errorf("%d Admins are left, want 1", n)
				}
				if n := b.sim.Count(consolesim.GetUser) - reads; n != 1 {
					t.Errorf("%d reads, want one", n)
				}
			})
		})
	}
}

// A process that has just begun demotes an Admin by itself once reads show what
// the one before it did, at the cost of one read.
func TestDemotionOfANewProcess(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		b.put(ada, "Admin")
		b.put(grace, "Admin")
		second := b.successor()
		defer second.Close()
		two := &bench{Project: second, sim: b.sim, limiter: b.limiter}
		two.listUsers(t)
		began := time.Now()
		var told tally
		if _, _, err := two.BeginDemotion(t.Context(), waiting("a", quota.Revoke, &told), ada, began); !errors.Is(err, console.ErrReading) {
			t.Fatalf("right after its start: %v, want to wait", err)
		}
		time.Sleep(time.Minute)
		if told.count() != 1 {
			t.Errorf("told %d times, want once", told.count())
		}
		reads := b.sim.Count(consolesim.GetUser)
		if went, err := two.demote(t.Context(), ada, began); !went || err != nil {
			t.Errorf("a minute after its start: %v, %v", went, err)
		}
		if n := b.sim.Count(consolesim.GetUser) - reads; n != 1 {
			t.Errorf("%d reads, want one", n)
		}
	})
}

// What a view read of a person in the moments after another view demoted them
// is not relied upon later either.
func TestReadingBehindAnotherView(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		b.put(ada, "Admin")
		b.put(grace, "Admin")
		second := b.another()
		defer second.Close()
		two := &bench{Project: second, sim: b.sim, limiter: b.limiter}
		b.listUsers(t)
		time.Sleep(time.Minute)
		b.behave(t, func(s *consolesim.Behavior) { s.StaleReads = 5 * time.Second })
		if went, err := b.demote(t.Context(), ada, time.Now()); !went || err != nil {
			t.Fatal(went, err)
		}
		began := time.Now()
		two.listUsers(t)
		settled()
		if went, err := two.demote(t.Context(), grace, began); went || err != nil || b.admins() != 1 {
			t.Errorf("went %v, %v, and %d Admins are left", went, err, b.admins())
		}
	})
}
