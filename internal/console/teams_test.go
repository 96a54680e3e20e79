package console_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/internal/quota"
)

// compilers is a whole definition.
func compilers(description string) console.Team {
	return console.Team{
		Name: "Compilers", Description: description, Members: []string{ada}, MembersKnown: true,
		ChangeTeamConfigs: "anyone", ReviewApproval: "anyone",
	}
}

// create makes the team of compilers, of whom ada is one.
func (b *bench) create(t *testing.T) console.Team {
	t.Helper()
	b.put(ada, "Member")
	made, err := b.CreateTeam(t.Context(), caller("a"), compilers("first"))
	if err != nil || made.ID == "" {
		t.Fatalf("create: %+v, %v", made, err)
	}
	return made
}

func (b *bench) describes(t *testing.T, when, id string, presence console.Presence, description string, unconfirmed bool) {
	t.Helper()
	seen := b.Team(id)
	if seen.Presence != presence || seen.Value.Description != description || seen.Unconfirmed != unconfirmed {
		t.Errorf("%s: presence %d, %q, unconfirmed %v; want %d, %q, %v", when, seen.Presence, seen.Value.Description, seen.Unconfirmed, presence, description, unconfirmed)
	}
}

func TestStaleReadsDoNotUndoAWriteOfATeam(t *testing.T) {
	for _, listed := range []bool{true, false} {
		t.Run(fmt.Sprint("members listed ", listed), func(t *testing.T) {
			inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
				b.behave(t, func(s *consolesim.Behavior) { s.ListTeamsWithMembers = listed })
				id := b.create(t).ID
				settled()
				b.behave(t, func(s *consolesim.Behavior) { s.StaleReads = 10 * time.Second })
				if _, err := b.UpdateTeam(t.Context(), caller("a"), id, compilers("second")); err != nil {
					t.Fatal(err)
				}
				b.listTeams(t)
				b.describes(t, "after a stale listing", id, console.Present, "second", false)
				if seen, err := b.FetchTeam(t.Context(), caller("a"), id); err != nil || seen.Value.Description != "second" {
					t.Errorf("a stale read told %q, %v", seen.Value.Description, err)
				}
				settled()
				team, _ := b.sim.Team(id)
				team.Description = new("by hand")
				b.sim.PutTeam(team)
				b.listTeams(t)
				b.describes(t, "after a later listing", id, console.Present, "by hand", false)
				seen := b.Team(id)
				if !seen.Value.MembersKnown || !reflect.DeepEqual(seen.Value.Members, []string{ada}) {
					t.Errorf("the members are lost: %+v", seen.Value)
				}
				if whole := !seen.At.Before(b.TeamsRead().StartedAt); whole != listed {
					t.Errorf("seen whole at %v, listed with members %v at %v", seen.At, listed, b.TeamsRead().StartedAt)
				}
				if b.ListsMembers() != listed {
					t.Errorf("ListsMembers is %v", b.ListsMembers())
				}
			})
		})
	}
}

func TestAmbiguousUpdateOfATeam(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		id := b.create(t).ID
		settled()
		b.sim.Inject(consolesim.Fault{Endpoint: consolesim.ListTeams, Effect: consolesim.EffectLatencyAfter, Delay: 5 * time.Second, Times: 1})
		b.sim.Inject(consolesim.Fault{Endpoint: consolesim.UpdateTeam, Effect: consolesim.EffectCutAfter, Times: 1})
		_ = b.ReadTeams(caller("lister"), time.Now())
		time.Sleep(time.Second)
		if _, err := b.UpdateTeam(t.Context(), caller("a"), id, compilers("second")); console.ClassOf(err) != console.Ambiguous {
			t.Fatalf("update: %v, want an ambiguous failure", err)
		}
		b.describes(t, "after the write", id, console.Present, "first", true)
		time.Sleep(5 * time.Second)
		b.describes(t, "after the listing begun before", id, console.Present, "first", true)
		if _, err := b.FetchTeam(t.Context(), caller("a"), id); err != nil {
			t.Fatal(err)
		}
		b.describes(t, "read again", id, console.Present, "second", false)
	})
}

