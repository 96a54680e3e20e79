package integration

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/harness"
)

func policy(p v1alpha1.DriftPolicy) func(*v1alpha1.ConsoleConnectionSpec) {
	return func(c *v1alpha1.ConsoleConnectionSpec) { c.Drift.Policy = p }
}

// drifting has a Team and a UserRole in sync, without any write of ours, and
// then both changed by hand.
func drifting(t *testing.T, p v1alpha1.DriftPolicy) (*harness.Env, *v1alpha1.Team, *v1alpha1.UserRole) {
	e := harness.Shared(t, harness.Options{Teams: []consolesim.Team{seeded("Growth")}, Connection: policy(p)})
	team, role := adopting(e, "Growth"), e.UserRole(alan, "Member")
	e.Create(team, role)
	e.WaitReady(team, role)
	e.WantWrites(0)
	changed := seeded("Growth")
	changed.Description, changed.Members = ptr("Changed by hand"), []string{alan, edsger}
	e.Sim.PutTeam(changed)
	e.Sim.PutUser(consolesim.User{Email: alan, Role: "Admin"})
	return e, team, role
}

func TestDriftIsCorrected(t *testing.T) {
	e, team, role := drifting(t, v1alpha1.DriftCorrect)
	e.WaitUntil("wait for both corrections", func() bool { return len(e.Writes(0)) == 2 })
	e.WaitReady(team, role)
	wantTeam(t, e.TeamNamed("Growth"), seeded("Growth"))
	e.WantRole(alan, "Member")
	e.WaitEvent(team, "DriftDetected", `description is "Changed by hand", wanted "Made by hand"`)
	e.WaitEvent(team, "Updated", `members from "alan@example.com, edsger@example.com" to "alan@example.com, barbara@example.com"`)
	e.WaitEvent(role, "DriftDetected", `role is "Admin", wanted "Member"`)
	e.WantQuiet()
}

func TestDriftIsReported(t *testing.T) {
	e, team, role := drifting(t, v1alpha1.DriftReport)
	e.WaitMessage(team, v1alpha1.ReasonDriftDetected, "description, members", "Report")
	e.WaitMessage(role, v1alpha1.ReasonDriftDetected, "role", "Report")
	if len(team.Status.Diff) != 2 || team.Status.Diff[0] != (v1alpha1.FieldDiff{Field: "description", Want: "Made by hand", Have: "Changed by hand"}) {
		t.Errorf("diff %+v, want description and members", team.Status.Diff)
	}
	e.WantQuiet()

	// A change of the spec is a person's wish, and is written; so is not what
	// somebody set right by hand.
	harness.Update(e, role, func(role *v1alpha1.UserRole) { role.Spec.FirstName = ptr("A. M.") })
	e.Sim.PutTeam(seeded("Growth"))
	e.WaitReady(team, role)
	e.WantWrites(0, consolesim.UpdateUser)
	if len(team.Status.Diff)+len(role.Status.Diff) != 0 {
		t.Errorf("diffs %+v and %+v remain", team.Status.Diff, role.Status.Diff)
	}
}

func TestDriftIsIgnored(t *testing.T) {
	e, team, role := drifting(t, v1alpha1.DriftIgnore)
	// Another connection to the same project has the console listed.
	other := e.NewConnection(e.Namespace + "-other")
	other.Spec.APIKeySecretRef = e.Connection.Spec.APIKeySecretRef
	e.Create(other)
	e.WantQuiet()
	e.WaitReady(team, role)
	if c := e.TeamNamed("Growth").Description; !equal(c, ptr("Changed by hand")) {
		t.Errorf("the description is %q, want it left alone", *c)
	}
	harness.Update(e, team, func(team *v1alpha1.Team) { team.Spec.DefaultTargetApplications = []string{"ios"} })
	e.WaitReady(team)
	want := seeded("Growth")
	want.DefaultTargetApplications = []string{"ios"}
	wantTeam(t, e.TeamNamed("Growth"), want)
}

// TestVanishedTeamIsMadeAgain, under the same object, with a new id.
func TestVanishedTeamIsMadeAgain(t *testing.T) {
	e := harness.Shared(t, harness.Options{Teams: []consolesim.Team{seeded("Growth")}})
	team := adopting(e, "Growth")
	e.Create(team)
	e.WaitReady(team)
	e.Sim.RemoveTeam("by-hand")
	e.WaitUntil("wait for a new id", func() bool {
		return e.Refresh(team) && team.Status.ID != "by-hand" && harness.Ready(team).Reason == v1alpha1.ReasonSynced
	})
	if got := e.TeamNamed("Growth"); got.ID != team.Status.ID || len(got.Members) != 2 || team.Status.Adopted {
		t.Errorf("team %+v, status %+v, want a whole new team that was not adopted", got, team.Status)
	}
	e.WaitEvent(team, "DriftDetected", "name")
	e.WaitEvent(team, "Created", "Growth")
	e.WantWrites(0, consolesim.CreateTeam)
	e.WantQuiet()
}

