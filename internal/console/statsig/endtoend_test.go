package statsig

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/consolesim"
)

func TestUsersEndToEnd(t *testing.T) {
	sim, c := simulate(t)
	sim.PutUser(consolesim.User{UserID: "u1", Email: "Ada@example.com", FirstName: "Ada", Role: "Admin"})
	want := console.User{ID: "u1", Email: "Ada@example.com", FirstName: "Ada", Role: "Admin"}
	if got, err := c.GetUser(t.Context(), byAnyone, "Ada@example.com"); err != nil || got != want {
		t.Errorf("get: %+v, %v; want %+v", got, err, want)
	}
	want.Role, want.LastName = "Read Only", "L"
	got, err := c.UpdateUser(t.Context(), byAnyone, "Ada@example.com", console.UserChange{Role: new("Read Only"), LastName: new("L")})
	if err != nil || got != want {
		t.Errorf("update: %+v, %v; want %+v", got, err, want)
	}
	if _, err := c.UpdateUser(t.Context(), byAnyone, "Ada@example.com", console.UserChange{}); console.ClassOf(err) != console.Invalid {
		t.Errorf("update of nothing: %v", err)
	}
	if _, err := c.UpdateUser(t.Context(), byAnyone, "Ada@example.com", console.UserChange{Role: new("Owner")}); console.ClassOf(err) != console.Invalid {
		t.Errorf("update to a role that does not exist: %v", err)
	}
	if _, err := c.GetUser(t.Context(), byAnyone, "eve@example.com"); console.ClassOf(err) != console.NotFound {
		t.Errorf("get of nobody: %v", err)
	}
	if err := c.Invite(t.Context(), byAnyone, console.Invitation{Role: "Member", Emails: []string{"bob@example.com"}}); err != nil {
		t.Errorf("invite: %v", err)
	}
	if got := sim.Invites(); !slices.Equal(got, []consolesim.Invite{{Email: "bob@example.com", Role: "Member"}}) {
		t.Errorf("invited %+v", got)
	}
	if err := c.Invite(t.Context(), byAnyone, console.Invitation{Role: "Member"}); console.ClassOf(err) != console.Invalid {
		t.Errorf("invite nobody: %v", err)
	}
	sim.AcceptInvite("bob@example.com")
	l, err := c.ListUsers(t.Context(), byAnyone)
	if err != nil || !l.Complete || len(l.Items) != 2 || l.Items[0] != want {
		t.Errorf("list: %+v, %v", l, err)
	}
	sim.RevokeKey(canary)
	if _, err := c.ListUsers(t.Context(), byAnyone); console.ClassOf(err) != console.Unauthorized || leaks(err) {
		t.Errorf("list with a revoked key: %v", err)
	}
	sim.AddReadOnlyKey(canary)
	if err := write(t, c); console.ClassOf(err) != console.Forbidden {
		t.Errorf("write with a read-only key: %v", err)
	}
}

// wholeTeam has every field set.
func wholeTeam() console.Team {
	return console.Team{
		Name: "Analysts", Description: "numbers <&> more",
		Members: []string{"ada@example.com"}, Admins: []string{"bob@example.com"}, MembersKnown: true,
		DefaultGateMetrics:                []console.Metric{{Name: "dau", Type: "user"}},
		DefaultExperimentPrimaryMetrics:   []console.Metric{{Name: "wau", Type: "user"}},
		DefaultExperimentSecondaryMetrics: []console.Metric{{Name: "mau", Type: "user"}},
		DefaultHoldoutMetrics:             []console.Metric{{Name: "clicks", Type: "event_count"}},
		ChangeTeamConfigs:                 "team_only", ReviewApproval: "admin_only",
		DefaultTargetApplications: []string{"web", "ios"}, DefaultHoldoutID: new("h1"),
		RequireReviews: new(true), RequireGateTemplates: new(false),
		RequireExperimentTemplates: new(true), RequireDynamicConfigTemplates: new(false),
	}
}

