package integration

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/harness"
)

// TestAppliedListsAreFollowed: Flux, and Argo CD with ServerSideApply=true, have
// server-side apply make of a list what Git says. What somebody else added to it
// goes, and an emptied list is empty.
func TestAppliedListsAreFollowed(t *testing.T) {
	e := harness.Shared(t, harness.Options{Teams: []consolesim.Team{seeded("Growth")}})
	team := e.Team("growth", v1alpha1.TeamSpec{})
	apply := func(members string) {
		t.Helper()
		text := manifest("Team", "connectionRef: {name: $CONNECTION}", "name: Growth", "adoptionPolicy: Adopt", "members: "+members)
		e.Apply(strings.Replace(text, "name: refused", "name: growth", 1))
		e.Refresh(team)
		e.WaitReady(team)
	}
	want := func(addresses ...string) {
		t.Helper()
		if got := e.TeamNamed("Growth").Members; fmt.Sprint(got) != fmt.Sprint(addresses) {
			t.Errorf("the members are %v, want %v", got, addresses)
		}
	}
	apply("[alan@example.com]")
	want("alan@example.com")
	byHand := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"members":["alan@example.com","edsger@example.com"]}}`))
	if err := e.Client().Patch(t.Context(), team, byHand, client.FieldOwner("kubectl-patch")); err != nil {
		t.Fatal(err)
	}
	e.WaitReady(team)
	want("alan@example.com", "edsger@example.com")
	apply("[alan@example.com]")
	want("alan@example.com")
	apply("[]")
	want()
}

// TestEveryListIsApplied holds the same of each list that people set, in the
// API server alone.
func TestEveryListIsApplied(t *testing.T) {
	e := harness.Shared(t, harness.Options{})
	metrics := []any{map[string]any{"name": "a", "type": "user"}, map[string]any{"name": "b", "type": "user"}}
	people := []any{"a@example.com", "b@example.com"}
	for _, test := range []struct {
		kind, field string
		values      []any
	}{
		{"Team", "members", people},
		{"Team", "admins", people},
		{"Team", "defaultGateMetrics", metrics},
		{"Team", "defaultExperimentPrimaryMetrics", metrics},
		{"Team", "defaultExperimentSecondaryMetrics", metrics},
		{"Team", "defaultHoldoutMetrics", metrics},
		{"Team", "defaultTargetApplications", []any{"a", "b"}},
		{"ConsoleConnection", "allowedRoles", []any{"a", "b"}},
		{"ConsoleConnection", "protectedUsers", people},
	} {
		obj := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"suspend": true}}}
		obj.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(test.kind))
		obj.SetName(e.Namespace + "-" + strings.ToLower(test.field))
		if test.kind == "ConsoleConnection" {
			obj.Object["spec"].(map[string]any)["apiKeySecretRef"] = map[string]any{"name": "x"}
		}
		e.Adopt(obj)
		for _, values := range [][]any{test.values[:1], {}} {
			obj.Object["spec"].(map[string]any)[test.field] = values
			applied := client.ApplyConfigurationFromUnstructured(obj.DeepCopy())
			if err := e.Client().Apply(t.Context(), applied, client.FieldOwner("flux"), client.ForceOwnership); err != nil {
				t.Fatalf("%s %s: %v", test.kind, test.field, err)
			}
			if got, _, _ := unstructured.NestedSlice(e.Live(obj).Object, "spec", test.field); got == nil || !reflect.DeepEqual(got, values) {
				t.Errorf("%s %s is %v, want %v", test.kind, test.field, got, values)
			}
			byHand, err := json.Marshal(map[string]any{"spec": map[string]any{test.field: test.values}})
			if err != nil {
				t.Fatal(err)
			}
			if err := e.Client().Patch(t.Context(), obj.DeepCopy(), client.RawPatch(types.MergePatchType, byHand)); err != nil {
				t.Fatalf("%s %s: %v", test.kind, test.field, err)
			}
		}
	}
}

// TestLongListsAreAccepted: a rule that costs more than the API server allows
// would refuse a list for its length alone.
func TestLongListsAreAccepted(t *testing.T) {
	e := harness.Shared(t, harness.Options{})
	for name, length := range map[string]int{"plain": 170, "a#b&c=d@example.com": 100} {
		crowd := make([]string, 5000)
		for i := range crowd {
			crowd[i] = fmt.Sprintf("%s%05d@example.com", strings.Repeat("x", length-len("00000@example.com")), i)
		}
		if strings.Contains(name, "@") {
			crowd[0] = name
		}
		members := func() string { return manifest("Team", "suspend: true", "members: ["+strings.Join(crowd, ", ")+"]") }
		if err := e.TryApply(members()); err != nil {
			t.Errorf("%s: %.300s", name, err)
		}
		crowd[4999] = "X" + crowd[1][1:]
		if err := e.TryApply(members()); err == nil || !strings.Contains(err.Error(), once) {
			t.Errorf("%s: a duplicate is answered %.300v", name, err)
		}
	}
}
