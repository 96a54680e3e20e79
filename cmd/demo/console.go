package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// A console is the control plane of the simulated console: what a person sees
// and does there, and what the server counted.
type console struct{ url string }

// consoleState is what the console holds. Users and teams have the fields of
// the Console API, which are also those of the specs.
type consoleState struct {
	Users []map[string]any `json:"users"`
	Teams []map[string]any `json:"teams"`
}

// traffic counts requests to the Console API.
type traffic struct{ reads, writes, refused int }

// quotaUse is what the console counted against its own limits.
type quotaUse struct {
	Violations int `json:"violations"`
	Windows    []struct {
		Window   string `json:"window"`
		Requests int    `json:"requests"`
		Used     int    `json:"used"`
		Max      int    `json:"max"`
	} `json:"windows"`
}

// call sends a request to /_sim/ and decodes the answer into result, unless
// that is nil.
func (c *console) call(ctx context.Context, method, path string, body, result any) error {
	what := method + " " + path
	text := &bytes.Buffer{}
	if body != nil {
		if err := json.NewEncoder(text).Encode(body); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, text)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err // names method and URL
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", what, response.Status, answer)
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(answer, result); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func (c *console) state(ctx context.Context) (*consoleState, error) {
	s := &consoleState{}
	return s, c.call(ctx, http.MethodGet, "/_sim/state", nil, s)
}

func (c *console) quota(ctx context.Context) (*quotaUse, error) {
	q := &quotaUse{}
	return q, c.call(ctx, http.MethodGet, "/_sim/quota", nil, q)
}

// trafficSince counts the requests numbered above n, and returns the number of
// the last one.
func (c *console) trafficSince(ctx context.Context, n int) (t traffic, last int, err error) {
	var log struct {
		Requests []struct {
			Number, Status int
			Method         string
		}
	}
	if err := c.call(ctx, http.MethodGet, fmt.Sprintf("/_sim/requests?since=%d", n), nil, &log); err != nil {
		return t, n, err
	}
	last = n
	for _, r := range log.Requests {
		last = r.Number
		if r.Method == http.MethodGet {
			t.reads++
		} else {
			t.writes++
		}
		if r.Status == http.StatusTooManyRequests {
			t.refused++
		}
	}
	return t, last, nil
}

// team returns the team of a name, or nil.
func (s *consoleState) team(name string) map[string]any { return find(s.Teams, "name", name) }

// user returns the user with an address, or nil.
func (s *consoleState) user(email string) map[string]any { return find(s.Users, "email", email) }

func find(list []map[string]any, field, value string) map[string]any {
	for _, item := range list {
		if text, _ := item[field].(string); strings.EqualFold(text, value) {
			return item
		}
	}
	return nil
}

// keeping are the fields of specs that say how an object is kept, and not what
// the console should hold.
var keeping = []string{
	"connectionRef", "adoptionPolicy", "deletionPolicy", "downgradeTo", "mode", "suspend", "whenMissing", "email",
}

// compare returns how the console differs from a Team or UserRole manifest, as
// sentences; nothing for other kinds. It shares no code with the operator.
func (s *consoleState) compare(manifest *unstructured.Unstructured) []string {
	spec, _, _ := unstructured.NestedMap(manifest.Object, "spec")
	var have map[string]any
	switch manifest.GetKind() {
	case "Team":
		name, ok := spec["name"].(string)
		if !ok {
			name = manifest.GetName()
		}
		have = s.team(name)
	case "UserRole":
		email, _ := spec["email"].(string)
		have = s.user(email)
	default:
		return nil
	}
	if have == nil {
		return []string{"the console does not have what " + nameOf(manifest) + " stands for"}
	}
	var out []string
	for _, field := range slices.Sorted(maps.Keys(spec)) {
		if slices.Contains(keeping, field) {
			continue
		}
		want, got := spec[field], have[field]
		switch field {
		case "members": // an admin counts as a member, listed or not
			want, got = without(people(spec["members"]), people(have["admins"])), without(people(have["members"]), people(have["admins"]))
		case "admins":
			want, got = people(want), people(got)
		}
		if !sameJSON(want, got) {
			out = append(out, fmt.Sprintf("%s wants %s %s and the console has %s", nameOf(manifest), field, asJSON(want), asJSON(got)))
		}
	}
	return out
}

// people returns the addresses in a list, each once, sorted, in lower case.
func people(list any) []string {
	out := []string{}
	items, _ := list.([]any)
	for _, item := range items {
		email, _ := item.(string)
		out = append(out, strings.ToLower(email))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func without(list, others []string) []string {
	return slices.DeleteFunc(list, func(s string) bool { return slices.Contains(others, s) })
}

func asJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}

// sameJSON compares as JSON does: YAML's integers and JSON's numbers are alike.
func sameJSON(a, b any) bool {
	var x, y any
	if json.Unmarshal([]byte(asJSON(a)), &x) != nil || json.Unmarshal([]byte(asJSON(b)), &y) != nil {
		return false
	}
	return reflect.DeepEqual(x, y)
}
