package console_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/internal/quota"
)

const ada = "ada@example.com"

func role(name string) console.UserChange { return console.UserChange{Role: &name} }

func (b *bench) put(email, role string) { b.sim.PutUser(consolesim.User{Email: email, Role: role}) }

// holds checks what is known of a user.
func (b *bench) holds(t *testing.T, when, email string, presence console.Presence, role string, unconfirmed bool) {
	t.Helper()
	seen := b.User(email)
	if seen.Presence != presence || seen.Value.Role != role || seen.Unconfirmed != unconfirmed {
		t.Errorf("%s: presence %d, role %q, unconfirmed %v; want %d, %q, %v", when, seen.Presence, seen.Value.Role, seen.Unconfirmed, presence, role, unconfirmed)
	}
}

// A console that shows the old state for a while after a write (open question
// 13) does not make us believe it.
func TestStaleReadsDoNotUndoAWrite(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		b.put(ada, "Member")
		b.listUsers(t)
		settled()
		b.behave(t, func(s *consolesim.Behavior) { s.StaleReads = 10 * time.Second })
		answer, err := b.UpdateUser(t.Context(), caller("a"), ada, role("Admin"))
		if err != nil || answer.Role != "Admin" || answer.ID == "" {
			t.Fatalf("update: %+v, %v", answer, err)
		}
		look := b.changes()
		b.listUsers(t)
		b.holds(t, "after a stale listing", ada, console.Present, "Admin", false)
		if seen, err := b.FetchUser(t.Context(), caller("a"), ada); err != nil || seen.Value.Role != "Admin" {
			t.Errorf("a stale read told %q, %v", seen.Value.Role, err)
		}
		settled()
		b.listUsers(t)
		expect(t, "a listing that shows what is known", look(), console.Change{})
		// What others do later is believed again.
		b.put(ada, "Read Only")
		b.listUsers(t)
		b.holds(t, "after a later listing", ada, console.Present, "Read Only", false)
	})
}

func TestListingOlderThanARead(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		b.put(ada, "Member")
		b.sim.Inject(consolesim.Fault{Endpoint: consolesim.ListUsers, Effect: consolesim.EffectLatencyAfter, Delay: 5 * time.Second, Times: 1})
		var told tally
		_ = b.ReadUsers(waiting("lister", quota.Change, &told), time.Time{})
		time.Sleep(time.Second)
		b.put(ada, "Admin")
		if _, err := b.FetchUser(t.Context(), caller("a"), ada); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if told.count() != 1 {
			t.Fatal("the listing has not ended")
		}
		b.holds(t, "after the older listing", ada, console.Present, "Admin", false)
	})
}

func TestAmbiguousUpdateOfAUser(t *testing.T) {
	for _, effect := range []consolesim.Effect{consolesim.EffectCutAfter, consolesim.EffectErrorAfter, consolesim.EffectNotJSON, consolesim.EffectCut} {
		t.Run(string(effect), func(t *testing.T) {
			inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
				b.put(ada, "Member")
				b.listUsers(t)
				// A listing is under way with the old state when the write is made.
				b.sim.Inject(consolesim.Fault{Endpoint: consolesim.ListUsers, Effect: consolesim.EffectLatencyAfter, Delay: 5 * time.Second, Times: 1})
				b.sim.Inject(consolesim.Fault{Endpoint: consolesim.UpdateUser, Effect: effect, Times: 1})
				time.Sleep(time.Second)
				_ = b.ReadUsers(caller("lister"), time.Now())
				time.Sleep(time.Second)
				if _, err := b.UpdateUser(t.Context(), caller("a"), ada, role("Admin")); console.ClassOf(err) != console.Ambiguous {
					t.Fatalf("update: %v, want an ambiguous failure", err)
				}
				b.holds(t, "after the write", ada, console.Present, "Member", true)
				time.Sleep(5 * time.Second)
				b.holds(t, "after the listing begun before", ada, console.Present, "Member", true)
				settled()
				seen, err := b.FetchUser(t.Context(), caller("a"), ada)
				want := map[bool]string{true: "Member", false: "Admin"}[effect == consolesim.EffectCut]
				if err != nil || seen.Unconfirmed || seen.Value.Role != want {
					t.Errorf("read again: %+v, %v; want %s without doubt", seen, err, want)
				}
			})
		})
	}
}

