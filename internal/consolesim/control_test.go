package consolesim_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/console-access/console-access-operator/internal/consolesim"
)

func TestControlState(t *testing.T) {
	sim, c := start(t, consolesim.Options{})
	state := c.must(200, "GET", "/_sim/state", "")
	equal(t, "users", each(state.list("users"), "firstName"), []string{"Ada", "Alan", "Barbara", "Edsger", "Grace"})

	c.must(200, "PUT", "/_sim/users/ada@example.com", `{"role":"Member"}`)
	ada, _ := sim.User("ada@example.com")
	equal(t, "what is left out is kept", []string{ada.Role, ada.LastName}, []string{"Member", "Lovelace"})
	c.must(200, "PUT", "/_sim/users/new@example.com", `{}`)
	c.must(400, "PUT", "/_sim/users/new@example.com", `{"role":"Boss"}`)
	c.must(400, "PUT", "/_sim/users/new@example.com", `{"email":"old@example.com"}`)
	c.must(400, "PUT", "/_sim/users/new@example.com", `{"roles":"Admin"}`)
	c.must(200, "DELETE", "/_sim/users/GRACE@example.com", "")
	c.must(404, "DELETE", "/_sim/users/grace@example.com", "")

	compilers := sim.TeamsNamed("Compilers")[0]
	equal(t, "the removed user is in no team", [][]string{compilers.Members, compilers.Admins},
		[][]string{{"alan@example.com"}, {}})
	c.must(200, "PUT", "/_sim/teams/"+compilers.ID, `{"members":["ada@example.com"],"description":"other"}`)
	equal(t, "the copy taken before", compilers.Members, []string{"alan@example.com"})
	compilers, _ = sim.Team(compilers.ID)
	equal(t, "team", []any{compilers.Name, compilers.Members, *compilers.Description, compilers.ReviewApproval},
		[]any{"Compilers", []string{"ada@example.com"}, "other", "team_only"})
	added := c.must(200, "POST", "/_sim/teams", `{"name":"Storage","members":["fresh@example.com"]}`)
	if _, ok := sim.User("fresh@example.com"); !ok {
		t.Error("a member added by hand is not a user")
	}
	c.must(400, "POST", "/_sim/teams", `{"members":[]}`)
	id, _ := added.get("id").(string)
	c.must(200, "DELETE", "/_sim/teams/"+id, "")
	c.must(404, "DELETE", "/_sim/teams/"+id, "")

	c.must(200, "PUT", "/_sim/roles/Boss", `{"permissions":{"create_teams":true}}`)
	c.must(400, "PUT", "/_sim/roles/admin", `{}`)
	c.must(200, "PUT", "/_sim/settings", `{"default_project_role":"Boss"}`)
	equal(t, "settings", sim.Snapshot().Settings.DefaultProjectRole, "Boss")
	c.must(200, "DELETE", "/_sim/roles/Boss", "")
	c.must(404, "DELETE", "/_sim/roles/Boss", "")

	c.must(200, "POST", "/console/v1/users/invite", `{"role":"Member","emails":["late@example.com"]}`)
	c.must(200, "POST", "/_sim/invites/late@example.com/accept", "")
	c.must(404, "POST", "/_sim/invites/late@example.com/accept", "")
	if got := len(sim.Requests()); got != 1 {
		t.Errorf("the log has %d entries: the control plane is logged", got)
	}
	equal(t, "used", sim.Quota()[0].Used, 1)
}

func TestControlReplacesState(t *testing.T) {
	sim, c := start(t, consolesim.Options{})
	before := c.must(200, "GET", "/_sim/state", "").text
	c.must(200, "PUT", "/_sim/state", `{"users":[{"email":"only@example.com"}]}`)
	equal(t, "users", []any{len(sim.Users()), sim.Users()[0].Role, len(sim.Teams())}, []any{1, "Member", 0})
	for _, bad := range []string{
		`{"users":[{"email":"a"}]}`, `{"users":[{"email":"a@b.c","role":"Boss"}]}`,
		`{"users":[{"email":"a@b.c"},{"email":"A@b.c"}]}`, `{"teams":[{"name":""}]}`,
		`{"roles":[{"name":"Admin"}]}`, `{"settings":{"default_project_role":"Boss"}}`, `{"people":[]}`,
	} {
		c.must(400, "PUT", "/_sim/state", bad)
	}
	equal(t, "users", len(sim.Users()), 1)
	equal(t, "what was read can be written", c.must(200, "PUT", "/_sim/state", before).text, before)
}

func TestControlRequestsAndQuota(t *testing.T) {
	sim, c := start(t, windows(consolesim.Window{Requests: 2, Per: time.Hour}))
	for _, status := range []int{200, 200, 429} {
		c.must(status, "GET", onePath, "")
	}
	quota := c.must(200, "GET", "/_sim/quota", "")
	equal(t, "quota", any(quota.body), any(map[string]any{
		"violations": 1.0,
		"windows": []any{map[string]any{
			"window": "2/1h0m0s", "requests": 2.0, "per": "1h0m0s", "used": 2.0, "max": 3.0, "violations": 1.0}},
	}))
	since := c.must(200, "GET", "/_sim/requests?since=1", "")
	equal(t, "since 1", len(since.list("requests")), 2)
	equal(t, "counters", since.get("counters", "byEndpoint"), any(map[string]any{"getUser": 3.0}))
	if strings.Contains(since.text, testKey) {
		t.Error("the log shows the key")
	}
	c.must(400, "GET", "/_sim/requests?since=x", "")
	c.must(200, "DELETE", "/_sim/requests", "")
	equal(t, "log", len(sim.Requests()), 0)
}

