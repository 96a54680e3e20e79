package main

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/console-access/console-access-operator/internal/consolesim"
)

// simulated returns a console with the small project that the demo uses.
func simulated(t *testing.T, options consolesim.Options) (*consolesim.Server, *console) {
	t.Helper()
	sim := consolesim.New(options)
	if err := sim.Load(consolesim.DemoState()); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	return sim, &console{url: server.URL}
}

func manifest(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	objects, err := parseManifests([]byte(text))
	if err != nil || len(objects) != 1 {
		t.Fatalf("%d objects, error %v", len(objects), err)
	}
	return objects[0]
}

func TestCompare(t *testing.T) {
	sim, c := simulated(t, consolesim.Options{})
	team := sim.Teams()[0]
	shuffled := func() {
		changed := team
		changed.Members = []string{"Alan@example.com"} // Grace is an admin
		sim.PutTeam(changed)
	}
	for _, tt := range []struct {
		name     string
		change   func()
		manifest string
		want     []string // parts of each difference, in order
	}{
		{"the adopted team", func() {}, compilersManifest, nil},
		{"case, order, and admins that are no members", shuffled, compilersManifest, nil},
		{"another member and description", func() {
			changed := team
			changed.Members, changed.Description = []string{"edsger@example.com", "grace@example.com"}, nil
			sim.PutTeam(changed)
		}, compilersManifest, []string{`wants description "Parsers`, `wants members ["alan@example.com"] and the console has ["edsger@example.com"]`}},
		{"a lost admin", func() {
			changed := team
			changed.Admins = nil
			sim.PutTeam(changed)
		}, compilersManifest, []string{`wants admins ["grace@example.com"] and the console has []`}},
		{"no such team", func() { sim.RemoveTeam(team.ID) }, compilersManifest, []string{"does not have what Team default/compilers"}},
		{"another role", func() {}, adaManifest, []string{`wants role "Member" and the console has "Admin"`}},
		{"only what is set", func() {}, strings.Replace(adaManifest, "Member", "Admin", 1), nil},
		{"no such person", func() { sim.RemoveUser("ada@example.com") }, adaManifest, []string{"does not have what UserRole default/ada"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := sim.Load(consolesim.DemoState()); err != nil {
				t.Fatal(err)
			}
			team = sim.Teams()[0]
			tt.change()
			state, err := c.state(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got := state.compare(manifest(t, tt.manifest))
			if !slices.EqualFunc(got, tt.want, strings.Contains) {
				t.Errorf("differences are %q, want %q", got, tt.want)
			}
		})
	}
}

func TestTraffic(t *testing.T) {
	_, c := simulated(t, consolesim.Options{Keys: []string{"k"}, Windows: []consolesim.Window{{Requests: 2, Per: time.Hour}}})
	send := func(method, path string) {
		request, err := http.NewRequestWithContext(t.Context(), method, c.url+path, strings.NewReader(`{"firstName":"Ada"}`))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("STATSIG-API-KEY", "k")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
	}
	count := func(since int) (traffic, int) {
		got, last, err := c.trafficSince(t.Context(), since)
		if err != nil {
			t.Fatal(err)
		}
		return got, last
	}
	send(http.MethodGet, "/console/v1/users")
	first, last := count(0)
	if first != (traffic{reads: 1}) {
		t.Errorf("after one read: %+v", first)
	}
	send(http.MethodPost, "/console/v1/users/ada@example.com")
	send(http.MethodGet, "/console/v1/users")
	if next, _ := count(last); next != (traffic{reads: 1, writes: 1, refused: 1}) {
		t.Errorf("after a write and a read too many: %+v", next)
	}
	q, err := c.quota(t.Context())
	if err != nil || q.Violations != 1 || len(q.Windows) != 1 || q.Windows[0].Max < 2 {
		t.Errorf("quota %+v, error %v", q, err)
	}
}

func TestCallTellsWhatTheConsoleSays(t *testing.T) {
	_, c := simulated(t, consolesim.Options{})
	err := c.call(t.Context(), http.MethodDelete, "/_sim/users/nobody@example.com", nil, nil)
	if err == nil || !strings.Contains(err.Error(), "there is no such user") {
		t.Errorf("an unknown user: %v", err)
	}
}