func TestTeamsEndToEnd(t *testing.T) {
	sim, c := simulate(t)
	sim.PutUser(consolesim.User{Email: "ada@example.com"})
	sim.PutUser(consolesim.User{Email: "bob@example.com"})
	want := wholeTeam()
	created, err := c.CreateTeam(t.Context(), byAnyone, want)
	if err != nil || created.ID == "" {
		t.Fatalf("create: %+v, %v", created, err)
	}
	want.ID = created.ID
	if !reflect.DeepEqual(created, want) {
		t.Errorf("created %+v, want %+v", created, want)
	}
	if got, err := c.GetTeam(t.Context(), byAnyone, want.ID); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("get: %+v, %v; want %+v", got, err, want)
	}
	if l, err := c.ListTeams(t.Context(), byAnyone); err != nil || !l.Complete || !reflect.DeepEqual(l.Items, []console.Team{want}) {
		t.Errorf("list: %+v, %v", l, err)
	}
	if _, err := c.CreateTeam(t.Context(), byAnyone, want); console.ClassOf(err) != console.Invalid {
		t.Errorf("create of a taken name: %v", err)
	}
	want.Name, want.Description, want.Members = "Numbers", "", []string{}
	if got, err := c.UpdateTeam(t.Context(), byAnyone, want.ID, want); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("update: %+v, %v; want %+v", got, err, want)
	}
	if held, _ := sim.Team(want.ID); held.Description == nil || *held.Description != "" || len(held.Members) != 0 {
		t.Errorf("the console holds %+v", held)
	}
	if err := c.DeleteTeam(t.Context(), byAnyone, want.ID); err != nil || len(sim.Teams()) != 0 {
		t.Errorf("delete: %v; left %+v", err, sim.Teams())
	}
	if err := c.DeleteTeam(t.Context(), byAnyone, want.ID); console.ClassOf(err) != console.NotFound {
		t.Errorf("delete again: %v", err)
	}
	if _, err := c.GetTeam(t.Context(), byAnyone, want.ID); console.ClassOf(err) != console.NotFound {
		t.Errorf("get of a team that is gone: %v", err)
	}
	if _, err := c.UpdateTeam(t.Context(), byAnyone, want.ID, want); console.ClassOf(err) != console.NotFound {
		t.Errorf("update of a team that is gone: %v", err)
	}
}

func TestTeamsAsTheDocumentationLeavesOpen(t *testing.T) {
	sim, c := simulate(t)
	err := sim.SetBehavior(func(b *consolesim.Behavior) {
		b.ListTeamsWithMembers, b.CreateReturnsID, b.ListReturnsID = false, false, false
		b.MissingDelete, b.MissingGet = 200, 400
	})
	if err != nil {
		t.Fatal(err)
	}
	team := sim.PutTeam(consolesim.Team{Name: "A", Members: []string{"ada@example.com"}})
	l, err := c.ListTeams(t.Context(), byAnyone)
	if err != nil || len(l.Items) != 1 || l.Items[0].MembersKnown || l.Items[0].ID != "" || !l.Complete {
		t.Errorf("list: %+v, %v", l, err)
	}
	got, err := c.GetTeam(t.Context(), byAnyone, team.ID)
	if err != nil || !got.MembersKnown || !slices.Equal(got.Members, team.Members) || got.Admins == nil {
		t.Errorf("get: %+v, %v", got, err)
	}
	if created, err := c.CreateTeam(t.Context(), byAnyone, console.Team{Name: "B", ChangeTeamConfigs: "anyone", ReviewApproval: "anyone"}); err != nil || created.ID != "" {
		t.Errorf("create: %+v, %v", created, err)
	}
	if _, err := c.GetTeam(t.Context(), byAnyone, "gone"); console.ClassOf(err) != console.Invalid {
		t.Errorf("get of a missing team: %v", err)
	}
	if err := c.DeleteTeam(t.Context(), byAnyone, "gone"); err != nil {
		t.Errorf("delete of a missing team: %v", err)
	}
}