// TestVanishedTeamIsReported: with drift only reported nothing is made again.
func TestVanishedTeamIsReported(t *testing.T) {
	e := harness.Shared(t, harness.Options{Teams: []consolesim.Team{seeded("Growth")}, Connection: policy(v1alpha1.DriftReport)})
	team := adopting(e, "Growth")
	e.Create(team)
	e.WaitReady(team)
	e.Sim.RemoveTeam("by-hand")
	e.WaitMessage(team, v1alpha1.ReasonDriftDetected, "name")
	e.WantQuiet()
}

// TestObserve: nothing is changed, differences are told, and Enforce then
// writes them away.
func TestObserve(t *testing.T) {
	e := harness.Shared(t, harness.Options{Teams: []consolesim.Team{seeded("Growth")}})
	team := e.Team("growth", v1alpha1.TeamSpec{Name: "Growth", Description: ptr("Wanted"), Mode: v1alpha1.ModeObserve, AdoptionPolicy: v1alpha1.AdoptionAdopt})
	missing := e.Team("missing", v1alpha1.TeamSpec{Name: "Missing", Mode: v1alpha1.ModeObserve})
	role := e.UserRole(edsger, "Member", func(s *v1alpha1.UserRoleSpec) { s.Mode = v1alpha1.ModeObserve })
	e.Create(team, missing, role)
	e.WaitMessage(team, v1alpha1.ReasonDriftDetected, "description", "spec.mode is Observe")
	e.WaitReason(missing, v1alpha1.ReasonDriftDetected)
	e.WaitReason(role, v1alpha1.ReasonDriftDetected)
	for _, told := range []struct {
		got  []v1alpha1.FieldDiff
		want v1alpha1.FieldDiff
	}{
		{team.Status.Diff, v1alpha1.FieldDiff{Field: "description", Want: "Wanted", Have: "Made by hand"}},
		{missing.Status.Diff, v1alpha1.FieldDiff{Field: "name", Want: "Missing"}},
		{role.Status.Diff, v1alpha1.FieldDiff{Field: "role", Want: "Member", Have: "Read Only"}},
	} {
		if len(told.got) != 1 || told.got[0] != told.want {
			t.Errorf("diff %+v, want %+v", told.got, told.want)
		}
	}
	e.WantQuiet()
	e.WantWrites(0)

	changed := seeded("Growth")
	changed.Description = ptr("Wanted")
	e.Sim.PutTeam(changed)
	e.Sim.PutUser(consolesim.User{Email: edsger, Role: "Member"})
	e.WaitReady(team, role)
	harness.Update(e, missing, func(team *v1alpha1.Team) { team.Spec.Mode = v1alpha1.ModeEnforce })
	e.WaitReady(missing)
	e.WantWrites(0, consolesim.CreateTeam)
}

// TestSuspend: a suspended object is left alone, and goes on where it stopped.
func TestSuspend(t *testing.T) {
	e := harness.Shared(t, harness.Options{Teams: []consolesim.Team{seeded("Growth")}})
	team := adopting(e, "Growth")
	e.Create(team)
	e.WaitReady(team)
	harness.Update(e, team, func(team *v1alpha1.Team) { team.Spec.Suspend = true })
	e.WaitMessage(team, v1alpha1.ReasonSuspended, "spec.suspend")
	changed := seeded("Growth")
	changed.Description = ptr("Changed by hand")
	e.Sim.PutTeam(changed)
	e.WantQuiet()
	harness.Update(e, team, func(team *v1alpha1.Team) { team.Spec.Suspend = false })
	e.WaitReady(team)
	wantTeam(t, e.TeamNamed("Growth"), seeded("Growth"))
}

// TestTwoToolsFighting: who changes a field back over and over is noticed, and
// from then on corrected only once an interval, however often one looks.
func TestTwoToolsFighting(t *testing.T) {
	e := harness.Shared(t, harness.Options{Connection: hourly})
	role := e.UserRole(alan, "Member", func(s *v1alpha1.UserRoleSpec) { s.FirstName = ptr("Alan") })
	e.Create(role)
	e.WaitReady(role)
	first := len(e.Writes(0))
	looks := 0
	look := func() {
		looks++
		// Exactly what was just replaced would be taken for a read that lags.
		e.Sim.PutUser(consolesim.User{Email: alan, Role: "Read Only", FirstName: "Alan", LastName: fmt.Sprint(looks)})
		e.Annotate(role, v1alpha1.ReconcileRequestedAtAnnotation, fmt.Sprint(looks))
	}
	for i := range 4 {
		look()
		e.WaitUntil("wait for the correction", func() bool { return len(e.Writes(0)) == first+i+1 })
		e.WaitReady(role)
	}
	look()
	e.WaitMessage(role, v1alpha1.ReasonDriftDetected, "Somebody else keeps changing role in the console", "every 1h0m0s")
	if len(role.Status.Diff) != 1 || role.Status.Diff[0] != (v1alpha1.FieldDiff{Field: "role", Want: "Member", Have: "Read Only"}) {
		t.Errorf("diff %+v, want the role", role.Status.Diff)
	}
	look()
	e.WaitUntil("wait for the look", func() bool { return e.Refresh(role) && role.Status.LastHandledReconcileAt == fmt.Sprint(looks) })
	if n := len(e.Writes(0)); n != first+4 {
		e.Fatalf("%d corrections of a field that is fought over, want 4", n-first)
	}
	// A shorter interval has it corrected at once, and then that often.
	harness.Update(e, e.Connection, func(c *v1alpha1.ConsoleConnection) { c.Spec.Drift.Interval.Duration = harness.DriftInterval })
	e.WaitReady(role)
	e.WantRole(alan, "Member")
	e.WaitEvent(role, "Contested", "keeps changing role")
	if n := len(e.Writes(0)); n != first+5 {
		e.Fatalf("%d corrections, want one more", n-first)
	}
}