func TestControlBehavior(t *testing.T) {
	sim, c := start(t, consolesim.Options{})
	changed := c.must(200, "PATCH", "/_sim/behavior", `{"staleReads":"5s","missingGet":400,"lowercaseEmails":true}`)
	equal(t, "answer", []any{changed.get("staleReads"), changed.get("missingGet"), changed.get("roleSpelling")},
		[]any{"5s", 400.0, "exact"})
	want := consolesim.DefaultBehavior()
	want.StaleReads, want.MissingGet, want.LowercaseEmails = 5*time.Second, 400, true
	equal(t, "behavior", sim.Behavior(), want)
	equal(t, "read", c.must(200, "GET", "/_sim/behavior", "").text, changed.text)

	for _, bad := range []string{`{"lowercaseEmails":false,"staleReads":"never"}`, `{"colour":"red"}`, `[]`,
		`{"defaultPageSize":0}`} {
		c.must(400, "PATCH", "/_sim/behavior", bad)
	}
	equal(t, "behavior", sim.Behavior(), want)
	if got, want := len(consolesim.Switches()), len(changed.body); got != want {
		t.Errorf("%d switches are described, %d exist", got, want)
	}
}

func TestControlFaultsAndKeys(t *testing.T) {
	sim, c := start(t, consolesim.Options{})
	r := c.must(200, "POST", "/_sim/faults", `{"endpoint":"getUser","effect":"latency","delay":"1ns","times":1}`)
	id, _ := r.get("id").(string)
	equal(t, "delay", sim.Faults()[0].Delay, time.Nanosecond)
	c.must(200, "GET", onePath, "")
	var list []consolesim.Fault
	if err := json.Unmarshal([]byte(c.must(200, "GET", "/_sim/faults", "").text), &list); err != nil {
		t.Fatal(err)
	}
	equal(t, "listed", list, []consolesim.Fault{{ID: id, Endpoint: "getUser", Effect: "latency",
		Delay: time.Nanosecond, Times: 1, Seen: 1, Hits: 1}})
	for _, bad := range []string{`{"effect":"explode"}`, `{"effect":"error","delay":"soon"}`, `{"effect":"error","when":1}`} {
		c.must(400, "POST", "/_sim/faults", bad)
	}
	c.must(200, "DELETE", "/_sim/faults/"+id, "")
	c.must(404, "DELETE", "/_sim/faults/"+id, "")
	sim.Inject(consolesim.Fault{Effect: consolesim.EffectCut})
	c.must(200, "DELETE", "/_sim/faults", "")
	equal(t, "faults", len(sim.Faults()), 0)

	equal(t, "name", c.must(200, "POST", "/_sim/keys", `{"key":"console-b","readOnly":true}`).get("name"), any("key 2"))
	c.with("console-b").must(403, "POST", onePath, `{}`)
	c.must(400, "POST", "/_sim/keys", `{}`)
	c.must(200, "DELETE", "/_sim/keys", `{"key":"key 2"}`)
	c.must(404, "DELETE", "/_sim/keys", `{"key":"console-b"}`)
	c.with("console-b").must(401, "GET", onePath, "")
}

func TestControlProject(t *testing.T) {
	sim, c := start(t, consolesim.Options{})
	other := sim.AddProject("other")
	c.must(200, "PUT", "/_sim/users/eve@example.com?project=other", `{}`)
	equal(t, "users of the other", len(other.Users()), 1)
	c.must(404, "GET", "/_sim/state?project=third", "")
}

func TestControlIsForLoopback(t *testing.T) {
	for _, tt := range []struct {
		address string
		remote  bool
		status  int
	}{
		{"127.0.0.1:1000", false, 200}, {"[::1]:1000", false, 200},
		{"192.0.2.1:1000", false, 403}, {"192.0.2.1:1000", true, 200},
	} {
		sim := consolesim.New(consolesim.Options{RemoteControl: tt.remote})
		r := httptest.NewRequest(http.MethodGet, "/_sim/state", nil)
		r.RemoteAddr = tt.address
		w := httptest.NewRecorder()
		sim.ServeHTTP(w, r)
		equal(t, tt.address, w.Code, tt.status)
	}
}

func TestSeed(t *testing.T) {
	sim := consolesim.New(consolesim.Options{})
	sim.Seed(10, 3, 4)
	roles := map[string]int{}
	for _, u := range sim.Users() {
		roles[u.Role]++
	}
	equal(t, "roles", roles, map[string]int{"Admin": 2, "Read Only": 2, "Member": 6})
	teams := sim.Teams()
	equal(t, "teams", len(teams), 3)
	equal(t, "the third", []any{teams[2].Name, teams[2].Members, teams[2].Admins}, []any{"Team 0003",
		[]string{"user0009@example.com", "user0010@example.com", "user0001@example.com", "user0002@example.com"},
		[]string{"user0009@example.com"}})
	if strings.Contains(teams[2].ID, " ") || teams[2].ID == teams[1].ID {
		t.Errorf("ids %q and %q", teams[1].ID, teams[2].ID)
	}
}
