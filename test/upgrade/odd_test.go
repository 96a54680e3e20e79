package upgrade

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/test/harness"
)

// oddities are objects that the former version admits and the current one does
// not: between them they offend every rule that has come since, and all rules
// of a field that can be offended at once.
const oddities = `
kind: ConsoleConnection
metadata: {name: odd}
spec:
  endpoint: http://127.0.0.1:99999//a/../b
  apiKeySecretRef: {name: UPPER, key: a b}
  allowedNamespaces: {from: Selector, selector: {matchExpressions: [{key: stage, operator: In}]}}
  allowedRoles: ["right\u202eleft"]
  protectedUsers: [.ada@example.com, grace@example.com, Grace@example.com]
  rateLimit: {windows: [{requests: 100, per: 100ms1s}]}
  drift: {interval: 30s1m}
  deletionBrake: {per: 30s1m}
---
kind: Team
metadata: {name: odd}
spec:
  connectionRef: {name: UPPER}
  name: "right\u202eleft"
  description: "bell \u0007"
  members: [.ada@example.com, grace@example.com, Grace@example.com]
  admins: [.ada@example.com, grace@example.com, Grace@example.com]
  defaultGateMetrics: [{name: "space ", type: "space "}]
  defaultExperimentPrimaryMetrics: [{name: "space ", type: "space "}]
  defaultExperimentSecondaryMetrics: [{name: "space ", type: "space "}]
  defaultHoldoutMetrics: [{name: "space ", type: "space "}]
  defaultTargetApplications: ["space "]
  defaultHoldoutID: "space "
---
kind: UserRole
metadata: {name: odd}
spec:
  connectionRef: {name: UPPER}
  email: .ada@example.com
  role: "right\u202eleft"
  firstName: "space "
  lastName: "space "
  downgradeTo: Admin
---
kind: UserRole
metadata: {name: odder}
spec: {connectionRef: {name: UPPER}, email: grace@example.com, role: Member, downgradeTo: "right\u202eleft"}
`

// saidBefore are rules that are new in their words alone, as the former pattern
// of the field admitted no more, or that forbid a change: what stays as it is
// does not offend them.
var saidBefore = map[tightening]bool{
	{"spec.endpoint", "must begin with https://"}:                                          true,
	{"spec.endpoint", "must hold no user and no password; the API key goes into a Secret"}: true,
	{"spec.endpoint", "must have no query and no fragment"}:                                true,
	{"spec.rateLimit.group", "must be lower-case letters, digits and '-'"}:                 true,
	{".spec.connectionRef", immutableConnection}:                                           true,
	{"spec.allowedRoles", "must name each role once"}:                                      true,
	{"spec.defaultTargetApplications", "must name each application once"}:                  true,
}

const immutableConnection = "spec.connectionRef is immutable once something was done for the object in the console; " +
	"delete the object and create it anew"

// odd returns the oddities, not yet created.
func odd(e *harness.Env) []*unstructured.Unstructured {
	e.T.Helper()
	all := harness.Decode(e.T, []byte(oddities))
	for _, obj := range all {
		obj.SetAPIVersion(v1alpha1.GroupVersion.String())
		if obj.GetKind() != "ConsoleConnection" {
			obj.SetNamespace(e.Namespace)
		}
	}
	return all
}

// A rule may become stricter for what is written anew. An object that was
// admitted before goes on: it can be written while the odd field stays as it
// is, and the operator works with it.
func TestStricterRulesSpareWhatIsThere(t *testing.T) {
	e := harness.Upgrading(t, former, harness.Options{})
	all := odd(e)
	for _, obj := range all {
		create(e, obj)
	}
	// These two are odd, too, but can be true in the console.
	team := e.Team("kept", v1alpha1.TeamSpec{
		Name: "right\u202eleft", DefaultGateMetrics: []v1alpha1.Metric{{Name: "space ", Type: "user"}},
		Members: v1alpha1.EmailAddresses{"grace@example.com", "Grace@example.com"},
	})
	role := e.UserRole("alan@example.com", "Member", func(s *v1alpha1.UserRoleSpec) { s.DowngradeTo = "Admin" })
	e.Create(team, role)
	e.Upgrade()
	inForce(e, all[0])

	refused := map[string]bool{}
	for _, obj := range all {
		for _, x := range refusals(t, tryOut(e, obj)) {
			what, _, _ := strings.Cut(x.what, "; duplicate: ")
			refused[obj.GetKind()+" "+x.field+": "+what] = true
		}
	}
	was, is := readDefinitions(t, former), readDefinitions(t, current)
	for kind, d := range was {
		for _, x := range compareDefinitions(d, is[kind], func(v version) *schema { return v.read(t) }).tightened {
			if !saidBefore[x] && !refused[kind+" "+x.field+": "+x.what] {
				t.Errorf("%s %s: it is stricter now: %s; this test has no object that offends it", kind, x.field, x.what)
			}
		}
	}

	e.Operator.Start(t)
	for _, obj := range all {
		note := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"note":"seen"}}}`))
		if err := e.Client().Patch(t.Context(), obj, note); err != nil {
			t.Errorf("annotate %s %s: %v", obj.GetKind(), obj.GetName(), err)
		}
		e.WaitReason(harness.Typed(t, obj), v1alpha1.ReasonConnectionNotReady)
	}
	e.WaitReady(team, role)
	harness.Update(e, team, func(t *v1alpha1.Team) { t.Spec.Members = []v1alpha1.EmailAddress{"alan@example.com"} })
	harness.Update(e, role, func(u *v1alpha1.UserRole) { u.Spec.Role = "Read Only" })
	e.WaitReady(team, role)
	e.WantRole("alan@example.com", "Read Only")
	err := harness.TryUpdate(e, team, func(t *v1alpha1.Team) { t.Spec.Name = "left\u202eright" })
	if got := refusals(t, err); len(got) != 1 || got[0].field != "spec.name" {
		t.Errorf("a new name of that kind is answered %v", err)
	}
	e.Delete(team, role)
	e.WaitGone(team, role)
}

// index is that of an element in the path of a field.
var index = regexp.MustCompile(`\[\d+\]`)

// refusals returns the fields that the API server refuses an object for, and
// what it says of each.
func refusals(t *testing.T, err error) (all []tightening) {
	t.Helper()
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok || !apierrors.IsInvalid(err) || status.ErrStatus.Details == nil {
		t.Fatalf("the object is not refused as invalid: %v", err)
	}
	for _, cause := range status.ErrStatus.Details.Causes {
		// The message is led by the value.
		_, what, found := strings.Cut(cause.Message, ": ")
		if found {
			if _, rest, ok := strings.Cut(cause.Message, `": `); ok {
				what = rest
			}
		}
		all = append(all, tightening{index.ReplaceAllString(cause.Field, "[]"), what})
	}
	if len(all) == 0 {
		t.Fatal(fmt.Errorf("the refusal names no field: %w", err))
	}
	return all
}