// What another process may just have created is not believed to be gone because
// reads do not show it yet.
func TestTeamsThatOthersTell(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		known := b.create(t).ID
		settled()
		b.listTeams(t)
		b.sim.RemoveTeam(known)
		for id, want := range map[string]console.Presence{known: console.Absent, "made-elsewhere": console.NotListed} {
			b.NoteExternalID(id)
			if seen, err := b.fetchTeam(t, id); err != nil || seen.Presence != want {
				t.Errorf("%s: %+v, %v; want presence %d", id, seen, err, want)
			}
		}
		settled()
		b.NoteExternalID("made-elsewhere")
		if seen, err := b.fetchTeam(t, "made-elsewhere"); err != nil || seen.Presence != console.Absent {
			t.Errorf("when it would be shown: %+v, %v", seen, err)
		}
	})
}

func TestDeleteTeam(t *testing.T) {
	refuse := consolesim.Fault{Endpoint: consolesim.DeleteTeam, Effect: consolesim.EffectError, Status: 400, ContentType: "application/json", Body: `{"status":400,"message":"No such team."}`}
	tests := []struct {
		name         string
		delete, get  int
		fault        *consolesim.Fault
		gone, listed bool
		want         console.Class
	}{
		{name: "there", delete: 404, get: 404},
		{name: "gone, 404", delete: 404, get: 404, gone: true},
		{name: "gone, 200", delete: 200, get: 404, gone: true},
		{name: "gone, 400 and 404", delete: 404, get: 404, fault: &refuse, gone: true},
		{name: "gone, 400 and 400, unlisted", delete: 404, get: 400, fault: &refuse, gone: true, listed: true},
		{name: "there, refused", delete: 404, get: 404, fault: &refuse, want: console.Invalid},
		{name: "there, fails", delete: 404, get: 404, fault: &consolesim.Fault{Endpoint: consolesim.DeleteTeam, Effect: consolesim.EffectErrorAfter}, want: console.Ambiguous},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
				b.behave(t, func(s *consolesim.Behavior) { s.MissingDelete, s.MissingGet = tt.delete, tt.get })
				id := b.create(t).ID
				settled()
				b.listTeams(t)
				if tt.gone {
					b.sim.RemoveTeam(id)
				}
				if tt.listed {
					b.listTeams(t)
				}
				if tt.fault != nil {
					b.sim.Inject(*tt.fault)
				}
				err := b.deleteTeam(t, id)
				if console.ClassOf(err) != tt.want || (err == nil) != (tt.want == "") {
					t.Fatalf("delete: %v, want %q", err, tt.want)
				}
				if err == nil && (b.Team(id).Presence != console.Absent || len(b.TeamsNamed("Compilers")) != 0) {
					t.Errorf("after the deletion: %+v", b.Team(id))
				}
			})
		})
	}
}

// A listing that still shows a deleted team, for it is stale, does not bring it back.
func TestDeletedTeamStaysAbsent(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		id := b.create(t).ID
		settled()
		b.behave(t, func(s *consolesim.Behavior) { s.StaleReads = 10 * time.Second })
		if err := b.DeleteTeam(t.Context(), caller("a"), id); err != nil {
			t.Fatal(err)
		}
		b.listTeams(t)
		b.describes(t, "after a stale listing", id, console.Absent, "", false)
	})
}

