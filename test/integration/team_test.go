package integration

import (
	"slices"
	"testing"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/harness"
)

// TestManifestsBecomeTrue is the main job: what is applied is so in the console.
func TestManifestsBecomeTrue(t *testing.T) {
	e := harness.Shared(t, harness.Options{})
	e.Apply(`
apiVersion: console-access.dev/v1alpha1
kind: Team
metadata: {name: growth}
spec:
  connectionRef: {name: $CONNECTION}
  name: Growth
  description: Sign-up and pricing
  members: [alan@example.com, barbara@example.com]
  admins: [grace@example.com]
  defaultGateMetrics: [{name: dau, type: user}]
  changeTeamConfigs: team_only
  reviewApproval: admin_only
  defaultTargetApplications: [web]
  requireReviews: true
---
apiVersion: console-access.dev/v1alpha1
kind: UserRole
metadata: {name: edsger}
spec:
  connectionRef: {name: $CONNECTION}
  email: edsger@example.com
  role: Member
  firstName: Edsger W.
`)
	team, role := e.Team("growth", v1alpha1.TeamSpec{}), e.UserRole("edsger@example.com", "Member")
	e.WaitReady(team, role)

	got := e.TeamNamed("Growth")
	yes, about := true, "Sign-up and pricing"
	want := consolesim.Team{
		ID: got.ID, Name: "Growth", Description: &about,
		Members: []string{"alan@example.com", "barbara@example.com"}, Admins: []string{"grace@example.com"},
		DefaultGateMetrics: []consolesim.Metric{{Name: "dau", Type: "user"}},
		ChangeTeamConfigs:  "team_only", ReviewApproval: "admin_only",
		DefaultTargetApplications: []string{"web"}, RequireReviews: &yes,
	}
	wantTeam(t, got, want)
	if team.Status.ID != got.ID || team.Status.LastSyncTime == nil || team.Status.CreateIntent != nil {
		t.Errorf("status %+v, want the id %s, a time and no intent", team.Status, got.ID)
	}
	user, _ := e.Sim.User("edsger@example.com")
	if user.Role != "Member" || user.FirstName != "Edsger W." || user.LastName != "Dijkstra" {
		t.Errorf("user %+v, want Edsger W. Dijkstra, Member", user)
	}
	if role.Status.PreviousRole != "Read Only" || role.Status.UserID == "" {
		t.Errorf("status %+v, want the previous role and the user's id", role.Status)
	}
	e.WaitEvent(team, "Created", "Growth")
	e.WaitEvent(role, "Updated", `role from "Read Only" to "Member"`)
	if n := len(e.Writes(0)); n != 2 {
		e.Fatalf("%d writes, want one for each object", n)
	}
	e.WantQuiet()
}

// wantTeam compares two teams, taking an empty list for none.
func wantTeam(t *testing.T, got, want consolesim.Team) {
	t.Helper()
	same := slices.Equal(got.Members, want.Members) && slices.Equal(got.Admins, want.Admins) &&
		slices.Equal(got.DefaultGateMetrics, want.DefaultGateMetrics) &&
		slices.Equal(got.DefaultExperimentPrimaryMetrics, want.DefaultExperimentPrimaryMetrics) &&
		slices.Equal(got.DefaultExperimentSecondaryMetrics, want.DefaultExperimentSecondaryMetrics) &&
		slices.Equal(got.DefaultHoldoutMetrics, want.DefaultHoldoutMetrics) &&
		slices.Equal(got.DefaultTargetApplications, want.DefaultTargetApplications) &&
		got.ID == want.ID && got.Name == want.Name && equal(got.Description, want.Description) &&
		got.ChangeTeamConfigs == want.ChangeTeamConfigs && got.ReviewApproval == want.ReviewApproval &&
		equal(got.DefaultHoldoutID, want.DefaultHoldoutID) && equal(got.RequireReviews, want.RequireReviews)
	if !same {
		t.Errorf("the console has the team\n%+v\nwant\n%+v", got, want)
	}
}

func equal[T comparable](a, b *T) bool { return a == b || a != nil && b != nil && *a == *b }
