package consolesim_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/console-access/console-access-operator/internal/consolesim"
)

func TestValidation(t *testing.T) {
	tests := []struct {
		name, method, path, body string
		team                     map[string]any // instead of body
		status                   int
		message                  string // a part of it
	}{
		{"list users", "GET", "/console/v1/users", "", nil, 200, "User listed successfully."},
		{"limit zero", "GET", "/console/v1/users?limit=0", "", nil, 400, "limit must be a positive number"},
		{"limit text", "GET", "/console/v1/users?limit=ten", "", nil, 400, "limit must be a positive number"},
		{"page negative", "GET", teamsPath + "?page=-1", "", nil, 400, "page must be a positive number"},
		{"user", "GET", "/console/v1/users/ada@example.com", "", nil, 200, "User read successfully."},
		{"user escaped, other case", "GET", "/console/v1/users/ADA%40example.com", "", nil, 200, "read"},
		{"user missing", "GET", "/console/v1/users/nobody@example.com", "", nil, 404, "could not be found"},
		{"update user", "POST", "/console/v1/users/alan@example.com", `{"role":"Admin"}`, nil, 200, "updated"},
		{"update user, custom role", "POST", "/console/v1/users/alan@example.com", `{"role":"Analyst"}`, nil, 200, "updated"},
		{"update user, unknown role", "POST", "/console/v1/users/alan@example.com", `{"role":"admin"}`, nil, 400, `no role "admin"`},
		{"update user, wrong type", "POST", "/console/v1/users/alan@example.com", `{"firstName":1}`, nil, 400, "firstName must be a string"},
		{"update user, null", "POST", "/console/v1/users/alan@example.com", `{"lastName":null}`, nil, 400, "lastName must be a string"},
		{"update user, no object", "POST", "/console/v1/users/alan@example.com", `[]`, nil, 400, "JSON object"},
		{"update user, no body", "POST", "/console/v1/users/alan@example.com", "", nil, 400, "Content-Type"},
		{"update user missing", "POST", "/console/v1/users/nobody@example.com", `{}`, nil, 404, "could not be found"},
		{"invite", "POST", "/console/v1/users/invite", `{"role":"Member","emails":["new@example.com"]}`, nil, 200, "User(s) Invited successfully"},
		{"invite to team", "POST", "/console/v1/users/invite", `{"role":"Member","emails":["new@example.com"],"teams":["Compilers"]}`, nil, 200, "Invited"},
		{"invite without role", "POST", "/console/v1/users/invite", `{"emails":["new@example.com"]}`, nil, 400, "role is required"},
		{"invite nobody", "POST", "/console/v1/users/invite", `{"role":"Member","emails":[]}`, nil, 400, "emails must not be empty"},
		{"invite no address", "POST", "/console/v1/users/invite", `{"role":"Member","emails":["new"]}`, nil, 400, `"new" is not an email address`},
		{"invite other domain", "POST", "/console/v1/users/invite", `{"role":"Member","emails":["new@example.org"]}`, nil, 400, `"new@example.org" is not in your company`},
		{"invite unknown role", "POST", "/console/v1/users/invite", `{"role":"Boss","emails":["new@example.com"]}`, nil, 400, `no role "Boss"`},
		{"invite unknown team", "POST", "/console/v1/users/invite", `{"role":"Member","emails":["new@example.com"],"teams":["X"]}`, nil, 400, `no team "X"`},
		{"invite null address", "POST", "/console/v1/users/invite", `{"role":"Member","emails":[null]}`, nil, 400, "emails must be an array of strings"},
		{"list teams", "GET", teamsPath, "", nil, 200, "Teams listed successfully."},
		{"create team", "POST", teamsPath, "", map[string]any{"description": "d", "requireReviews": true}, 200, "Team created successfully."},
		{"create team, blank name", "POST", teamsPath, "", map[string]any{"name": " "}, 400, "name must not be empty"},
		{"create team, members no list", "POST", teamsPath, "", map[string]any{"members": "ada@example.com"}, 400, "members must be an array"},
		{"create team, member objects", "POST", teamsPath, "", map[string]any{"members": []any{map[string]string{"email": "a"}}}, 400, "members must be an array"},
		{"create team, metric half", "POST", teamsPath, "", map[string]any{"defaultGateMetrics": []any{map[string]string{"name": "m"}}}, 400, "defaultGateMetrics must be an array of metrics"},
		{"create team, enum", "POST", teamsPath, "", map[string]any{"changeTeamConfigs": "admin_only"}, 400, "changeTeamConfigs must be one of anyone, team_only"},
		{"create team, review enum", "POST", teamsPath, "", map[string]any{"reviewApproval": "admin_only"}, 200, "created"},
		{"create team, bool text", "POST", teamsPath, "", map[string]any{"requireReviews": "yes"}, 400, "requireReviews must be a boolean or null"},
		{"get team missing", "GET", teamsPath + "/none", "", nil, 404, "Team not found"},
		{"patch team missing", "PATCH", teamsPath + "/none", `{}`, nil, 404, "Team not found"},
		{"list roles", "GET", "/console/v1/roles", "", nil, 200, "Roles listed successfully."},
		{"get role", "GET", "/console/v1/roles/Analyst", "", nil, 200, "Role read successfully."},
		{"get role missing", "GET", "/console/v1/roles/Boss", "", nil, 404, "could not be found"},
		{"create role", "POST", "/console/v1/roles", `{"name":"Boss","permissions":{"create_teams":true}}`, nil, 201, "Role created successfully."},
		{"create role twice", "POST", "/console/v1/roles", `{"name":"Analyst","permissions":{}}`, nil, 400, "already exists"},
		{"create built-in role", "POST", "/console/v1/roles", `{"name":"admin","permissions":{}}`, nil, 400, "already exists"},
		{"create role, wrong permission", "POST", "/console/v1/roles", `{"name":"Boss","permissions":{"create_teams":1}}`, nil, 400, "permissions.create_teams must be a boolean"},
		{"create role without permissions", "POST", "/console/v1/roles", `{"name":"Boss"}`, nil, 400, "permissions is required"},
		{"update role", "PATCH", "/console/v1/roles/Analyst", `{"permissions":{"create_teams":true}}`, nil, 200, "Role updated successfully."},
		{"update role missing", "PATCH", "/console/v1/roles/Boss", `{"permissions":{}}`, nil, 404, "could not be found"},
		{"delete role", "DELETE", "/console/v1/roles/Analyst", "", nil, 200, "Role deleted successfully."},
		{"delete role missing", "DELETE", "/console/v1/roles/Boss", "", nil, 404, "could not be found"},
		{"role settings", "GET", "/console/v1/settings/roles", "", nil, 200, "Settings read successfully."},
		{"set role settings", "POST", "/console/v1/settings/roles", `{"default_project_role":"Read Only"}`, nil, 200, "Settings updated successfully."},
		{"set role settings, unknown", "POST", "/console/v1/settings/roles", `{"default_project_role":"Boss"}`, nil, 400, `no role "Boss"`},
		{"set role settings, missing", "POST", "/console/v1/settings/roles", `{}`, nil, 400, "default_project_role is required"},
		{"team settings", "GET", "/console/v1/settings/teams", "", nil, 200, "Settings read successfully."},
		{"set team settings", "POST", "/console/v1/settings/teams", `{"require_teams_on_configs":true}`, nil, 200, "Settings updated successfully."},
		{"set team settings, text", "POST", "/console/v1/settings/teams", `{"require_teams_on_configs":"true"}`, nil, 400, "must be a boolean"},
		{"unknown path", "GET", "/console/v1/gates", "", nil, 404, "Cannot GET /console/v1/gates"},
		{"unknown method", "DELETE", "/console/v1/users/ada@example.com", "", nil, 405, "Cannot DELETE /console/v1/users/ada@example.com"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, c := start(t, consolesim.Options{CompanyDomain: "example.com"})
			body := tt.body
			if tt.team != nil {
				body = teamBody(t, tt.team)
			}
			r := c.must(tt.status, tt.method, tt.path, body)
			message, _ := r.get("message").(string)
			if !strings.Contains(message, tt.message) {
				t.Errorf("message %q does not contain %q", message, tt.message)
			}
			if tt.status >= 400 {
				equal(t, "status in the body", r.get("status"), any(float64(tt.status)))
			}
		})
	}
}