// With a quota of one call at a time, a refused deletion awaits the listing that is
// read in the next turn, and is not refused again before.
func TestRefusedDeletionWaitsForItsTurn(t *testing.T) {
	cfg := quota.Config{Share: 100, Windows: []quota.Window{{Requests: 1, Per: time.Minute}}}
	inProject(t, cfg, func(t *testing.T, b *bench) {
		settled()
		b.sim.Inject(consolesim.Fault{Endpoint: consolesim.DeleteTeam, Effect: consolesim.EffectError, Status: 400})
		var told tally
		by := waiting("a", quota.Revoke, &told)
		if err := b.DeleteTeam(t.Context(), by, "gone"); !errors.Is(err, console.ErrReading) {
			t.Fatalf("%v, want to wait for a listing", err)
		}
		time.Sleep(59 * time.Second)
		if err := b.DeleteTeam(t.Context(), by, "gone"); !errors.Is(err, console.ErrReading) || told.count() != 0 {
			t.Errorf("before its turn: %v, told %d times", err, told.count())
		}
		time.Sleep(2 * time.Second)
		if err := b.DeleteTeam(t.Context(), by, "gone"); err != nil || told.count() != 1 {
			t.Errorf("in its turn: %v, told %d times", err, told.count())
		}
		if n := b.sim.Count(consolesim.DeleteTeam); n != 1 {
			t.Errorf("%d deletions were sent, want 1", n)
		}
	})
}

// A console that refuses the id of a team that is gone, rather than say so, is
// believed as soon as a listing lacks the team, and asked only once.
func TestRefusedReadAwaitsTheListing(t *testing.T) {
	for _, gone := range []bool{true, false} {
		inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
			b.behave(t, func(s *consolesim.Behavior) { s.MissingGet, s.ListTeamsWithMembers = 400, false })
			id := b.create(t).ID
			settled()
			b.listTeams(t)
			if gone {
				b.sim.RemoveTeam(id)
			} else {
				b.sim.Inject(consolesim.Fault{Endpoint: consolesim.GetTeam, Effect: consolesim.EffectError, Status: 400, ContentType: "application/json", Body: `{"status":400,"message":"No."}`})
			}
			lists := b.sim.Count(consolesim.ListTeams)
			for range 2 {
				time.Sleep(time.Second)
				var told tally
				if _, err := b.FetchTeam(t.Context(), waiting("a", quota.Change, &told), id); !errors.Is(err, console.ErrReading) {
					t.Fatalf("gone %v: %v, want to wait for a listing", gone, err)
				}
				synctest.Wait()
				seen, err := b.FetchTeam(t.Context(), caller("a"), id)
				if told.count() != 1 || gone && (err != nil || seen.Presence != console.Absent) || !gone && console.ClassOf(err) != console.Invalid {
					t.Errorf("gone %v: told %d times, then %+v, %v", gone, told.count(), seen, err)
				}
				if gone {
					break
				}
				time.Sleep(time.Minute)
			}
			want := map[bool]int{true: 1, false: 2}[gone]
			if reads, n := b.sim.Count(consolesim.GetTeam), b.sim.Count(consolesim.ListTeams)-lists; reads != want || n != want {
				t.Errorf("gone %v: %d reads and %d listings, want %d of each", gone, reads, n, want)
			}
		})
	}
}

// A deletion that is refused, as is the read of the team, succeeds when a
// listing shows that the team is gone.
func TestRefusedDeletionAwaitsTheListing(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		b.behave(t, func(s *consolesim.Behavior) { s.MissingGet = 400 })
		id := b.create(t).ID
		settled()
		b.listTeams(t)
		b.sim.RemoveTeam(id)
		time.Sleep(time.Second)
		b.sim.Inject(consolesim.Fault{Endpoint: consolesim.DeleteTeam, Effect: consolesim.EffectError, Status: 400, ContentType: "application/json", Body: `{"status":400,"message":"No."}`})
		var told tally
		if err := b.DeleteTeam(t.Context(), waiting("a", quota.Revoke, &told), id); !errors.Is(err, console.ErrReading) {
			t.Fatalf("%v, want to wait for a listing", err)
		}
		synctest.Wait()
		if err := b.DeleteTeam(t.Context(), caller("a"), id); err != nil || told.count() != 1 || b.sim.Count(consolesim.DeleteTeam) != 1 {
			t.Errorf("then %v, told %d times, %d deletions sent", err, told.count(), b.sim.Count(consolesim.DeleteTeam))
		}
	})
}

