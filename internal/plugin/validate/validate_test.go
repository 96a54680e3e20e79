package validate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// object reads a manifest of the operator's API version in the namespace tenant.
func object(t testing.TB, kind, rest string) *unstructured.Unstructured {
	t.Helper()
	obj := &unstructured.Unstructured{}
	text, err := yaml.YAMLToJSON([]byte("apiVersion: console-access.dev/v1alpha1\nkind: " + kind + "\nmetadata: {name: x, namespace: tenant}\n" + rest))
	if err == nil {
		err = obj.UnmarshalJSON(text)
	}
	if err != nil {
		t.Fatal(err)
	}
	if kind == "ConsoleConnection" {
		obj.SetNamespace("")
	}
	return obj
}

func validator(t testing.TB) *Validator {
	t.Helper()
	v, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestCreate(t *testing.T) {
	v := validator(t)
	for _, tt := range []struct{ kind, rest, want string }{
		{"Team", "", ""},
		{"Team", "spec: {members: [], admins: [ada@example.com]}", ""},
		{"Team", "spec: {members: null, description: null}", ""},
		{"Team", "status: {id: 7}", ""},
		{"Team", "spec: {memberz: [], mode: Watch}", `Team in version "v1alpha1" cannot be handled as a Team: strict decoding error: unknown field "spec.memberz"`},
		{"Team", "spec: {members: [ada]}", `Team.console-access.dev "x" is invalid: spec.members[0]: Invalid value: "ada": must be an e-mail address such as ada@example.com`},
		{"Team", "spec: {members: [ada@example.com, Ada@example.com]}", "spec.members: Invalid value: must name each address once, case does not matter; duplicate: ada@example.com"},
		{"Team", "spec: {mode: Watch}", `spec.mode: Unsupported value: "Watch": supported values: "Enforce", "Observe"`},
		{"Team", "spec: {members: ada@example.com}", `spec.members: Invalid value: "string": spec.members in body must be of type array`},
		{"Team", "spec: {name: ' Growth'}", "spec.name: Invalid value"},
		{"UserRole", "spec: {role: Member}", "spec.email: Required value"},
		{"UserRole", "spec: {email: ada@example.com, role: Member, deletionPolicy: Downgrade, downgradeTo: admin}", "Admin takes no access away"},
		{"ConsoleConnection", "spec: {apiKeySecretRef: {name: x}}", ""},
		{"ConsoleConnection", "spec: {apiKeySecretRef: {name: x}, endpoint: 'http://example.com'}", "use https, or set allowInsecure: true"},
		{"ConsoleConnection", "spec: {apiKeySecretRef: {name: x}, allowedRoles: [Admin, Member, Admin]}", "must name each role once; duplicate: Admin"},
		{"Group", "", "there is no kind"},
	} {
		_, err := v.Create(t.Context(), object(t, tt.kind, tt.rest))
		if got := fmt.Sprint(err); tt.want == "" && err != nil || !strings.Contains(got, tt.want) && tt.want != "" {
			t.Errorf("%s %s: %v, want %q", tt.kind, tt.rest, err, tt.want)
		}
	}
	misnamed := object(t, "Team", "")
	misnamed.SetName("Growth_Team")
	if _, err := v.Create(t.Context(), misnamed); err == nil || !strings.Contains(err.Error(), "metadata.name") {
		t.Errorf("a name that Kubernetes does not take: %v", err)
	}
}

// TestUpdate: what is there is spared while it stays, and some of it must stay.
func TestUpdate(t *testing.T) {
	v := validator(t)
	const role = "spec: {email: ada@example.com, role: Member, connectionRef: {name: default}}\n"
	for _, tt := range []struct{ kind, was, is, want string }{
		{"UserRole", role, "spec: {email: Ada@example.com, role: Admin}", ""},
		{"UserRole", role, "spec: {email: grace@example.com, role: Member}", "email is immutable"},
		{"UserRole", role, "spec: {email: ada@example.com, role: Member, connectionRef: {name: other}}", ""},
		{"UserRole", role + "status: {previousRole: Member}", "spec: {email: ada@example.com, role: Member, connectionRef: {name: other}}", "spec.connectionRef is immutable"},
		{"Team", "spec: {members: [ada], mode: Enforce}", "spec: {members: [ada], mode: Observe}", ""},
		{"Team", "spec: {members: [ada], mode: Enforce}", "spec: {members: [grace], mode: Enforce}", "spec.members[0]"},
	} {
		_, err := v.Update(t.Context(), object(t, tt.kind, tt.is), object(t, tt.kind, tt.was))
		if tt.want == "" && err != nil || tt.want != "" && !strings.Contains(fmt.Sprint(err), tt.want) {
			t.Errorf("%s from %s to %s: %v, want %q", tt.kind, tt.was, tt.is, err, tt.want)
		}
	}
}

// TestDuplicates holds the rule for lists of addresses, which CEL makes hard to
// read, against what it is to find.
func TestDuplicates(t *testing.T) {
	v := validator(t)
	const letters = "aAbB.!#$&'*+=?^{|}~-_0"
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 0))
		members, seen, twice := []any{}, map[string]bool{}, false
		for len(members) < 1+rng.IntN(6) {
			local := make([]byte, 1+rng.IntN(2))
			for i := range local {
				local[i] = letters[rng.IntN(len(letters))]
			}
			address := string(local) + "@example.com"
			if strings.HasPrefix(address, ".") || strings.Contains(address, ".@") || strings.Contains(address, "..") {
				continue
			}
			key := strings.ToLower(address)
			twice = twice || seen[key]
			seen[key] = true
			members = append(members, address)
		}
		team := object(t, "Team", "")
		team.Object["spec"] = map[string]any{"members": members}
		if _, err := v.Create(context.Background(), team); (err != nil) != twice {
			t.Errorf("seed %d: %q: %v; are there duplicates: %v", seed, members, err, twice)
		}
	}
}