func TestCreateTeamRequiresFields(t *testing.T) {
	sim, c := start(t, consolesim.Options{})
	for _, name := range []string{
		"name", "members", "admins", "defaultGateMetrics", "defaultExperimentPrimaryMetrics",
		"defaultExperimentSecondaryMetrics", "defaultHoldoutMetrics", "changeTeamConfigs", "reviewApproval",
		"defaultTargetApplications",
	} {
		r := c.must(http.StatusBadRequest, "POST", teamsPath, teamBody(t, map[string]any{name: nil}))
		equal(t, "message", r.get("message"), any("Invalid request. "+name+" is required."))
	}
	equal(t, "teams", len(sim.Teams()), 1)
}

func TestTeamIsReadAsItWasWritten(t *testing.T) {
	sim, c := start(t, consolesim.Options{})
	metric := map[string]any{"name": "signups", "type": "event_count_custom"}
	team := createTeam(t, sim, c, map[string]any{
		"description": "d", "admins": []string{"Grace@Example.com"}, "defaultGateMetrics": []any{metric},
		"defaultTargetApplications": []string{"web"}, "defaultHoldoutID": "h1", "requireGateTemplates": false,
		"requireReviews": true,
	})
	read := c.must(http.StatusOK, "GET", teamsPath+"/"+team.ID, "")
	alan := map[string]any{
		"userID": "user-00002", "email": "alan@example.com", "firstName": "Alan", "lastName": "Turing", "role": "Member",
	}
	grace := map[string]any{
		"userID": "user-00005", "email": "grace@example.com", "firstName": "Grace", "lastName": "Hopper", "role": "Admin",
	}
	equal(t, "team", read.get("data"), any(map[string]any{
		"id": team.ID, "name": "Storage", "description": "d", "members": []any{alan}, "admins": []any{grace},
		"defaultGateMetrics": []any{metric}, "defaultExperimentPrimaryMetrics": []any{},
		"defaultExperimentSecondaryMetrics": []any{}, "defaultHoldoutMetrics": []any{},
		"changeTeamConfigs": "anyone", "reviewApproval": "anyone", "defaultTargetApplications": []any{"web"},
		"defaultHoldoutID": "h1", "requireGateTemplates": false, "requireReviews": true,
	}))

	patched := c.must(http.StatusOK, "PATCH", teamsPath+"/"+team.ID,
		`{"name":"Disks","members":[],"requireReviews":null,"defaultHoldoutID":null,"id":"ignored"}`)
	equal(t, "members", patched.list("data", "members"), []any{})
	stored, _ := sim.Team(team.ID)
	equal(t, "stored", []any{stored.Name, stored.RequireReviews == nil, stored.DefaultHoldoutID == nil, *stored.Description},
		[]any{"Disks", true, true, "d"})

	c.must(http.StatusOK, "DELETE", teamsPath+"/"+team.ID, "")
	equal(t, "teams of that name", len(sim.TeamsNamed("Disks")), 0)
}

