package integration

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/harness"
)

const (
	ada     = "ada@example.com"     // Admin
	alan    = "alan@example.com"    // Member
	barbara = "barbara@example.com" // Member
	edsger  = "edsger@example.com"  // Read Only
	grace   = "grace@example.com"   // Admin
)

func emails(list ...string) []v1alpha1.EmailAddress {
	out := make([]v1alpha1.EmailAddress, len(list))
	for i, email := range list {
		out[i] = v1alpha1.EmailAddress(email)
	}
	return out
}

func ptr[T any](v T) *T { return &v }

// seeded is a team that is in the console before any object.
func seeded(name string) consolesim.Team {
	return consolesim.Team{
		ID: "by-hand", Name: name, Description: ptr("Made by hand"),
		Members: []string{alan, barbara}, Admins: []string{grace},
		DefaultGateMetrics: []consolesim.Metric{{Name: "dau", Type: "user"}},
		ChangeTeamConfigs:  "team_only", ReviewApproval: "team_only",
		DefaultTargetApplications: []string{"web"}, DefaultHoldoutID: ptr("holdout-1"), RequireReviews: ptr(true),
	}
}

// adopting is a Team that takes the seeded one over and finds nothing to change.
func adopting(e *harness.Env, name string, change ...func(*v1alpha1.TeamSpec)) *v1alpha1.Team {
	team := e.Team("adopting", v1alpha1.TeamSpec{
		Name: name, Members: emails(alan, barbara), Admins: emails(grace), Description: ptr("Made by hand"),
		AdoptionPolicy: v1alpha1.AdoptionAdopt,
	})
	for _, f := range change {
		f(&team.Spec)
	}
	return team
}

