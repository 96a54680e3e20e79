package console_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/internal/quota"
)

func TestManyCallersOneListing(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		b.sim.Seed(3, 0, 0)
		b.behave(t, func(s *consolesim.Behavior) { s.Latency = time.Second })
		told := make([]tally, 1000)
		for i := range told {
			if err := b.ReadUsers(waiting(fmt.Sprint("caller ", i), quota.Change, &told[i]), time.Time{}); !errors.Is(err, console.ErrReading) {
				t.Fatalf("while it is read: %v", err)
			}
		}
		time.Sleep(2 * time.Second)
		for i := range told {
			if n := told[i].count(); n != 1 {
				t.Fatalf("caller %d was told %d times, want once", i, n)
			}
		}
		if err := b.ReadUsers(caller("late"), time.Time{}); err != nil {
			t.Errorf("after the reading: %v", err)
		}
		if n := b.sim.Count(consolesim.ListUsers); n != 1 {
			t.Errorf("%d requests for 1,000 callers, want 1", n)
		}
	})
}

// A caller that needs a listing from now on is not served by one that began
// before, and does not have a second one begun beside it.
func TestListingSince(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		b.behave(t, func(s *consolesim.Behavior) { s.Latency = 2 * time.Second })
		var any, newer tally
		_ = b.ReadUsers(waiting("any", quota.Change, &any), time.Time{})
		time.Sleep(time.Second)
		since := time.Now()
		_ = b.ReadUsers(waiting("newer", quota.Change, &newer), since)
		time.Sleep(1500 * time.Millisecond)
		if any.count() != 1 || newer.count() != 0 {
			t.Errorf("after the first listing %d and %d were told, want only the first", any.count(), newer.count())
		}
		if n := b.sim.Count(consolesim.ListUsers); n != 2 {
			t.Errorf("%d requests, want a second one because of the newer caller", n)
		}
		time.Sleep(2 * time.Second)
		if newer.count() != 1 || b.ReadUsers(caller("newer"), since) != nil {
			t.Errorf("the newer caller was told %d times", newer.count())
		}
		if read := b.UsersRead(); !read.StartedAt.After(since) || !read.Complete || read.Pages != 1 {
			t.Errorf("the last listing: %+v", read)
		}
	})
}

func TestFailedListingIsReadAgain(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		b.sim.Inject(consolesim.Fault{Effect: consolesim.EffectError, Status: 400, Body: `{"status":400,"message":"No."}`, ContentType: "application/json", Times: 4})
		began := time.Now()
		var told, gone tally
		_ = b.ReadUsers(waiting("stays", quota.Change, &told), time.Time{})
		_ = b.ReadUsers(waiting("goes", quota.Change, &gone), time.Time{})
		synctest.Wait()
		b.Settle("goes")
		err := b.ReadUsers(waiting("stays", quota.Change, &told), time.Time{})
		if !errors.Is(err, console.ErrReading) || console.ClassOf(err) != console.Invalid {
			t.Errorf("while attempts fail: %v, want the failure of one that is repeated", err)
		}
		time.Sleep(time.Minute)
		if err := b.ReadUsers(caller("stays"), time.Time{}); err != nil {
			t.Fatalf("the listing was not read again: %v", err)
		}
		if told.count() != 5 || gone.count() != 1 {
			t.Errorf("who stayed was told %d times, want after every attempt (5); who went %d, want 1", told.count(), gone.count())
		}
		// Pauses of 1, 2, 4 and 8 seconds, and up to a quarter more.
		took := b.UsersRead().StartedAt.Sub(began)
		if n := b.sim.Count(consolesim.ListUsers); n != 5 || took < 15*time.Second || took > 19*time.Second {
			t.Errorf("%d requests in %v, want 5 with growing pauses", n, took)
		}
	})
}

func TestNobodyWaitsForAFailedListing(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		b.sim.Inject(consolesim.Fault{Effect: consolesim.EffectError, Status: 400})
		var told tally
		_ = b.ReadTeams(waiting("goes", quota.Change, &told), time.Time{})
		synctest.Wait()
		b.Settle("goes")
		time.Sleep(10 * time.Minute)
		if n := b.sim.Count(consolesim.ListTeams); n != 1 {
			t.Errorf("%d requests for nobody, want 1", n)
		}
		b.sim.ClearFaults()
		_ = b.ReadTeams(waiting("comes", quota.Change, &told), time.Time{})
		synctest.Wait()
		if err := b.ReadTeams(caller("comes"), time.Time{}); err != nil {
			t.Errorf("a later caller: %v", err)
		}
	})
}

