package console_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/internal/quota"
)

// refuses has the console refuse calls in its own words.
func (b *bench) refuses(endpoint string, status, times int) {
	b.sim.Inject(consolesim.Fault{Endpoint: endpoint, Effect: consolesim.EffectError, Status: status, Times: times,
		ContentType: "application/json", Body: fmt.Sprintf(`{"status":%d,"message":"Holdout not found"}`, status)})
}

// A refusal of whatever call is no absence: what is there stays there, and the
// refusal is an error, or needless when a listing told all that was asked for.
func TestRefusalIsNoAbsence(t *testing.T) {
	calls := []struct {
		name, endpoint string
		do             func(t *testing.T, b *bench, id string) error
		answered       bool
	}{
		{"read a team", consolesim.GetTeam, func(t *testing.T, b *bench, id string) error { _, err := b.fetchTeam(t, id); return err }, false},
		{"delete a team", consolesim.DeleteTeam, func(t *testing.T, b *bench, id string) error { return b.deleteTeam(t, id) }, false},
		{"update a team", consolesim.UpdateTeam, func(t *testing.T, b *bench, id string) error {
			_, err := b.UpdateTeam(t.Context(), caller("a"), id, compilers("second"))
			return err
		}, false},
		{"read a user", consolesim.GetUser, func(t *testing.T, b *bench, _ string) error { _, err := b.fetchUser(t, ada); return err }, true},
		{"update a user", consolesim.UpdateUser, func(t *testing.T, b *bench, _ string) error {
			_, err := b.UpdateUser(t.Context(), caller("a"), ada, role("Admin"))
			return err
		}, false},
	}
	for _, call := range calls {
		for _, status := range []int{404, 400} {
			t.Run(fmt.Sprint(call.name, " ", status), func(t *testing.T) {
				inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
					b.behave(t, func(s *consolesim.Behavior) { s.ListTeamsWithMembers = false })
					id := b.create(t).ID
					settled()
					b.listTeams(t)
					b.listUsers(t)
					b.refuses(call.endpoint, status, 1)
					if err := call.do(t, b, id); call.answered && err != nil || !call.answered && !console.Refused(err) {
						t.Errorf("answered %v, want the refusal: %v", err, !call.answered)
					}
					team, err := b.fetchTeam(t, id)
					if err != nil || team.Presence != console.Present || team.Unconfirmed || len(b.TeamsNamed("Compilers")) != 1 {
						t.Errorf("the team is then %+v, %v", team, err)
					}
					user, err := b.fetchUser(t, ada)
					if err != nil || user.Presence != console.Present || user.Unconfirmed {
						t.Errorf("the person is then %+v, %v", user, err)
					}
				})
			})
		}
	}
}

// Where listings hold the members, a read that the console refuses is made good by
// the listing that shows the team.
func TestListingInPlaceOfARefusedRead(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		id := b.create(t).ID
		settled()
		b.listTeams(t)
		b.refuses(consolesim.GetTeam, 404, 0)
		began := time.Now()
		seen, err := b.fetchTeam(t, id)
		if err != nil || seen.Presence != console.Present || seen.Unconfirmed || seen.At.Before(began) {
			t.Errorf("the team is %+v, %v, want as it was listed after %v", seen, err, began)
		}
	})
}

// What is gone is absent when a complete listing that began after the doubt lacks it,
// and not before.
func TestAbsenceIsProvedByAListing(t *testing.T) {
	for _, status := range []int{404, 400} {
		inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
			b.behave(t, func(s *consolesim.Behavior) { s.MissingGet = status })
			id := b.create(t).ID
			settled()
			b.listTeams(t)
			b.listUsers(t)
			// Listings that began before are no proof, whatever they lack.
			b.sim.RemoveTeam(id)
			b.sim.RemoveUser(ada)
			for _, list := range []string{consolesim.ListTeams, consolesim.ListUsers} {
				b.sim.Inject(consolesim.Fault{Endpoint: list, Effect: consolesim.EffectLatencyAfter, Delay: 5 * time.Second, Times: 1})
			}
			_ = b.ReadTeams(caller("lister"), time.Now())
			_ = b.ReadUsers(caller("lister"), time.Now())
			time.Sleep(time.Second)
			lists := b.sim.Count(consolesim.ListTeams) + b.sim.Count(consolesim.ListUsers)
			for range 6 {
				_, teamErr := b.FetchTeam(t.Context(), caller("a"), id)
				_, userErr := b.FetchUser(t.Context(), caller("b"), ada)
				if !errors.Is(teamErr, console.ErrReading) || !errors.Is(userErr, console.ErrReading) {
					t.Fatalf("%d: %v and %v before a listing that began after the doubt", status, teamErr, userErr)
				}
				if b.Team(id).Presence == console.Absent || b.User(ada).Presence == console.Absent {
					t.Fatal("absent by a listing that began before the doubt")
				}
				if time.Sleep(time.Second); b.sim.Count(consolesim.ListTeams)+b.sim.Count(consolesim.ListUsers) > lists {
					break
				}
			}
			team, err := b.fetchTeam(t, id)
			if err != nil || team.Presence != console.Absent {
				t.Errorf("%d: the team is %+v, %v", status, team, err)
			}
			user, err := b.fetchUser(t, ada)
			if err != nil || user.Presence != console.Absent {
				t.Errorf("%d: the person is %+v, %v", status, user, err)
			}
			if n := b.sim.Count(consolesim.GetTeam) + b.sim.Count(consolesim.GetUser); n != 2 {
				t.Errorf("%d: asked %d times by name, want once each", status, n)
			}
			if n := b.sim.Count(consolesim.ListTeams) + b.sim.Count(consolesim.ListUsers) - lists; n != 2 {
				t.Errorf("%d: %d further listings, want one of each", status, n)
			}
		})
	}
}