func TestLastAdminMayBeDemoted(t *testing.T) {
	sim, c := start(t, consolesim.Options{})
	for _, email := range []string{"ada@example.com", "grace@example.com"} {
		c.must(http.StatusOK, "POST", "/console/v1/users/"+email, `{"role":"Member","firstName":"X"}`)
		u, _ := sim.User(email)
		equal(t, "user", []string{u.Role, u.FirstName}, []string{"Member", "X"})
	}
}

// The Owner is somebody whom no call changes, nor makes.
func TestOwnerIsNotChanged(t *testing.T) {
	sim, c := start(t, consolesim.Options{})
	sim.PutUser(consolesim.User{Email: "ada@example.com", Role: consolesim.RoleOwner})
	c.must(http.StatusForbidden, "POST", onePath, `{"role":"Member"}`)
	c.must(http.StatusForbidden, "POST", onePath, `{"firstName":"A."}`)
	c.must(http.StatusBadRequest, "POST", "/console/v1/users/alan@example.com", `{"role":"Owner"}`)
	c.must(http.StatusBadRequest, "POST", "/console/v1/users/invite", `{"role":"Owner","emails":["new@example.com"]}`)
	c.must(http.StatusBadRequest, "POST", "/console/v1/roles", `{"name":"owner","permissions":{}}`)
	equal(t, "role", c.must(http.StatusOK, "GET", onePath, "").get("data", "role"), any("Owner"))
	if err := sim.Load(sim.Snapshot()); err != nil {
		t.Error(err)
	}
}

