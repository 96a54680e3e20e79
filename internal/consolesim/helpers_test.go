package consolesim_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/console-access/console-access-operator/internal/consolesim"
)

const testKey = "console-test-key"

// client calls a simulated console and fails the test when it cannot.
type client struct {
	t    *testing.T
	base string
	key  string
	http *http.Client
}

type reply struct {
	status int
	header http.Header
	text   string
	body   map[string]any // nil when the text is no JSON object
}

// start serves a console that holds the demo state.
func start(t *testing.T, opts consolesim.Options) (*consolesim.Server, *client) {
	t.Helper()
	opts.Keys = append([]string{testKey}, opts.Keys...)
	sim := consolesim.New(opts)
	if err := sim.Load(consolesim.DemoState()); err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewServer(sim)
	t.Cleanup(ts.Close)
	return sim, newClient(t, ts.URL, ts.Client().Transport)
}

func newClient(t *testing.T, base string, via http.RoundTripper) *client {
	return &client{t, base, testKey, &http.Client{
		Transport:     via,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// with returns the same client with another key.
func (c client) with(key string) *client {
	c.key = key
	return &c
}

// try returns the error of a request, or of reading its answer.
func (c *client) try(method, path, body string) (reply, error) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("STATSIG-API-KEY", c.key)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	r := reply{status: resp.StatusCode, header: resp.Header, text: string(text)}
	if json.Unmarshal(text, &r.body) != nil {
		r.body = nil
	}
	return r, err
}

func (c *client) do(method, path, body string) reply {
	c.t.Helper()
	r, err := c.try(method, path, body)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return r
}

// must fails the test unless the status is the one that is wanted.
func (c *client) must(status int, method, path, body string) reply {
	c.t.Helper()
	r := c.do(method, path, body)
	if r.status != status {
		c.t.Fatalf("%s %s: status %d, want %d: %s", method, path, r.status, status, r.text)
	}
	return r
}

// get digs a value out of an answer, such as get("data", "role").
func (r reply) get(path ...string) any {
	var v any = r.body
	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

func (r reply) list(path ...string) []any {
	list, _ := r.get(path...).([]any)
	return list
}

// each collects one field of every object in a list.
func each(list []any, field string) []string {
	out := []string{}
	for _, item := range list {
		m, _ := item.(map[string]any)
		s, _ := m[field].(string)
		out = append(out, s)
	}
	return out
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %#v, want %#v", what, got, want)
	}
}

// teamBody is the body of a valid team; changes set fields, or with a nil value
// leave them out.
func teamBody(t *testing.T, changes map[string]any) string {
	t.Helper()
	team := map[string]any{
		"name": "Storage", "members": []string{"alan@example.com"}, "admins": []string{},
		"defaultGateMetrics": []any{}, "defaultExperimentPrimaryMetrics": []any{},
		"defaultExperimentSecondaryMetrics": []any{}, "defaultHoldoutMetrics": []any{},
		"changeTeamConfigs": "anyone", "reviewApproval": "anyone", "defaultTargetApplications": []string{},
	}
	maps.Copy(team, changes)
	maps.DeleteFunc(team, func(_ string, v any) bool { return v == nil })
	b, err := json.Marshal(team)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const teamsPath = "/console/v1/users/teams"

// createTeam makes a team through the API and returns it as stored.
func createTeam(t *testing.T, sim *consolesim.Server, c *client, changes map[string]any) consolesim.Team {
	t.Helper()
	before := sim.Teams()
	c.must(http.StatusOK, "POST", teamsPath, teamBody(t, changes))
	for _, team := range sim.Teams() {
		if !slices.ContainsFunc(before, func(b consolesim.Team) bool { return b.ID == team.ID }) {
			return team
		}
	}
	t.Fatal("no team was added")
	return consolesim.Team{}
}
