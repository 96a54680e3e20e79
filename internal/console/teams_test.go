package console_test

import (
	"errors"
	"fmt"
	"reflect"
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

func (b *bench) describes(t *testing.T, when, id string, presence console.Presence, description string, doubtful bool) {
	t.Helper()
	seen := b.Team(id)
	if seen.Presence != presence || seen.Value.Description != description || seen.Doubtful != doubtful {
		t.Errorf("%s: presence %d, %q, doubtful %v; want %d, %q, %v", when, seen.Presence, seen.Value.Description, seen.Doubtful, presence, description, doubtful)
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

// Absence is what the console says when asked for the team by its id.
func TestAbsentTeams(t *testing.T) {
	for _, status := range []int{404, 400} {
		t.Run(fmt.Sprint("missing is ", status), func(t *testing.T) {
			inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
				b.behave(t, func(s *consolesim.Behavior) { s.MissingGet = status })
				id := b.create(t).ID
				settled()
				b.listTeams(t)
				b.sim.RemoveTeam(id)
				seen, err := b.FetchTeam(t.Context(), caller("a"), id)
				if status == 404 && seen.Presence != console.Absent || status == 400 && console.ClassOf(err) != console.Invalid {
					t.Errorf("before a listing lacks it: %+v, %v", seen, err)
				}
				b.listTeams(t)
				if seen := b.Team(id); status == 400 && seen.Presence != console.Unlisted {
					t.Errorf("after a listing without it: %+v", seen)
				}
				if seen, err := b.FetchTeam(t.Context(), caller("a"), id); err != nil || seen.Presence != console.Absent {
					t.Errorf("when a listing lacks it: %+v, %v", seen, err)
				}
				if _, err := b.UpdateTeam(t.Context(), caller("a"), id, compilers("")); err == nil || b.Team(id).Presence == console.Present {
					t.Errorf("update of nothing: %v, %+v", err, b.Team(id))
				}
			})
		})
	}
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
		{name: "gone, 400 and 400, not yet listed", delete: 404, get: 400, fault: &refuse, gone: true, want: console.Invalid},
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
				err := b.DeleteTeam(t.Context(), caller("a"), id)
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

// With a quota of one call at a time, a refused deletion is looked into in the
// next turn, and is not refused again before.
func TestRefusedDeletionWaitsForItsTurn(t *testing.T) {
	cfg := quota.Config{Share: 100, Windows: []quota.Window{{Requests: 1, Per: time.Minute}}}
	inProject(t, cfg, func(t *testing.T, b *bench) {
		b.sim.Inject(consolesim.Fault{Endpoint: consolesim.DeleteTeam, Effect: consolesim.EffectError, Status: 400})
		var told tally
		by := waiting("a", quota.Revoke, &told)
		err := b.DeleteTeam(t.Context(), by, "gone")
		if _, waits := errors.AsType[*quota.WaitError](err); !waits {
			t.Fatalf("%v, want to wait for the read", err)
		}
		time.Sleep(61 * time.Second)
		if err := b.DeleteTeam(t.Context(), by, "gone"); err != nil || told.count() != 1 {
			t.Errorf("in its turn: %v, told %d times", err, told.count())
		}
		if n := b.sim.Count(consolesim.DeleteTeam); n != 1 {
			t.Errorf("%d deletions were sent, want 1", n)
		}
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
func TestRenameIsPublished(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		id := b.create(t).ID
		look := b.changes()
		renamed := compilers("first")
		renamed.Name = "Parsers"
		if _, err := b.UpdateTeam(t.Context(), caller("a"), id, renamed); err != nil {
			t.Fatal(err)
		}
		expect(t, "the rename", look(), console.Change{TeamNames: []string{"Compilers"}})
		if len(b.TeamsNamed("Compilers")) != 0 || len(b.TeamsNamed("Parsers")) != 1 {
			t.Errorf("after the rename: %+v", b.TeamsNamed("Parsers"))
		}
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