func TestRoleInUseStays(t *testing.T) {
	sim, c := start(t, consolesim.Options{})
	c.must(http.StatusOK, "POST", "/console/v1/users/alan@example.com", `{"role":"Analyst"}`)
	c.must(http.StatusBadRequest, "DELETE", "/console/v1/roles/Analyst", "")
	sim.RemoveUser("alan@example.com")
	c.must(http.StatusOK, "DELETE", "/console/v1/roles/Analyst", "")
	equal(t, "roles", len(sim.Snapshot().Roles), 0)
}

func TestRolePermissionsAreMerged(t *testing.T) {
	_, c := start(t, consolesim.Options{})
	r := c.must(http.StatusOK, "PATCH", "/console/v1/roles/Analyst", `{"permissions":{"create_teams":true,"unknown":1}}`)
	got, _ := r.get("data", "permissions").(map[string]any)
	equal(t, "number of permissions", len(got), len(consolesim.Permissions()))
	for name, want := range map[string]any{"create_teams": true, "use_metrics_explorer": true, "manage_alerts": false} {
		equal(t, name, got[name], want)
	}
}

func TestSettingsAreKept(t *testing.T) {
	_, c := start(t, consolesim.Options{})
	c.must(http.StatusOK, "POST", "/console/v1/settings/roles", `{"default_project_role":"Analyst"}`)
	c.must(http.StatusOK, "POST", "/console/v1/settings/teams", `{"require_teams_on_configs":true}`)
	roles := c.must(http.StatusOK, "GET", "/console/v1/settings/roles", "")
	teams := c.must(http.StatusOK, "GET", "/console/v1/settings/teams", "")
	equal(t, "role", roles.get("data", "default_project_role"), any("Analyst"))
	equal(t, "teams", teams.get("data", "require_teams_on_configs"), any(true))
}

func TestPagination(t *testing.T) {
	sim, c := start(t, consolesim.Options{})
	sim.Seed(20, 0, 0)
	tests := []struct {
		query      string
		items      int
		page, per  float64
		next, prev any
	}{
		{"", 25, 1, 100, nil, nil},
		{"?limit=10", 10, 1, 10, "/console/v1/users?page=2&limit=10", nil},
		{"?limit=10&page=2", 10, 2, 10, "/console/v1/users?page=3&limit=10", "/console/v1/users?page=1&limit=10"},
		{"?limit=10&page=3", 5, 3, 10, nil, "/console/v1/users?page=2&limit=10"},
		{"?limit=25", 25, 1, 25, nil, nil},
		{"?limit=10&page=9", 0, 9, 10, nil, "/console/v1/users?page=8&limit=10"},
		{"?limit=9223372036854775807&page=2", 0, 2, 9223372036854775807, nil, "/console/v1/users?page=1&limit=9223372036854775807"},
	}
	for _, tt := range tests {
		r := c.must(http.StatusOK, "GET", "/console/v1/users"+tt.query, "")
		equal(t, tt.query+" items", len(r.list("data")), tt.items)
		equal(t, tt.query, r.get("pagination"), any(map[string]any{
			"itemsPerPage": tt.per, "pageNumber": tt.page, "totalItems": float64(25), "all": "/console/v1/users",
			"nextPage": tt.next, "previousPage": tt.prev,
		}))
	}
}