func TestTeamsAreWrittenWhole(t *testing.T) {
	sim, c := simulate(t)
	bare := console.Team{Name: "A", ChangeTeamConfigs: "anyone", ReviewApproval: "anyone"}
	if _, err := c.CreateTeam(t.Context(), byAnyone, bare); err != nil {
		t.Fatal(err)
	}
	id := sim.Teams()[0].ID
	sent := sim.Counters().Total
	if _, err := c.UpdateTeam(t.Context(), byAnyone, id, bare); console.ClassOf(err) != console.Invalid || sim.Counters().Total != sent {
		t.Errorf("update with unknown members: %v", err)
	}
	bare.MembersKnown = true
	if _, err := c.UpdateTeam(t.Context(), byAnyone, id, bare); err != nil {
		t.Fatal(err)
	}
	full := wholeTeam()
	full.Members, full.Admins = nil, nil
	if _, err := c.UpdateTeam(t.Context(), byAnyone, id, full); err != nil {
		t.Fatal(err)
	}
	required := []string{
		"admins", "changeTeamConfigs", "defaultExperimentPrimaryMetrics", "defaultExperimentSecondaryMetrics", "defaultGateMetrics",
		"defaultHoldoutMetrics", "defaultTargetApplications", "members", "name", "reviewApproval",
	}
	update := append([]string{"description"}, required...)
	every := append([]string{
		"defaultHoldoutID", "requireDynamicConfigTemplates", "requireExperimentTemplates", "requireGateTemplates", "requireReviews",
	}, update...)
	for i, want := range [][]string{required, update, every} {
		body := sim.Requests()[i].Body
		var fields map[string]any
		if err := json.Unmarshal([]byte(body), &fields); err != nil {
			t.Fatal(err)
		}
		if got := slices.Sorted(maps.Keys(fields)); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			t.Errorf("request %d sent %q, want %q", i+1, got, want)
		}
		for name, value := range fields {
			if value == nil {
				t.Errorf("request %d sent %s as null", i+1, name)
			}
		}
	}
}

func TestRolesEndToEnd(t *testing.T) {
	_, c := simulate(t)
	created, err := c.CreateRole(t.Context(), byAnyone, "On Call/1", Permissions{"create_teams": true})
	if err != nil || created.Name != "On Call/1" || !created.Permissions["create_teams"] || created.Permissions["local_metrics"] {
		t.Fatalf("create: %+v, %v", created, err)
	}
	if _, err := c.CreateRole(t.Context(), byAnyone, "Empty", nil); err != nil {
		t.Errorf("create without permissions: %v", err)
	}
	updated, err := c.UpdateRole(t.Context(), byAnyone, "On Call/1", Permissions{"local_metrics": true})
	if err != nil || !updated.Permissions["local_metrics"] {
		t.Errorf("update: %+v, %v", updated, err)
	}
	got, err := c.GetRole(t.Context(), byAnyone, "On Call/1")
	if err != nil || !reflect.DeepEqual(got, updated) || got.ID != "On Call/1" {
		t.Errorf("get: %+v, %v; want %+v", got, err, updated)
	}
	l, err := c.ListRoles(t.Context(), byAnyone)
	if err != nil || !l.Complete || len(l.Items) != 2 {
		t.Errorf("list: %+v, %v", l, err)
	}
	if err := c.DeleteRole(t.Context(), byAnyone, "On Call/1"); err != nil {
		t.Errorf("delete: %v", err)
	}
	if _, err := c.GetRole(t.Context(), byAnyone, "On Call/1"); console.ClassOf(err) != console.NotFound {
		t.Errorf("get of a role that is gone: %v", err)
	}
	for _, id := range []string{"", ".."} {
		if err := c.DeleteRole(t.Context(), byAnyone, id); console.ClassOf(err) != console.Invalid {
			t.Errorf("delete %q: %v", id, err)
		}
	}
}

func TestSettingsEndToEnd(t *testing.T) {
	sim, c := simulate(t)
	roles, err := c.UpdateRoleSettings(t.Context(), byAnyone, RoleSettings{DefaultProjectRole: "Read Only"})
	if err != nil || roles.DefaultProjectRole != "Read Only" {
		t.Errorf("update role settings: %+v, %v", roles, err)
	}
	if got, err := c.GetRoleSettings(t.Context(), byAnyone); err != nil || got != roles {
		t.Errorf("get role settings: %+v, %v", got, err)
	}
	teams, err := c.UpdateTeamSettings(t.Context(), byAnyone, TeamSettings{RequireTeamsOnConfigs: true})
	if err != nil || !teams.RequireTeamsOnConfigs {
		t.Errorf("update team settings: %+v, %v", teams, err)
	}
	if got, err := c.GetTeamSettings(t.Context(), byAnyone); err != nil || got != teams {
		t.Errorf("get team settings: %+v, %v", got, err)
	}
	sim.Inject(consolesim.Fault{Effect: consolesim.EffectNotJSON, Body: `{"data":{}}`})
	if s, err := c.GetRoleSettings(t.Context(), byAnyone); console.ClassOf(err) != console.Unavailable {
		t.Errorf("role settings without their value: %+v, %v", s, err)
	}
	if s, err := c.GetTeamSettings(t.Context(), byAnyone); console.ClassOf(err) != console.Unavailable {
		t.Errorf("team settings without their value: %+v, %v", s, err)
	}
}
