package consolesim_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/console-access/console-access-operator/internal/consolesim"
)

// TestSwitches shows every position of the switches that change one answer.
func TestSwitches(t *testing.T) {
	const compilers = teamsPath + "/team-00006"
	user := func(t *testing.T, c *client, field string) any {
		return c.must(http.StatusOK, "GET", onePath, "").get("data", field)
	}
	role := func(t *testing.T, _ *consolesim.Server, c *client) any {
		c.must(http.StatusOK, "POST", onePath, `{"role":"Read Only"}`)
		return user(t, c, "role")
	}
	custom := func(t *testing.T, _ *consolesim.Server, c *client) any {
		c.must(http.StatusOK, "POST", onePath, `{"role":"Analyst"}`)
		return user(t, c, "role")
	}
	listed := func(field string) func(*testing.T, *consolesim.Server, *client) any {
		return func(t *testing.T, _ *consolesim.Server, c *client) any {
			team, _ := c.must(http.StatusOK, "GET", teamsPath, "").list("data")[0].(map[string]any)
			_, ok := team[field]
			return ok
		}
	}
	createdID := func(t *testing.T, _ *consolesim.Server, c *client) any {
		return c.must(http.StatusOK, "POST", teamsPath, teamBody(t, nil)).get("data", "id") != nil
	}
	status := func(method, path, body string) func(*testing.T, *consolesim.Server, *client) any {
		return func(_ *testing.T, _ *consolesim.Server, c *client) any { return c.do(method, path, body).status }
	}
	duplicate := func(t *testing.T, _ *consolesim.Server, c *client) any {
		return c.do("POST", teamsPath, teamBody(t, map[string]any{"name": "Compilers"})).status
	}
	rename := func(t *testing.T, sim *consolesim.Server, c *client) any {
		sim.PutTeam(consolesim.Team{ID: "other", Name: "Other"})
		return c.do("PATCH", teamsPath+"/other", `{"name":"Compilers"}`).status
	}
	omitted := func(t *testing.T, sim *consolesim.Server, c *client) any {
		c.must(http.StatusOK, "PATCH", compilers, `{"admins":[]}`)
		team, _ := sim.Team("team-00006")
		return []any{team.Name, len(team.Members), team.Description != nil, team.ChangeTeamConfigs}
	}
	email := func(t *testing.T, sim *consolesim.Server, c *client) any {
		sim.PutUser(consolesim.User{Email: "Ada@Example.com"})
		return user(t, c, "email")
	}
	members := func(t *testing.T, _ *consolesim.Server, c *client) any {
		r := c.must(http.StatusOK, "PATCH", compilers,
			`{"members":["alan@example.com","grace@example.com"],"admins":["grace@example.com","ada@example.com"]}`)
		return strings.Join(each(r.list("data", "members"), "firstName"), " ")
	}
	order := func(t *testing.T, _ *consolesim.Server, c *client) any {
		r := c.must(http.StatusOK, "PATCH", compilers, `{"defaultTargetApplications":["a","b"],
			"admins":["ada@example.com","alan@example.com"],
			"defaultGateMetrics":[{"name":"m","type":"t"},{"name":"n","type":"t"}]}`)
		return []any{r.list("data", "defaultTargetApplications"), each(r.list("data", "admins"), "firstName"),
			each(r.list("data", "defaultGateMetrics"), "name")}
	}
	repeated := func(t *testing.T, _ *consolesim.Server, c *client) any {
		r := c.must(http.StatusOK, "PATCH", compilers, `{"defaultTargetApplications":["a","b","a"],
			"members":["ada@example.com","ADA@example.com"],
			"defaultGateMetrics":[{"name":"m","type":"t"},{"name":"m","type":"u"},{"name":"m","type":"t"}]}`)
		return []int{len(r.list("data", "defaultTargetApplications")), len(r.list("data", "members")),
			len(r.list("data", "defaultGateMetrics"))}
	}
	stranger := func(t *testing.T, sim *consolesim.Server, c *client) any {
		r := c.do("PATCH", compilers, `{"members":["new@example.com","ada@example.com"]}`)
		return []any{r.status, each(r.list("data", "members"), "email"), len(sim.Invites()),
			strings.Contains(r.text, "new@example.com is not a user")}
	}
	refusal := func(_ *testing.T, _ *consolesim.Server, c *client) any {
		r := c.do("PATCH", compilers, `{"members":["ada@example.com","new@example.com"]}`)
		errors := r.list("errors")
		if len(errors) == 0 {
			return r.get("message")
		}
		detail, _ := errors[0].(map[string]any)
		return []any{r.get("message"), detail["property"], detail["errorMessage"]}
	}
	refused := func(method, path, body string) func(*testing.T, *consolesim.Server, *client) any {
		return func(_ *testing.T, _ *consolesim.Server, c *client) any {
			r := c.do(method, path, body)
			return []any{r.status, r.get("message")}
		}
	}
	inviteTwice := func(t *testing.T, _ *consolesim.Server, c *client) any {
		const body = `{"role":"Member","emails":["new@example.com"]}`
		c.must(http.StatusOK, "POST", "/console/v1/users/invite", body)
		return c.do("POST", "/console/v1/users/invite", body).status
	}
	pageSize := func(t *testing.T, _ *consolesim.Server, c *client) any {
		r := c.must(http.StatusOK, "GET", "/console/v1/users?limit=4", "")
		return []any{len(r.list("data")), r.get("pagination", "nextPage")}
	}
	totals := func(t *testing.T, _ *consolesim.Server, c *client) any {
		r := c.must(http.StatusOK, "GET", "/console/v1/users", "")
		return []any{r.get("pagination", "totalItems") != nil, r.get("pagination", "all") != nil}
	}
	userID := func(t *testing.T, _ *consolesim.Server, c *client) any { return user(t, c, "userID") != nil }
	invited := func(t *testing.T, sim *consolesim.Server, c *client) any {
		c.must(http.StatusOK, "POST", "/console/v1/users/invite", `{"role":"Read Only","emails":["new@example.com"]}`)
		return []any{c.do("GET", "/console/v1/users/new@example.com", "").status, len(sim.Invites())}
	}

	tests := []struct {
		name, value string // of the switch; no value: as it is by default
		probe       func(*testing.T, *consolesim.Server, *client) any
		want        any
	}{
		{"listTeamsWithMembers", "", listed("members"), true},
		{"listTeamsWithMembers", "false", listed("members"), false},
		{"listTeamsWithMembers", "false", listed("admins"), false},
		{"listTeamsWithMembers", "false", listed("defaultGateMetrics"), true},
		{"createReturnsID", "", createdID, true},
		{"createReturnsID", "false", createdID, false},
		{"listReturnsID", "", listed("id"), true},
		{"listReturnsID", "false", listed("id"), false},
		{"duplicateTeamNames", "", duplicate, 400},
		{"duplicateTeamNames", "allow", duplicate, 200},
		{"duplicateTeamNames", "", rename, 400},
		{"duplicateTeamNames", "allow", rename, 200},
		{"patchOmitted", "", omitted, []any{"Compilers", 2, true, "team_only"}},
		{"patchOmitted", "reset", omitted, []any{"Compilers", 0, false, "anyone"}},
		{"roleSpelling", "", role, "Read Only"},
		{"roleSpelling", "lower", role, "read only"},
		{"roleSpelling", "kebab", role, "read-only"},
		{"roleSpelling", "kebab", custom, "Analyst"},
		{"lowercaseEmails", "", email, "Ada@Example.com"},
		{"lowercaseEmails", "true", email, "ada@example.com"},
		{"adminsAreMembers", "", members, "Alan Grace"},
		{"adminsAreMembers", "yes", members, "Alan Grace Ada"},
		{"adminsAreMembers", "no", members, "Alan"},
		{"reorderLists", "", order, []any{[]any{"a", "b"}, []string{"Ada", "Alan"}, []string{"m", "n"}}},
		{"reorderLists", "true", order, []any{[]any{"b", "a"}, []string{"Alan", "Ada"}, []string{"n", "m"}}},
		{"dropDuplicates", "", repeated, []int{3, 2, 3}},
		{"dropDuplicates", "true", repeated, []int{2, 1, 2}},
		{"unknownMember", "", stranger, []any{400, []string{}, 0, true}},
		{"unknownMember", "drop", stranger, []any{200, []string{"ada@example.com"}, 0, false}},
		{"unknownMember", "invite", stranger, []any{200, []string{"new@example.com", "ada@example.com"}, 1, false}},
		{"refusals", "", refusal, "Invalid request. new@example.com is not a user of this project."},
		{"refusals", "errors", refusal, []any{"Bad Request Exception", "members.1", "Invalid request. new@example.com is not a user of this project."}},
		{"refusals", "index", refusal, []any{"Bad Request Exception", "members.1", "This address is not a user of this project."}},
		{"refusedAddresses", "eve@example.com,ADA@example.com", refused("PATCH", compilers, `{"admins":["ada@example.com"]}`),
			[]any{400, "Invalid request. ada@example.com cannot be in a team."}},
		{"refusedAddresses", "eve@example.com", refused("POST", "/console/v1/users/invite", `{"role":"Member","emails":["eve@example.com"]}`),
			[]any{400, "Invalid request. eve@example.com cannot be invited."}},
		{"unknownRole", "", refused("POST", onePath, `{"role":"Astronaut"}`), []any{400, `Invalid request. there is no role "Astronaut".`}},
		{"unknownRole", "404", refused("POST", onePath, `{"role":"Astronaut"}`), []any{404, "Role not found"}},
		{"unknownRole", "404", refused("POST", "/console/v1/users/invite", `{"role":"read-only","emails":["new@example.com"]}`), []any{404, "Role not found"}},
		{"invitedAgain", "", inviteTwice, 200},
		{"invitedAgain", "400", inviteTwice, 400},
		{"invitedAgain", "409", inviteTwice, 409},
		{"maxPageSize", "", pageSize, []any{4, "/console/v1/users?page=2&limit=4"}},
		{"maxPageSize", "3", pageSize, []any{3, "/console/v1/users?page=2&limit=3"}},
		{"omitTotals", "", totals, []any{true, true}},
		{"omitTotals", "true", totals, []any{false, false}},
		{"missingDelete", "", status("DELETE", teamsPath+"/none", ""), 404},
		{"missingDelete", "200", status("DELETE", teamsPath+"/none", ""), 200},
		{"missingDelete", "400", status("DELETE", teamsPath+"/none", ""), 400},
		{"missingGet", "", status("GET", teamsPath+"/none", ""), 404},
		{"missingGet", "400", status("GET", teamsPath+"/none", ""), 400},
		{"returnsUserID", "", userID, true},
		{"returnsUserID", "false", userID, false},
		{"invitesPending", "", invited, []any{404, 1}},
		{"invitesPending", "false", invited, []any{200, 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name+"="+tt.value, func(t *testing.T) {
			sim, c := start(t, consolesim.Options{})
			if tt.value != "" {
				var err error
				set(t, sim, func(b *consolesim.Behavior) { err = b.Set(tt.name, tt.value) })
				if err != nil {
					t.Fatal(err)
				}
			}
			equal(t, "answer", tt.probe(t, sim, c), tt.want)
		})
	}
}

// readPages follows nextPage and returns the addresses in the order seen.
func readPages(t *testing.T, c *client, path string) []string {
	t.Helper()
	var seen []string
	for path != "" {
		r := c.must(http.StatusOK, "GET", path, "")
		seen = append(seen, each(r.list("data"), "email")...)
		path, _ = r.get("pagination", "nextPage").(string)
	}
	return seen
}

func TestMoveBetweenPages(t *testing.T) {
	sim, c := start(t, consolesim.Options{})
	full := readPages(t, c, "/console/v1/users?limit=2")
	equal(t, "users", len(full), 5)

	set(t, sim, func(b *consolesim.Behavior) { b.MoveBetweenPages = 1 })
	moved := readPages(t, c, "/console/v1/users?limit=2")
	want := []string{full[0], full[1], full[3], full[4], full[0]} // full[2] is missed, full[0] seen twice
	equal(t, "while one moves", moved, want)
	equal(t, "moves left", sim.Behavior().MoveBetweenPages, 0)

	again := readPages(t, c, "/console/v1/users?limit=2")
	slices.Sort(again)
	slices.Sort(full)
	equal(t, "afterwards", again, full)

	set(t, sim, func(b *consolesim.Behavior) { b.MoveBetweenPages = -1 })
	readPages(t, c, "/console/v1/users?limit=2")
	equal(t, "moves without end", sim.Behavior().MoveBetweenPages, -1)
}

func TestStaleReads(t *testing.T) {
	inBubble(t, consolesim.Options{}, func(t *testing.T, sim *consolesim.Server, c *client) {
		role := func() any { return c.must(http.StatusOK, "GET", onePath, "").get("data", "role") }
		set(t, sim, func(b *consolesim.Behavior) { b.StaleReads = 5 * time.Second })
		r := c.must(http.StatusOK, "POST", onePath, `{"role":"Member"}`)
		equal(t, "answer to the write", r.get("data", "role"), any("Member"))
		equal(t, "at once", role(), any("Admin"))
		team := createTeam(t, sim, c, nil)
		c.must(http.StatusNotFound, "GET", teamsPath+"/"+team.ID, "")
		equal(t, "listed", len(c.do("GET", teamsPath, "").list("data")), 1)

		advance(3 * time.Second)
		c.must(http.StatusOK, "POST", onePath, `{"role":"Read Only"}`)
		advance(2 * time.Second)
		equal(t, "after 5s the first write shows", role(), any("Member"))
		c.must(http.StatusOK, "GET", teamsPath+"/"+team.ID, "")
		advance(3 * time.Second)
		equal(t, "after 8s the second does", role(), any("Read Only"))

		c.must(http.StatusOK, "DELETE", teamsPath+"/"+team.ID, "")
		c.must(http.StatusOK, "GET", teamsPath+"/"+team.ID, "")
		sim.PutUser(consolesim.User{Email: "ada@example.com", Role: "Admin"})
		equal(t, "by hand", role(), any("Admin"))
		advance(5 * time.Second)
		c.must(http.StatusNotFound, "GET", teamsPath+"/"+team.ID, "")
		equal(t, "still", role(), any("Admin"))
	})
}

func TestInvitationIsAccepted(t *testing.T) {
	sim, c := start(t, consolesim.Options{})
	c.must(http.StatusOK, "POST", "/console/v1/users/invite",
		`{"role":"Read Only","emails":["New@example.com","ada@example.com"],"teams":["Compilers"]}`)
	equal(t, "invitations", sim.Invites(), []consolesim.Invite{{Email: "New@example.com", Role: "Read Only"}})
	ada, _ := sim.User("ada@example.com")
	equal(t, "a user's role stays", ada.Role, "Admin")
	equal(t, "members", sim.TeamsNamed("Compilers")[0].Members,
		[]string{"grace@example.com", "alan@example.com", "New@example.com", "ada@example.com"})

	u, ok := sim.AcceptInvite("new@example.com")
	equal(t, "accepted", []any{ok, u.Role, len(sim.Invites())}, []any{true, "Read Only", 0})
	c.must(http.StatusOK, "GET", "/console/v1/users/new@example.com", "")
	if _, ok := sim.AcceptInvite("new@example.com"); ok {
		t.Error("one invitation is accepted twice")
	}
}

func TestLatency(t *testing.T) {
	inBubble(t, consolesim.Options{}, func(t *testing.T, sim *consolesim.Server, c *client) {
		for _, latency := range []time.Duration{0, time.Second} {
			set(t, sim, func(b *consolesim.Behavior) { b.Latency = latency })
			start := time.Now()
			c.must(http.StatusOK, "GET", onePath, "")
			equal(t, "elapsed", time.Since(start), latency)
			log := sim.Requests()
			last := log[len(log)-1]
			equal(t, "logged", last.Answered.Sub(last.Received), latency)
		}
	})
}

func TestSetRefuses(t *testing.T) {
	for _, tt := range []struct{ name, value, message string }{
		{"colour", "red", `there is no switch "colour"`},
		{"roleSpelling", "UPPER", "is not one of exact, lower, kebab"},
		{"missingGet", "500", "is not one of 404, 400"},
		{"lowercaseEmails", "perhaps", "is neither true nor false"},
		{"staleReads", "-1s", "is not a duration"},
		{"maxPageSize", "many", "is not a whole number"},
	} {
		b := consolesim.DefaultBehavior()
		err := b.Set(tt.name, tt.value)
		if err == nil || !strings.Contains(err.Error(), tt.message) {
			t.Errorf("%s=%s: %v, want %q", tt.name, tt.value, err, tt.message)
		}
		equal(t, "unchanged by "+tt.name, b, consolesim.DefaultBehavior())
	}
	sim := consolesim.New(consolesim.Options{})
	if err := sim.SetBehavior(func(b *consolesim.Behavior) { b.Count = "some" }); err == nil {
		t.Error("a position that does not exist is accepted")
	}
	equal(t, "behavior", sim.Behavior(), consolesim.DefaultBehavior())
}
