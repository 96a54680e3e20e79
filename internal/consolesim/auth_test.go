package consolesim_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/console-access/console-access-operator/internal/consolesim"
)

func TestKeys(t *testing.T) {
	sim, c := start(t, consolesim.Options{Keys: []string{"console-second"}})
	other := sim.AddProject("other", "console-other")
	if name := sim.AddReadOnlyKey("console-reader"); name != "key 4" {
		t.Errorf("the fourth key is called %q", name)
	}
	const path = "/console/v1/users/ada@example.com"

	c.must(http.StatusOK, "GET", path, "")
	c.with("console-second").must(http.StatusOK, "GET", path, "")
	c.with("console-other").must(http.StatusNotFound, "GET", path, "")
	other.PutUser(consolesim.User{Email: "ada@example.com"})
	c.with("console-other").must(http.StatusOK, "GET", path, "")

	c.with("console-reader").must(http.StatusOK, "GET", path, "")
	c.with("console-reader").must(http.StatusForbidden, "POST", path, `{}`)

	r := c.with("console-wrong").must(http.StatusUnauthorized, "GET", path, "")
	equal(t, "message", r.get("message"), any("This endpoint only accepts an active CONSOLE key, "+
		"but an invalid key was sent. Key: console-wrong"))
	if !sim.RevokeKey("console-second") || sim.RevokeKey("console-second") {
		t.Error("a key is not revoked exactly once")
	}
	c.with("console-second").must(http.StatusUnauthorized, "GET", path, "")
	if !sim.RevokeKey("key 1") {
		t.Error("key 1 is not known by its name")
	}
	c.must(http.StatusUnauthorized, "GET", path, "")
	sim.AddKey(testKey)
	c.must(http.StatusOK, "GET", path, "")
}

func TestUnansweredKeyIsMasked(t *testing.T) {
	sim, c := start(t, consolesim.Options{})
	set(t, sim, func(b *consolesim.Behavior) { b.EchoKey = false })
	r := c.with("console-wrong").must(http.StatusUnauthorized, "GET", "/console/v1/users", "")
	if strings.Contains(r.text, "console-wrong") {
		t.Errorf("the key is repeated: %s", r.text)
	}
}

func TestVersionHeader(t *testing.T) {
	sim, c := start(t, consolesim.Options{})
	c.must(http.StatusOK, "GET", "/console/v1/users", "")
	set(t, sim, func(b *consolesim.Behavior) { b.RequireVersion = true })
	c.must(http.StatusBadRequest, "GET", "/console/v1/users", "")

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.base+"/console/v1/users", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("STATSIG-API-KEY", testKey)
	req.Header.Set("STATSIG-API-VERSION", "20240601")
	resp, err := c.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	equal(t, "status", resp.StatusCode, http.StatusOK)
}

func TestLog(t *testing.T) {
	sim, c := start(t, consolesim.Options{})
	c.do("GET", "/console/v1/users?limit=1", "")
	c.with("console-wrong").do("POST", "/console/v1/users/ada@example.com", `{"role":"Member"}`)
	c.do("GET", "/elsewhere", "")

	log := sim.Requests()
	equal(t, "entries", len(log), 3)
	for i, want := range []consolesim.Request{
		{Number: 1, Method: "GET", Path: "/console/v1/users?limit=1", Endpoint: consolesim.ListUsers,
			Project: "default", Key: "key 1", Status: 200},
		{Number: 2, Method: "POST", Path: "/console/v1/users/ada@example.com", Endpoint: consolesim.UpdateUser,
			Status: 401, Body: `{"role":"Member"}`},
		{Number: 3, Method: "GET", Path: "/elsewhere", Project: "default", Key: "key 1", Status: 404},
	} {
		if log[i].Received.IsZero() || log[i].Answered.Before(log[i].Received) {
			t.Errorf("request %d: received %v, answered %v", i, log[i].Received, log[i].Answered)
		}
		want.Received, want.Answered = log[i].Received, log[i].Answered
		equal(t, "entry", log[i], want)
	}
	equal(t, "counters", sim.Counters(), consolesim.Counters{
		Total: 3, ByEndpoint: map[string]int{"": 1, "listUsers": 1, "updateUser": 1},
		ByMethod: map[string]int{"GET": 2, "POST": 1},
	})
	equal(t, "since 2", len(sim.RequestsSince(2)), 1)
	sim.ResetRequests()
	c.do("GET", "/console/v1/users", "")
	equal(t, "after reset", []int{sim.Requests()[0].Number, sim.Count(consolesim.ListUsers)}, []int{4, 1})
}

// set changes switches and fails the test when their position does not exist.
func set(t *testing.T, sim *consolesim.Server, change func(*consolesim.Behavior)) {
	t.Helper()
	if err := sim.SetBehavior(change); err != nil {
		t.Fatal(err)
	}
}