// Of two listed teams of one name and no id only one can be the one that is
// known: the one that looks like it, if either does.
func TestTwinsWithoutIDs(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		b.behave(t, func(s *consolesim.Behavior) { s.ListReturnsID, s.DuplicateTeamNames = false, consolesim.NamesAllow })
		id := b.create(t).ID
		settled()
		b.listTeams(t)
		twin := b.sim.PutTeam(consolesim.Team{Name: "Compilers", Description: new("another")})
		look := b.changes()
		for range 3 {
			b.listTeams(t)
			b.describes(t, "beside a twin", id, console.Present, "first", false)
			if named := b.TeamsNamed("Compilers"); len(named) != 2 || named[0].ID != id || named[1].ID != "" || named[1].Description != "another" {
				t.Fatalf("two teams of one name are known as %+v", named)
			}
		}
		expect(t, "a twin", look(), console.Change{TeamNames: []string{"Compilers"}})
		// Neither looks like what is known: it is there all the same, unchanged.
		known, _ := b.sim.Team(id)
		known.Description = new("changed by hand")
		b.sim.PutTeam(known)
		b.listTeams(t)
		b.describes(t, "changed beside a twin", id, console.Present, "first", false)
		b.sim.RemoveTeam(twin.ID)
		b.listTeams(t)
		b.describes(t, "alone again", id, console.Present, "changed by hand", false)
	})
}

func TestTeamsWithoutIDs(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		b.behave(t, func(s *consolesim.Behavior) { s.ListReturnsID, s.DuplicateTeamNames = false, consolesim.NamesAllow })
		id := b.create(t).ID
		look := b.changes()
		b.sim.PutTeam(consolesim.Team{Name: "Parsers"})
		settled()
		b.listTeams(t)
		expect(t, "a team without id", look(), console.Change{TeamNames: []string{"Parsers"}})
		if named := b.TeamsNamed(" Compilers "); len(named) != 1 || named[0].ID != id {
			t.Errorf("a listed team is known by the id its creation told: %+v", named)
		}
		if named := b.TeamsNamed("Parsers"); len(named) != 1 || named[0].ID != "" {
			t.Errorf("a team whose id nobody told: %+v", named)
		}
		if _, _, teams := b.Counts(); teams != 2 {
			t.Errorf("%d teams, want 2", teams)
		}
		changed := b.sim.TeamsNamed("Parsers")[0]
		changed.Description = new("by hand")
		b.sim.PutTeam(changed)
		b.listTeams(t)
		expect(t, "a change of it", look(), console.Change{TeamNames: []string{"Parsers"}})
		b.sim.RemoveTeam(changed.ID)
		b.listTeams(t)
		expect(t, "its end", look(), console.Change{TeamNames: []string{"Parsers"}})
		b.listTeams(t)
		expect(t, "nothing", look(), console.Change{})
	})
}

func TestCreateWithoutID(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		b.behave(t, func(s *consolesim.Behavior) { s.CreateReturnsID = false })
		b.put(ada, "Member")
		made, err := b.CreateTeam(t.Context(), caller("a"), compilers("first"))
		if err != nil || made.ID != "" || len(b.TeamsNamed("Compilers")) != 0 {
			t.Fatalf("create: %+v, %v", made, err)
		}
		b.listTeams(t)
		if named := b.TeamsNamed("Compilers"); len(named) != 1 || named[0].ID == "" {
			t.Errorf("after a listing: %+v", named)
		}
	})
}