// TestEachEditIsOneWrite edits every managed field, one after the other.
func TestEachEditIsOneWrite(t *testing.T) {
	e := harness.Shared(t, harness.Options{})
	team := e.Team("growth", v1alpha1.TeamSpec{Name: "Growth", Members: emails(alan), Admins: emails(grace)})
	e.Create(team)
	e.WaitReady(team)
	want := e.TeamNamed("Growth")
	metrics := []v1alpha1.Metric{{Name: "sign_ups", Type: "event_count"}}
	simMetrics := []consolesim.Metric{{Name: "sign_ups", Type: "event_count"}}
	edits := []struct {
		name   string
		spec   func(*v1alpha1.TeamSpec)
		result func(*consolesim.Team)
	}{
		{"description", func(s *v1alpha1.TeamSpec) { s.Description = ptr("New") }, func(t *consolesim.Team) { t.Description = ptr("New") }},
		{"member added", func(s *v1alpha1.TeamSpec) { s.Members = emails(alan, barbara) }, func(t *consolesim.Team) { t.Members = []string{alan, barbara} }},
		{"member removed", func(s *v1alpha1.TeamSpec) { s.Members = emails(barbara) }, func(t *consolesim.Team) { t.Members = []string{barbara} }},
		{"admins", func(s *v1alpha1.TeamSpec) { s.Admins = emails(ada) }, func(t *consolesim.Team) { t.Admins = []string{ada} }},
		{"no members", func(s *v1alpha1.TeamSpec) { s.Members = emails() }, func(t *consolesim.Team) { t.Members = nil }},
		{"gate metrics", func(s *v1alpha1.TeamSpec) { s.DefaultGateMetrics = metrics }, func(t *consolesim.Team) { t.DefaultGateMetrics = simMetrics }},
		{"primary metrics", func(s *v1alpha1.TeamSpec) { s.DefaultExperimentPrimaryMetrics = metrics }, func(t *consolesim.Team) { t.DefaultExperimentPrimaryMetrics = simMetrics }},
		{"secondary metrics", func(s *v1alpha1.TeamSpec) { s.DefaultExperimentSecondaryMetrics = metrics }, func(t *consolesim.Team) { t.DefaultExperimentSecondaryMetrics = simMetrics }},
		{"holdout metrics", func(s *v1alpha1.TeamSpec) { s.DefaultHoldoutMetrics = metrics }, func(t *consolesim.Team) { t.DefaultHoldoutMetrics = simMetrics }},
		{"no gate metrics", func(s *v1alpha1.TeamSpec) { s.DefaultGateMetrics = []v1alpha1.Metric{} }, func(t *consolesim.Team) { t.DefaultGateMetrics = nil }},
		{"changes", func(s *v1alpha1.TeamSpec) { s.ChangeTeamConfigs = "team_only" }, func(t *consolesim.Team) { t.ChangeTeamConfigs = "team_only" }},
		{"approval", func(s *v1alpha1.TeamSpec) { s.ReviewApproval = "admin_only" }, func(t *consolesim.Team) { t.ReviewApproval = "admin_only" }},
		{"applications", func(s *v1alpha1.TeamSpec) { s.DefaultTargetApplications = []string{"web", "ios"} }, func(t *consolesim.Team) { t.DefaultTargetApplications = []string{"web", "ios"} }},
		{"holdout", func(s *v1alpha1.TeamSpec) { s.DefaultHoldoutID = ptr("h1") }, func(t *consolesim.Team) { t.DefaultHoldoutID = ptr("h1") }},
		{"reviews", func(s *v1alpha1.TeamSpec) { s.RequireReviews = ptr(true) }, func(t *consolesim.Team) { t.RequireReviews = ptr(true) }},
		{"name", func(s *v1alpha1.TeamSpec) { s.Name = "Growth & Co" }, func(t *consolesim.Team) { t.Name = "Growth & Co" }},
	}
	for _, edit := range edits {
		mark := e.Mark()
		harness.Update(e, team, func(team *v1alpha1.Team) { edit.spec(&team.Spec) })
		e.WaitReady(team)
		edit.result(&want)
		if len(e.Sim.Teams()) != 1 {
			e.Fatalf("%s: the console has %d teams, want 1", edit.name, len(e.Sim.Teams()))
		}
		wantTeam(t, e.Sim.Teams()[0], want)
		if n := len(e.Writes(mark)); n != 1 || t.Failed() {
			e.Fatalf("%s: %d writes, want 1", edit.name, n)
		}
	}
	e.WaitEvent(team, "Updated", `name from "Growth" to "Growth & Co"`)
	e.WantQuiet()
}

// TestUnmanagedFieldsAreKept: what the spec does not set stays as it is in the
// console, whatever that does with fields left out, and is not compared.
func TestUnmanagedFieldsAreKept(t *testing.T) {
	for _, omitted := range []string{consolesim.OmittedKeep, consolesim.OmittedReset} {
		t.Run(omitted, func(t *testing.T) {
			e := harness.Shared(t, harness.Options{
				Teams:    []consolesim.Team{seeded("Growth")},
				Behavior: func(b *consolesim.Behavior) { b.PatchOmitted = omitted },
			})
			team := e.Team("growth", v1alpha1.TeamSpec{Name: "Growth", Members: emails(alan, edsger), AdoptionPolicy: v1alpha1.AdoptionAdopt})
			e.Create(team)
			e.WaitReady(team)
			want := seeded("Growth")
			want.Members = []string{alan, edsger}
			wantTeam(t, e.TeamNamed("Growth"), want)

			mark := e.Mark()
			want.Description, want.Admins = ptr("Changed by hand"), []string{ada}
			e.Sim.PutTeam(want)
			e.Compared(2)
			e.WantWrites(mark)
			wantTeam(t, e.TeamNamed("Growth"), want)
		})
	}
}