// However many ask again and again, the pause after a failure holds.
func TestAskingDoesNotHurry(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		b.sim.Inject(consolesim.Fault{Effect: consolesim.EffectError, Status: 400})
		var told tally
		for range 600 {
			_ = b.ReadUsers(waiting("impatient", quota.Change, &told), time.Time{})
			time.Sleep(100 * time.Millisecond)
		}
		if n := b.sim.Count(consolesim.ListUsers); n < 4 || n > 7 {
			t.Errorf("%d requests in a minute, want the few that growing pauses admit", n)
		}
	})
}

// What people wait for does not stand behind checks for drift.
func TestListingChangesLane(t *testing.T) {
	cfg := quota.Config{Share: 100, Windows: []quota.Window{{Requests: 1, Per: time.Minute}}}
	inProject(t, cfg, func(t *testing.T, b *bench) {
		b.put(ada, "Member")
		// The first listing is no check: nobody can be served before.
		if _, err := b.FetchUser(t.Context(), caller("first"), ada); err != nil {
			t.Fatal(err)
		}
		var drift, change tally
		_ = b.ReadUsers(waiting("check", quota.Drift, &drift), time.Time{})
		synctest.Wait()
		if w := b.limiter.Stats().Waiting; w[quota.Drift] != 0 || w[quota.Change] != 1 {
			t.Fatalf("waiting by lane: %v, want the first listing among what people wait for", w)
		}
		time.Sleep(2 * time.Minute)
		if _, err := b.FetchUser(t.Context(), caller("second"), ada); err != nil {
			t.Fatal(err)
		}
		since := time.Now()
		_ = b.ReadUsers(waiting("check", quota.Drift, &drift), since)
		synctest.Wait()
		if w := b.limiter.Stats().Waiting; w[quota.Drift] != 1 || w[quota.Change] != 0 {
			t.Fatalf("waiting by lane: %v, want one check", w)
		}
		_ = b.ReadUsers(waiting("person", quota.Change, &change), since)
		synctest.Wait()
		if w := b.limiter.Stats().Waiting; w[quota.Drift] != 0 || w[quota.Change] != 1 {
			t.Errorf("waiting by lane: %v, want the listing to have moved", w)
		}
		_ = b.ReadUsers(waiting("second check", quota.Drift, &drift), since)
		synctest.Wait()
		if w := b.limiter.Stats().Waiting; w[quota.Drift] != 0 || w[quota.Change] != 1 {
			t.Errorf("waiting by lane: %v, want the listing where it was", w)
		}
		time.Sleep(2 * time.Minute)
		if drift.count() != 3 || change.count() != 1 || b.sim.Count(consolesim.ListUsers) != 2 {
			t.Errorf("told %d checks and %d person by %d requests", drift.count(), change.count(), b.sim.Count(consolesim.ListUsers))
		}
	})
}

// A listing of which a page was read goes on, in the lane of whoever waits most
// urgently, rather than have its pages paid again.
func TestListingUnderWayChangesLane(t *testing.T) {
	cfg := quota.Config{Share: 100, Windows: []quota.Window{{Requests: 1, Per: time.Minute}}}
	inProject(t, cfg, func(t *testing.T, b *bench) {
		b.sim.Seed(1, 4, 0)
		b.listTeams(t)
		time.Sleep(2 * time.Minute)
		b.behave(t, func(s *consolesim.Behavior) { s.MaxPageSize = 1 })
		since, first := time.Now(), b.sim.Count(consolesim.ListTeams)
		var drift, change tally
		_ = b.ReadTeams(waiting("check", quota.Drift, &drift), since)
		synctest.Wait()
		_ = b.ReadTeams(waiting("person", quota.Change, &change), since)
		for _, page := range []string{"the page that waits", "the page to come"} {
			synctest.Wait()
			if w := b.limiter.Stats().Waiting; w[quota.Drift] != 0 || w[quota.Change] != 1 {
				t.Errorf("waiting by lane: %v, want %s to have moved", w, page)
			}
			time.Sleep(61 * time.Second)
		}
		time.Sleep(5 * time.Minute)
		if n := b.sim.Count(consolesim.ListTeams) - first; drift.count() != 1 || change.count() != 1 || n != 4 {
			t.Errorf("told %d checks and %d person by %d requests, want one each by the 4 pages", drift.count(), change.count(), n)
		}
	})
}

