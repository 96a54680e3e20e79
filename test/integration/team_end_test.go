package integration

import (
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/harness"
)

// TestTeamDeletion: what becomes of the team in the console, by where it came
// from and what the spec says.
func TestTeamDeletion(t *testing.T) {
	tests := map[string]struct {
		adopted bool
		policy  v1alpha1.TeamDeletionPolicy
		change  func(*v1alpha1.TeamSpec)
		stays   bool
	}{
		"created":                     {},
		"created, Delete":             {policy: v1alpha1.TeamDelete},
		"created, Orphan":             {policy: v1alpha1.TeamOrphan, stays: true},
		"adopted":                     {adopted: true, stays: true},
		"adopted, Delete":             {adopted: true, policy: v1alpha1.TeamDelete},
		"adopted, Orphan":             {adopted: true, policy: v1alpha1.TeamOrphan, stays: true},
		"created, then suspended":     {change: func(s *v1alpha1.TeamSpec) { s.Suspend = true }},
		"created, then only observed": {change: func(s *v1alpha1.TeamSpec) { s.Mode = v1alpha1.ModeObserve }, stays: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := harness.Options{}
			if test.adopted {
				o.Teams = []consolesim.Team{seeded("Growth")}
			}
			e := harness.Shared(t, o)
			team := adopting(e, "Growth", func(s *v1alpha1.TeamSpec) { s.DeletionPolicy = test.policy })
			e.Create(team)
			e.WaitReady(team)
			if team.Status.Adopted != test.adopted {
				t.Errorf("adopted is %v, want %v", team.Status.Adopted, test.adopted)
			}
			if test.change != nil {
				harness.Update(e, team, func(team *v1alpha1.Team) { test.change(&team.Spec) })
			}
			mark := e.Mark()
			e.Delete(team)
			e.WaitGone(team)
			if test.stays {
				e.TeamNamed("Growth")
				e.WantWrites(mark)
				return
			}
			if left := e.Sim.Teams(); len(left) != 0 {
				t.Errorf("teams %+v, want none", left)
			}
			e.WantWrites(mark, consolesim.DeleteTeam)
			e.WaitEvent(team, "Deleted", "Growth")
		})
	}
}

// TestRefusedTeamIsLeftAlone: somebody else's team of the same name is not
// touched, not even when the object goes, until the object may adopt it.
func TestRefusedTeamIsLeftAlone(t *testing.T) {
	e := harness.Shared(t, harness.Options{Teams: []consolesim.Team{seeded("Growth")}})
	refused := e.Team("refused", v1alpha1.TeamSpec{Name: "Growth", Members: emails(edsger), DeletionPolicy: v1alpha1.TeamDelete})
	e.Create(refused)
	e.WaitMessage(refused, v1alpha1.ReasonAlreadyExists, `"Growth"`, "spec.adoptionPolicy")
	e.Delete(refused)
	e.WaitGone(refused)
	e.WantWrites(0)
	wantTeam(t, e.TeamNamed("Growth"), seeded("Growth"))

	team := e.Team("growth", v1alpha1.TeamSpec{Name: "Growth", Members: emails(edsger)})
	e.Create(team)
	e.WaitReason(team, v1alpha1.ReasonAlreadyExists)
	harness.Update(e, team, func(team *v1alpha1.Team) { team.Spec.AdoptionPolicy = v1alpha1.AdoptionAdopt })
	e.WaitReady(team)
	e.WaitEvent(team, "Adopted", "by-hand")
	e.WantWrites(0, consolesim.UpdateTeam)
}

// TestNameFreedInTheConsole: an object that met somebody else's team goes ahead
// by itself when that is renamed or removed.
func TestNameFreedInTheConsole(t *testing.T) {
	for name, free := range map[string]func(*harness.Env){
		"removed": func(e *harness.Env) { e.Sim.RemoveTeam("by-hand") },
		"renamed": func(e *harness.Env) { e.Sim.PutTeam(consolesim.Team{ID: "by-hand", Name: "Other"}) },
	} {
		t.Run(name, func(t *testing.T) {
			e := harness.Shared(t, harness.Options{Teams: []consolesim.Team{seeded("Growth")}})
			team := e.Team("growth", v1alpha1.TeamSpec{Name: "Growth"})
			e.Create(team)
			e.WaitReason(team, v1alpha1.ReasonAlreadyExists)
			free(e)
			e.WaitReady(team)
			if id := e.TeamNamed("Growth").ID; id == "by-hand" || id != team.Status.ID {
				t.Errorf("the team has the id %q and the status %q, want a new one", id, team.Status.ID)
			}
		})
	}
}

// TestAmbiguousAdoption: of two teams of one name none is adopted.
func TestAmbiguousAdoption(t *testing.T) {
	other := seeded("Growth")
	other.ID = "by-hand-2"
	e := harness.Shared(t, harness.Options{
		Teams:    []consolesim.Team{seeded("Growth"), other},
		Behavior: func(b *consolesim.Behavior) { b.DuplicateTeamNames = consolesim.NamesAllow },
	})
	team := adopting(e, "Growth")
	e.Create(team)
	e.WaitMessage(team, v1alpha1.ReasonAlreadyExists, "2 teams")
	e.Sim.RemoveTeam("by-hand")
	e.WaitReady(team)
	if team.Status.ID != "by-hand-2" || !team.Status.Adopted {
		t.Errorf("status %+v, want the remaining team adopted", team.Status)
	}
	e.WantWrites(0)
}

// TestNameTaken: of two objects that claim one thing the older has it, and the
// other takes over by itself.
func TestNameTaken(t *testing.T) {
	e := harness.Shared(t, harness.Options{})
	elsewhere := e.NewNamespace(nil)
	olderTeam := e.Team("a", v1alpha1.TeamSpec{Name: "Growth", Description: ptr("older")})
	olderRole := e.UserRole(alan, "Read Only")
	e.Create(olderTeam, olderRole)
	e.WaitReady(olderTeam, olderRole)
	id := olderTeam.Status.ID

	team := e.Team("b", v1alpha1.TeamSpec{Name: "Growth", Description: ptr("younger")})
	role := e.UserRole("Alan@Example.com", "Admin")
	team.Namespace, role.Namespace, role.Name = elsewhere, elsewhere, "b"
	if elsewhere < e.Namespace {
		// Both may be of the same second, when names decide.
		e.WaitUntil("wait for the next second", func() bool { return secondsApart(e, olderTeam) })
	}
	e.Create(team, role)
	e.WaitMessage(team, v1alpha1.ReasonNameTaken, "Team "+e.Namespace+"/a", `"Growth"`)
	e.WaitMessage(role, v1alpha1.ReasonNameTaken, "UserRole "+e.Namespace+"/alan")
	e.WantQuiet()

	e.Delete(olderTeam, olderRole)
	e.WaitGone(olderTeam, olderRole)
	e.WaitReady(team, role)
	if team.Status.ID == id || !equal(e.TeamNamed("Growth").Description, ptr("younger")) {
		t.Errorf("team %+v, want a new one of the other object", e.TeamNamed("Growth"))
	}
	e.WantRole(alan, "Admin")
}

// secondsApart creates and deletes an object, and reports whether it was
// created in a later second than the other.
func secondsApart(e *harness.Env, than client.Object) bool {
	probe := e.NewConnection(e.Namespace + "-clock")
	probe.Spec.Suspend = true
	if err := e.TryCreate(probe); err != nil {
		return false
	}
	later := probe.CreationTimestamp.After(than.GetCreationTimestamp().Time)
	e.Delete(probe)
	return later
}