// On a console whose listings are never complete it takes several in a row.
func TestAbsenceByIncompleteListings(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		b.sim.Seed(5, 5, 1)
		b.listUsers(t)
		b.listTeams(t)
		settled()
		user, team := b.sim.Users()[2], b.sim.Teams()[2]
		b.behave(t, func(s *consolesim.Behavior) {
			s.MaxPageSize, s.MoveBetweenPages, s.ListTeamsWithMembers = 2, -1, false
		})
		b.sim.RemoveUser(user.Email)
		b.sim.RemoveTeam(team.ID)
		lists := b.sim.Count(consolesim.ListTeams)
		if seen, err := b.fetchTeam(t, team.ID); err != nil || seen.Presence != console.Absent {
			t.Errorf("the team is %+v, %v", seen, err)
		}
		if seen, err := b.fetchUser(t, user.Email); err != nil || seen.Presence != console.Absent {
			t.Errorf("the person is %+v, %v", seen, err)
		}
		if n := (b.sim.Count(consolesim.ListTeams) - lists) / b.TeamsRead().Pages; n != 3 {
			t.Errorf("%d listings of teams, want 3", n)
		}
		there := b.sim.Teams()[0]
		b.refuses(consolesim.GetTeam, 404, 1)
		if seen, err := b.fetchTeam(t, there.ID); !console.Refused(err) || b.Team(there.ID).Presence != console.Present {
			t.Errorf("a team that is there is %+v, %v", seen, err)
		}
	})
}

// A deletion that is refused right after a write is decided by no listing that may
// not show that write yet.
func TestRefusedDeletionWithinTheReadLag(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		settled()
		b.listTeams(t)
		b.behave(t, func(s *consolesim.Behavior) { s.StaleReads = 10 * time.Second })
		id := b.create(t).ID
		made := time.Now()
		b.refuses(consolesim.DeleteTeam, 404, 1)
		if err := b.deleteTeam(t, id); !console.Refused(err) {
			t.Errorf("deleted: %v", err)
		}
		if waited := time.Since(made); waited < 15*time.Second || waited > 20*time.Second {
			t.Errorf("decided %v after the write", waited)
		}
		if err := b.deleteTeam(t, id); err != nil || len(b.sim.Teams()) != 0 {
			t.Errorf("then: %v, and the console has %+v", err, b.sim.Teams())
		}
	})
}

// Refusals of many checks for drift are decided by few listings.
func TestRefusedChecksShareListings(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		b.behave(t, func(s *consolesim.Behavior) { s.ListTeamsWithMembers = false })
		b.sim.Seed(3, 100, 1)
		b.listTeams(t)
		settled()
		b.refuses(consolesim.GetTeam, 404, 0)
		lists := b.sim.Count(consolesim.ListTeams)
		var checks sync.WaitGroup
		var refused tally
		for _, team := range b.sim.Teams() {
			time.Sleep(time.Second)
			checks.Go(func() {
				var err error
				b.until(t, quota.Drift, func(by console.Caller) error { _, err = b.FetchTeam(t.Context(), by, team.ID); return err })
				if console.Refused(err) {
					refused.n.Add(1)
				}
			})
		}
		checks.Wait()
		if n := b.sim.Count(consolesim.ListTeams) - lists; n > 5 || refused.count() != 100 || b.sim.Count(consolesim.GetTeam) != 100 {
			t.Errorf("%d listings for %d of 100 refusals, %d reads", n, refused.count(), b.sim.Count(consolesim.GetTeam))
		}
	})
}