func TestAbsentUsers(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		b.holds(t, "before anything", ada, console.NotListed, "", false)
		b.listUsers(t)
		b.holds(t, "after a listing without", ada, console.NotListed, "", false)
		if seen, err := b.fetchUser(t, ada); err != nil || seen.Presence != console.Absent {
			t.Errorf("asked for by name: %+v, %v", seen, err)
		}
		b.put(ada, "Member")
		b.listUsers(t)
		b.holds(t, "who appears in a listing", strings.ToUpper(ada), console.Present, "Member", false)
		settled()
		if _, err := b.UpdateUser(t.Context(), caller("a"), ada, role("Admin")); err != nil {
			t.Fatal(err)
		}
		b.sim.RemoveUser(ada)
		if seen, err := b.fetchUser(t, ada); err != nil || seen.Presence != console.Absent {
			t.Errorf("gone right after a write: %+v, %v", seen, err)
		}
		if _, err := b.UpdateUser(t.Context(), caller("a"), ada, role("Member")); console.ClassOf(err) != console.NotFound {
			t.Errorf("update of nobody: %v", err)
		}
		b.holds(t, "after that", ada, console.Absent, "", false)
	})
}

// An error is no absence.
func TestFailuresAreNoAbsence(t *testing.T) {
	for _, f := range []consolesim.Fault{
		{Effect: consolesim.EffectError}, {Effect: consolesim.EffectCut}, {Effect: consolesim.EffectTruncated},
		{Effect: consolesim.EffectError, Status: 404, Body: "<html>no route</html>"}, {Effect: consolesim.EffectError, Status: 403}, {Effect: consolesim.EffectNotJSON},
	} {
		t.Run(fmt.Sprint(f.Effect, f.Status), func(t *testing.T) {
			inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
				b.put(ada, "Member")
				team := b.sim.PutTeam(consolesim.Team{Name: "Compilers"})
				b.listUsers(t)
				b.listTeams(t)
				b.sim.Inject(f)
				if seen, err := b.FetchUser(t.Context(), caller("a"), ada); err == nil || seen != (console.Observation[console.User]{}) {
					t.Errorf("user: %+v, %v", seen, err)
				}
				b.sim.ClearFaults()
				b.sim.Inject(f)
				if seen, err := b.FetchTeam(t.Context(), caller("a"), team.ID); err == nil || seen.Presence != console.NotListed {
					t.Errorf("team: %+v, %v", seen, err)
				}
				b.holds(t, "after the failure", ada, console.Present, "Member", false)
				if seen := b.Team(team.ID); seen.Presence != console.Present {
					t.Errorf("team after the failure: %+v", seen)
				}
			})
		})
	}
}

// Items that move between pages while these are read make nobody unlisted.
func TestIncompleteListing(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		b.sim.Seed(5, 5, 1)
		b.listUsers(t)
		b.listTeams(t)
		known, _, teams := b.Counts()
		b.behave(t, func(s *consolesim.Behavior) { s.MaxPageSize, s.MoveBetweenPages = 2, -1 })
		look := b.changes()
		b.listUsers(t)
		b.listTeams(t)
		if b.UsersRead().Complete || b.TeamsRead().Complete {
			t.Fatal("the listings count as complete")
		}
		users, _, n := b.Counts()
		if users != known || n != teams {
			t.Errorf("%d users and %d teams are left of %d and %d", users, n, known, teams)
		}
		expect(t, "what moved", look(), console.Change{})
	})
}

// What three listings in a row lack is to be asked for by name, although none
// was complete: on a console whose listings never add up, nobody would ever be
// found to have left.
func TestLackingFromIncompleteListings(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		b.sim.Seed(5, 5, 1)
		b.listUsers(t)
		b.listTeams(t)
		user, team := b.sim.Users()[2], b.sim.Teams()[2]
		b.sim.RemoveUser(user.Email)
		b.sim.RemoveTeam(team.ID)
		b.behave(t, func(s *consolesim.Behavior) { s.MaxPageSize, s.MoveBetweenPages = 2, -1 })
		for i := range 3 {
			b.listUsers(t)
			b.listTeams(t)
			want := console.Present
			if i == 2 {
				want = console.NotListed
			}
			if u, m := b.User(user.Email).Presence, b.Team(team.ID).Presence; u != want || m != want {
				t.Errorf("after listing %d: user %v and team %v, want %v", i+1, u, m, want)
			}
		}
	})
}

func TestAwait(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		var told, gone, replaced tally
		b.Await("waits", []string{"Grace@example.com", ada}, func() { told.n.Add(1) })
		b.Await("gone", []string{ada}, func() { gone.n.Add(1) })
		b.Await("replaced", []string{ada}, func() { replaced.n.Add(1) })
		b.Await("replaced", []string{"other@example.com"}, func() { replaced.n.Add(1) })
		b.Await("nobody", []string{ada}, nil)
		b.Await("nobody", nil, nil)
		b.Forget("gone")
		if n := b.Awaiting(); n != 2 {
			t.Errorf("%d wait, want 2", n)
		}
		b.listUsers(t)
		if told.count() != 0 {
			t.Error("told before anybody appeared")
		}
		b.put(ada, "Member")
		b.put("grace@example.com", "Member")
		b.listUsers(t)
		b.listUsers(t)
		if told.count() != 1 || gone.count() != 0 || replaced.count() != 0 || b.Awaiting() != 1 {
			t.Errorf("told %d, %d and %d times, %d wait; want once, never, never, 1", told.count(), gone.count(), replaced.count(), b.Awaiting())
		}
	})
}

