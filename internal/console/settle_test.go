package console_test

import (
	"testing"

	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/internal/quota"
)

// Right after a write of ours, what it replaced is an old reading, but anything
// else is somebody's newer change and is believed at once.
func TestNewerChangeRightAfterAWrite(t *testing.T) {
	inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
		b.put(ada, "Member")
		b.listUsers(t)
		if _, err := b.UpdateUser(t.Context(), caller("a"), ada, role("Admin")); err != nil {
			t.Fatal(err)
		}
		b.put(ada, "Member")
		b.listUsers(t)
		b.holds(t, "a listing of what was replaced", ada, console.Present, "Admin", false)
		b.put(ada, "Read Only")
		b.listUsers(t)
		b.holds(t, "a listing of something new", ada, console.Present, "Read Only", false)
		b.put(ada, "Member")
		b.listUsers(t)
		b.holds(t, "what was replaced, after something new", ada, console.Present, "Read Only", false)
		settled()
		b.listUsers(t)
		b.holds(t, "what was replaced, when the write has settled", ada, console.Present, "Member", false)
	})
}

func TestNewerChangeOfATeamRightAfterAWrite(t *testing.T) {
	for _, listed := range []bool{true, false} {
		inProject(t, quota.Config{}, func(t *testing.T, b *bench) {
			b.behave(t, func(s *consolesim.Behavior) { s.ListTeamsWithMembers = listed })
			b.put(ada, "Member")
			made, err := b.CreateTeam(t.Context(), caller("a"), console.Team{Name: "Growth", MembersKnown: true, ChangeTeamConfigs: "anyone", ReviewApproval: "anyone"})
			if err != nil {
				t.Fatal(err)
			}
			former := b.sim.TeamsNamed("Growth")[0]
			update := console.Team{Name: "Growth", Description: "ours", Members: []string{ada}, MembersKnown: true, ChangeTeamConfigs: "anyone", ReviewApproval: "anyone"}
			if _, err := b.UpdateTeam(t.Context(), caller("a"), made.ID, update); err != nil {
				t.Fatal(err)
			}
			describes := func(when, want string) {
				t.Helper()
				if got := b.Team(made.ID).Value.Description; got != want {
					t.Errorf("members listed: %v: %s: description %q, want %q", listed, when, got, want)
				}
			}
			ours := b.sim.TeamsNamed("Growth")[0]
			b.sim.PutTeam(former)
			b.listTeams(t)
			describes("a listing of what was replaced", "ours")
			if _, err := b.FetchTeam(t.Context(), caller("a"), made.ID); err != nil {
				t.Fatal(err)
			}
			describes("a read of what was replaced", "ours")
			ours.Description = new("theirs")
			b.sim.PutTeam(ours)
			b.listTeams(t)
			describes("a listing of something new", "theirs")
		})
	}
}