// A listing whose page waits among checks takes as long as one that begins anew,
// once a person's change needs it: beside another tenant's 600 changes it waits
// for its turn, not for their end.
func TestListingNeededByAPersonIsNotACheck(t *testing.T) {
	took := func(check bool) (took time.Duration) {
		cfg := quota.Config{Share: 100, Windows: []quota.Window{{Requests: 10, Per: 10 * time.Second}}}
		inProject(t, cfg, func(t *testing.T, b *bench) {
			b.sim.Seed(1, 20, 0)
			b.listTeams(t)
			time.Sleep(2 * time.Minute)
			b.behave(t, func(s *consolesim.Behavior) { s.MaxPageSize = 1 })
			since := time.Now()
			var drift, change tally
			if check {
				_ = b.ReadTeams(waiting("check", quota.Drift, &drift), since)
				time.Sleep(time.Second) // its share is used up
			}
			for i := range 600 {
				go func() {
					p, err := b.limiter.Acquire(t.Context(), quota.Request{Key: fmt.Sprint(i), Turn: "big", Lane: quota.Change, Mutation: true})
					if err == nil {
						p.Done(quota.Outcome{})
					}
				}()
			}
			synctest.Wait()
			mark := time.Now()
			_ = b.ReadTeams(waiting("person", quota.Change, &change), since)
			for change.count() == 0 {
				time.Sleep(time.Second)
			}
			took = time.Since(mark)
		})
		return took
	}
	if anew, joined := took(false), took(true); joined > anew {
		t.Errorf("a listing that began as a check came after %v, a new one after %v", joined, anew)
	}
}

func TestCloseEndsReadings(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		b.behave(t, func(s *consolesim.Behavior) { s.Latency = time.Hour })
		var told tally
		_ = b.ReadUsers(waiting("caller", quota.Change, &told), time.Time{})
		synctest.Wait()
		b.Close()
		time.Sleep(time.Minute)
		if told.count() != 0 || b.sim.Count(consolesim.ListUsers) != 1 || b.limiter.Stats().InFlight != 0 {
			t.Errorf("after the end: told %d times, %d requests, %d under way", told.count(), b.sim.Count(consolesim.ListUsers), b.limiter.Stats().InFlight)
		}
	})
}

func TestChangesArePublished(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		look := b.changes()
		b.sim.PutUser(consolesim.User{Email: "Ada@example.com", Role: "Admin"})
		b.listUsers(t)
		expect(t, "a new user", look(), console.Change{Emails: []string{"ada@example.com"}})
		b.listUsers(t)
		expect(t, "nothing", look(), console.Change{})
		b.sim.PutUser(consolesim.User{Email: "Ada@example.com", Role: "Member"})
		b.listUsers(t)
		expect(t, "another role", look(), console.Change{Emails: []string{"ada@example.com"}})
		b.sim.RemoveUser("ada@example.com")
		b.listUsers(t)
		expect(t, "a user gone", look(), console.Change{Emails: []string{"ada@example.com"}})
		team := b.sim.PutTeam(consolesim.Team{Name: "Compilers"})
		b.listTeams(t)
		expect(t, "a new team", look(), console.Change{TeamIDs: []string{team.ID}, TeamNames: []string{"Compilers"}})
		team.Name = "Parsers"
		b.sim.PutTeam(team)
		b.listTeams(t)
		expect(t, "a name free again", look(), console.Change{TeamIDs: []string{team.ID}, TeamNames: []string{"Parsers", "Compilers"}})
		b.sim.RemoveTeam(team.ID)
		b.listTeams(t)
		expect(t, "a team gone", look(), console.Change{TeamIDs: []string{team.ID}, TeamNames: []string{"Parsers"}})
		b.Subscribe("bench", nil)
		b.sim.PutTeam(consolesim.Team{Name: "Unseen"})
		b.listTeams(t)
		expect(t, "after the subscription", look(), console.Change{})
	})
}

func expect(t *testing.T, what string, got, want console.Change) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: told of %+v, want %+v", what, got, want)
	}
}

// Where no total tells whether pages add up, two readings in a row of the same
// items do.
func TestListingsThatAgree(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		b.sim.Seed(5, 0, 0)
		b.behave(t, func(s *consolesim.Behavior) { s.MaxPageSize, s.OmitTotals = 2, true })
		read := func(want bool) {
			t.Helper()
			time.Sleep(time.Second)
			_ = b.ReadUsers(caller("anybody"), time.Now())
			time.Sleep(time.Second)
			if got := b.UsersRead(); got.Complete != want || time.Since(got.StartedAt) > 2*time.Second {
				t.Errorf("the listing is %+v, want complete %v", got, want)
			}
		}
		read(false)
		read(true)
		b.sim.PutUser(consolesim.User{Email: "new@example.com"})
		read(false)
		read(true)
		// Readings that contradict themselves prove nothing, however alike.
		b.behave(t, func(s *consolesim.Behavior) { s.MoveBetweenPages = -1 })
		read(false)
		read(false)
		read(false)
	})
}