// A name that our own rename gives up is free at once.
// TestFreedNamesArePublished: whoever waits for a name hears of its end however
// that comes to be known, since the next listing brings no news of it.
func TestFreedNamesArePublished(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, b *bench, id string){
		"renamed": func(t *testing.T, b *bench, id string) {
			renamed := compilers("first")
			renamed.Name = "Parsers"
			if _, err := b.UpdateTeam(t.Context(), caller("a"), id, renamed); err != nil {
				t.Fatal(err)
			}
		},
		"deleted": func(t *testing.T, b *bench, id string) {
			if err := b.DeleteTeam(t.Context(), caller("a"), id); err != nil {
				t.Fatal(err)
			}
		},
		"found renamed": func(t *testing.T, b *bench, id string) {
			settled()
			b.sim.PutTeam(consolesim.Team{ID: id, Name: "Parsers"})
			if _, err := b.FetchTeam(t.Context(), caller("a"), id); err != nil {
				t.Fatal(err)
			}
		},
		"found gone": func(t *testing.T, b *bench, id string) {
			settled()
			b.sim.RemoveTeam(id)
			if _, err := b.fetchTeam(t, id); err != nil {
				t.Fatal(err)
			}
		},
		"gone when it was to be changed": func(t *testing.T, b *bench, id string) {
			b.sim.RemoveTeam(id)
			if _, err := b.UpdateTeam(t.Context(), caller("a"), id, compilers("second")); console.ClassOf(err) != console.NotFound {
				t.Fatalf("the update answered %v, want NotFound", err)
			}
			settled()
			if _, err := b.fetchTeam(t, id); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
				id := b.create(t).ID
				look := b.changes()
				end(t, b, id)
				if got := look().TeamNames; !slices.Equal(got, []string{"Compilers"}) {
					t.Errorf("%s: told of the names %v, want the one that is free", name, got)
				}
				if left := b.TeamsNamed("Compilers"); len(left) != 0 {
					t.Errorf("%s: there is still %+v", name, left)
				}
			})
		})
	}
}

// TestNamesakeOfATeamThatIsGone: where listings tell no ids, a team that appears
// under the name of one that was not listed any more is not taken for that one.
func TestNamesakeOfATeamThatIsGone(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		id := b.create(t).ID
		settled()
		b.sim.RemoveTeam(id)
		b.listTeams(t)
		b.describes(t, "when it is gone", id, console.NotListed, "first", false)
		if gone := b.FormerlyNamed("Compilers"); !slices.Equal(gone, []string{id}) {
			t.Errorf("formerly of that name: %v, want %s", gone, id)
		}
		b.behave(t, func(s *consolesim.Behavior) { s.ListReturnsID = false })
		b.sim.PutTeam(consolesim.Team{Name: "Compilers"})
		b.listTeams(t)
		if named := b.TeamsNamed("Compilers"); len(named) != 1 || named[0].ID != "" {
			t.Errorf("the new team is listed as %+v, want one without an id", named)
		}
		b.describes(t, "beside its namesake", id, console.NotListed, "first", false)
	})
}

func TestEmptyListingTellsNothingOfMembers(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		b.listTeams(t)
		if b.ListsMembers() {
			t.Error("an empty listing counts as one with members")
		}
		if b.Limiter() != b.limiter {
			t.Error("Limiter is another one")
		}
		synctest.Wait()
	})
}

// A project in which teams and people come and go does not remember all of
// them: nothing else bounds the memory that takes.
func TestWhoIsGoneIsForgotten(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		id := b.create(t).ID
		settled()
		if err := b.DeleteTeam(t.Context(), caller("a"), id); err != nil {
			t.Fatal(err)
		}
		const nobody = "nobody@example.com"
		if _, err := b.fetchUser(t, nobody); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			time.Sleep(20 * time.Minute)
			b.listTeams(t)
			b.listUsers(t)
			b.describes(t, "after minutes", id, console.Absent, "", false)
			if seen := b.User(nobody); seen.Presence != console.Absent {
				t.Errorf("after minutes the person is %v", seen.Presence)
			}
		}
		time.Sleep(21 * time.Minute)
		b.listTeams(t)
		b.listUsers(t)
		b.describes(t, "after an hour", id, console.NotListed, "", false)
		if seen := b.User(nobody); seen.Presence != console.NotListed || !seen.At.IsZero() {
			t.Errorf("after an hour the person is still known: %+v", seen)
		}
	})
}