// TestQuickEditsCollapse: of edits made while a write is under way only the
// last is written.
func TestQuickEditsCollapse(t *testing.T) {
	e := harness.Shared(t, harness.Options{})
	team := e.Team("growth", v1alpha1.TeamSpec{Name: "Growth"})
	e.Create(team)
	e.WaitReady(team)
	mark := e.Mark()
	write := e.Hold(http.MethodPatch, "/console/v1/users/teams/")
	edit := func(n int) {
		harness.Update(e, team, func(team *v1alpha1.Team) { team.Spec.Description = ptr(fmt.Sprint("Edit ", n)) })
	}
	edit(0)
	write.Wait(e)
	for n := range 10 {
		edit(n + 1)
	}
	write.Release()
	e.WaitReady(team)
	e.WantWrites(mark, consolesim.UpdateTeam, consolesim.UpdateTeam)
	if got := e.TeamNamed("Growth").Description; !equal(got, ptr("Edit 10")) {
		e.Fatalf("the description is %q, want the last", *got)
	}
}

// TestRenameKeepsTheTeam: a name is changed by id, also when the object is
// renamed to a name that another team gives up.
func TestRenameKeepsTheTeam(t *testing.T) {
	e := harness.Shared(t, harness.Options{})
	first := e.Team("first", v1alpha1.TeamSpec{Name: "One"})
	second := e.Team("second", v1alpha1.TeamSpec{Name: "Two"})
	e.Create(first, second)
	e.WaitReady(first, second)
	ids := map[string]string{first.Name: first.Status.ID, second.Name: second.Status.ID}
	harness.Update(e, second, func(team *v1alpha1.Team) { team.Spec.Name = "One" })
	e.WaitMessage(second, v1alpha1.ReasonNameTaken, e.Namespace+"/first", `"One"`)
	harness.Update(e, first, func(team *v1alpha1.Team) { team.Spec.Name = "Three" })
	e.WaitReady(first, second)
	if e.TeamNamed("Three").ID != ids["first"] || e.TeamNamed("One").ID != ids["second"] {
		t.Errorf("teams %+v, want the ids %v kept", e.Sim.Teams(), ids)
	}
	if n := len(e.Since(0, consolesim.CreateTeam)); n != 2 {
		t.Errorf("%d teams were created, want 2", n)
	}
}

// TestUnknownMember: a person who is not in the project yet is named, all else
// is applied, and it heals when they appear.
func TestUnknownMember(t *testing.T) {
	for _, position := range []string{consolesim.UnknownRefuse, consolesim.UnknownDrop, consolesim.UnknownInvite} {
		t.Run(position, func(t *testing.T) {
			e := harness.Shared(t, harness.Options{Behavior: func(b *consolesim.Behavior) { b.UnknownMember = position }})
			team := e.Team("growth", v1alpha1.TeamSpec{
				Name: "Growth", Description: ptr("Applied all the same"),
				Members: emails("zoe@example.com", alan), Admins: emails("New.Hire@example.com", grace),
			})
			e.Create(team)
			e.WaitMessage(team, v1alpha1.ReasonUserNotFound, "new.hire@example.com, zoe@example.com")
			got := e.TeamNamed("Growth")
			if !slices.Equal(got.Members, []string{alan}) || !slices.Equal(got.Admins, []string{grace}) || !equal(got.Description, team.Spec.Description) {
				t.Errorf("team %+v, want all but the unknown people", got)
			}
			e.WantQuiet()
			e.Sim.PutUser(consolesim.User{Email: "zoe@example.com"})
			e.WaitUntil("wait for the second member", func() bool { return len(e.TeamNamed("Growth").Members) == 2 })
			e.WaitMessage(team, v1alpha1.ReasonUserNotFound, "project: new.hire@example.com.")
			e.Sim.PutUser(consolesim.User{Email: "new.hire@example.com"})
			e.WaitReady(team)
			if got := e.TeamNamed("Growth"); len(got.Members) != 2 || len(got.Admins) != 2 {
				t.Errorf("team %+v, want everybody", got)
			}
			e.WantWrites(0, consolesim.CreateTeam, consolesim.UpdateTeam, consolesim.UpdateTeam)
		})
	}
}