func TestRefusedKey(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		b.put(ada, "Member")
		look := b.changes()
		b.sim.RevokeKey(apiKey)
		for range 100 {
			if _, err := b.FetchUser(t.Context(), caller("a"), ada); console.ClassOf(err) != console.Unauthorized || strings.Contains(err.Error(), apiKey) {
				t.Fatalf("with a revoked key: %v", err)
			}
		}
		if n := b.sim.Counters().Total; n != 1 {
			t.Errorf("%d requests found out that the key is refused, want 1", n)
		}
		expect(t, "the refusal", look(), console.Change{Access: true})
		settled()
		b.sim.AddKey(apiKey)
		if b.Refused() == nil {
			t.Error("the refusal ended by itself")
		}
		if _, err := b.FetchUser(t.Context(), caller("a"), ada); err != nil || b.Refused() != nil {
			t.Errorf("with the key again: %v, %v", err, b.Refused())
		}
		expect(t, "the healing", look(), console.Change{Access: true})
	})
}

// When the pause after a refusal is over one request tries the key again, and
// the others wait for what it is answered.
func TestRefusedKeyIsProbed(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		b.put(ada, "Member")
		b.sim.RevokeKey(apiKey)
		_, _ = b.FetchUser(t.Context(), caller("a"), ada)
		b.behave(t, func(s *consolesim.Behavior) { s.Latency = time.Second })
		everybody := func() (refused int) {
			var wg sync.WaitGroup
			var n tally
			for i := range 50 {
				wg.Go(func() {
					if _, err := b.FetchUser(t.Context(), caller(fmt.Sprint(i)), ada); console.ClassOf(err) == console.Unauthorized {
						n.n.Add(1)
					}
				})
			}
			wg.Wait()
			return n.count()
		}
		settled()
		if refused := everybody(); refused != 50 || b.sim.Counters().Total != 2 {
			t.Errorf("%d calls of 50 are refused, %d requests in all; want all, by one more request", refused, b.sim.Counters().Total)
		}
		if refused := everybody(); refused != 50 || b.sim.Counters().Total != 2 {
			t.Errorf("%d calls of 50 are refused, %d requests in all; want a new pause", refused, b.sim.Counters().Total)
		}
		settled()
		b.sim.AddKey(apiKey)
		if refused := everybody(); refused != 49 || b.sim.Counters().Total != 3 {
			t.Errorf("%d calls of 50 are refused, %d requests in all; want all but the one that is sent", refused, b.sim.Counters().Total)
		}
		if refused := everybody(); refused != 0 || b.Refused() != nil {
			t.Errorf("%d calls of 50 are refused though the key is accepted: %v", refused, b.Refused())
		}
	})
}

// Any answer to what was asked shows that the key is accepted.
func TestKeyAccepted(t *testing.T) {
	for status, accepted := range map[int]bool{200: true, 400: true, 404: true, 403: false, 500: false} {
		inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
			b.put(ada, "Member")
			b.sim.RevokeKey(apiKey)
			_, _ = b.FetchUser(t.Context(), caller("a"), ada)
			settled()
			b.sim.AddKey(apiKey)
			if status != 200 {
				b.sim.Inject(consolesim.Fault{Endpoint: consolesim.GetUser, Effect: consolesim.EffectError, Status: status, ContentType: "application/json", Body: fmt.Sprintf(`{"status":%d,"message":"No."}`, status), Times: 1})
			}
			_, _ = b.FetchUser(t.Context(), caller("a"), ada)
			if (b.Refused() == nil) != accepted {
				t.Errorf("after an answer %d the refusal is %v", status, b.Refused())
			}
			// A request that settles nothing leaves the next to try.
			if _, err := b.fetchUser(t, ada); err != nil || b.Refused() != nil {
				t.Errorf("after an answer %d, then a good one: %v", status, err)
			}
		})
	}
}

func TestInvite(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		invitation := console.Invitation{Role: "Member", Emails: []string{ada}}
		if err := b.Invite(t.Context(), caller("a"), invitation); err != nil || len(b.sim.Invites()) != 1 {
			t.Errorf("invited: %v, %v", b.sim.Invites(), err)
		}
		hook := errors.New("not recorded")
		ctx := console.BeforeSend(t.Context(), func() error { return hook })
		if err := b.Invite(ctx, caller("a"), invitation); !errors.Is(err, hook) || b.sim.Count(consolesim.InviteUsers) != 1 {
			t.Errorf("sent although it was not recorded: %v", err)
		}
		synctest.Wait()
		if n := b.limiter.Stats().InFlight; n != 0 {
			t.Errorf("%d tokens are lost", n)
		}
	})
}