// TestDriftSettingsTakeEffectAtOnce: neither a new policy nor a new interval
// waits for the end of the old one.
func TestDriftSettingsTakeEffectAtOnce(t *testing.T) {
	e := harness.Shared(t, harness.Options{Teams: []consolesim.Team{seeded("Growth")}, Connection: func(c *v1alpha1.ConsoleConnectionSpec) {
		hourly(c)
		c.Drift.Policy = v1alpha1.DriftReport
	}})
	team := adopting(e, "Growth")
	e.Create(team)
	e.WaitReady(team, e.Connection)
	spoil := func() {
		changed := seeded("Growth")
		changed.Description = ptr("Changed by hand")
		e.Sim.PutTeam(changed)
	}
	set := func(change func(*v1alpha1.Drift)) {
		harness.Update(e, e.Connection, func(c *v1alpha1.ConsoleConnection) { change(&c.Spec.Drift) })
	}
	corrected := func() {
		t.Helper()
		e.WaitUntil("wait for the correction", func() bool { return equal(e.TeamNamed("Growth").Description, ptr("Made by hand")) })
		e.WaitReady(team)
	}
	spoil()
	e.Annotate(e.Connection, v1alpha1.ReconcileRequestedAtAnnotation, "1")
	e.WaitReason(team, v1alpha1.ReasonDriftDetected)
	mark := e.Mark()
	set(func(d *v1alpha1.Drift) { d.Policy = v1alpha1.DriftCorrect })
	corrected()
	if n := len(e.Since(mark, consolesim.ListTeams, consolesim.ListUsers)); n != 0 {
		t.Errorf("%d pages were read for what was known", n)
	}
	spoil()
	set(func(d *v1alpha1.Drift) { d.Interval.Duration = harness.DriftInterval })
	corrected()
	set(func(d *v1alpha1.Drift) { d.Policy, d.Interval.Duration = v1alpha1.DriftIgnore, time.Hour })
	e.Annotate(team, v1alpha1.ReconcileRequestedAtAnnotation, "2")
	e.WaitUntil("wait for the request to be acknowledged", func() bool { return e.Refresh(team) && team.Status.LastHandledReconcileAt == "2" })
	spoil()
	e.Annotate(e.Connection, v1alpha1.ReconcileRequestedAtAnnotation, "3")
	e.WaitUntil("wait for the listing", func() bool { return e.Refresh(e.Connection) && e.Connection.Status.LastHandledReconcileAt == "3" })
	e.WaitReady(team)
	set(func(d *v1alpha1.Drift) { d.Policy, d.Interval.Duration = v1alpha1.DriftCorrect, harness.DriftInterval })
	corrected()
	e.WantWrites(0, consolesim.UpdateTeam, consolesim.UpdateTeam, consolesim.UpdateTeam)
}

// TestDriftIsCounted: what is found and what is corrected, by kind.
func TestDriftIsCounted(t *testing.T) {
	e := harness.Own(t, harness.Options{Teams: []consolesim.Team{seeded("Growth")}})
	team, role := adopting(e, "Growth"), e.UserRole(alan, "Member")
	reported := e.UserRole(edsger, "Read Only", func(s *v1alpha1.UserRoleSpec) { s.Mode = v1alpha1.ModeObserve })
	e.Create(team, role, reported)
	e.WaitReady(team, role, reported)
	want := func(name string, counts map[string]float64) {
		t.Helper()
		e.Eventually("wait for "+name, func() error {
			if got := e.Operator.Values(t, name, "kind"); !maps.Equal(got, counts) {
				return fmt.Errorf("%v, want %v", got, counts)
			}
			return nil
		})
	}
	want("console_access_drift_detected_total", map[string]float64{"Team": 0, "UserRole": 0})
	e.Sim.RemoveTeam("by-hand")
	e.Sim.PutUser(consolesim.User{Email: alan, Role: "Admin"})
	e.Sim.PutUser(consolesim.User{Email: edsger, Role: "Admin"})
	e.WaitReason(reported, v1alpha1.ReasonDriftDetected)
	e.WaitUntil("wait for the corrections", func() bool { return len(e.Writes(0)) == 2 })
	e.WaitReady(team, role)
	want("console_access_drift_detected_total", map[string]float64{"Team": 1, "UserRole": 2})
	want("console_access_drift_corrected_total", map[string]float64{"Team": 1, "UserRole": 1})
	e.WantQuiet()
	want("console_access_drift_detected_total", map[string]float64{"Team": 1, "UserRole": 2})
}
