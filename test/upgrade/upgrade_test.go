package upgrade

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/harness"
)

func TestEveryFormerFieldIsSet(t *testing.T) {
	was := readDefinitions(t, former)
	specs := map[string][]any{}
	for _, obj := range harness.Decode(t, read(t, "objects.yaml")) {
		specs[obj.GetKind()] = append(specs[obj.GetKind()], obj.Object["spec"])
	}
	for kind, d := range was {
		spec := d.Spec.Versions[0].read(t).Properties["spec"]
		for _, field := range unset("spec", spec, specs[kind]...) {
			t.Errorf("no recorded %s sets %s", kind, field)
		}
	}
}

// What the former version left goes on as if nothing had happened: nothing is
// written to the console, nothing is forgotten, and what was remembered is
// acted on.
func TestFormerObjectsGoOn(t *testing.T) {
	e := harness.Upgrading(t, former, harness.Options{Unconnected: true})
	loadConsole(e)
	recorded := leave(e)
	e.Upgrade()
	inForce(e, odd(e)[0])
	for _, obj := range recorded {
		now := e.Live(obj)
		for _, part := range []string{"spec", "status"} {
			if !reflect.DeepEqual(now.Object[part], obj.Object[part]) {
				t.Errorf("the %s of %s %s is %v, was %v", part, obj.GetKind(), obj.GetName(), now.Object[part], obj.Object[part])
			}
		}
	}

	mark := e.Mark()
	e.Operator.Start(t)
	e.Compared(2)
	objects := map[string]client.Object{}
	for _, was := range recorded {
		obj := harness.Typed(t, was)
		objects[was.GetKind()+" "+was.GetName()] = obj
		if c, ok := obj.(*v1alpha1.ConsoleConnection); ok {
			before := *c.Status.UsersReadAt
			e.WaitUntil("wait until "+c.Name+" has read the console", func() bool {
				return e.Refresh(c) && before.Before(c.Status.UsersReadAt)
			})
		}
		e.WaitReason(obj, reason(t, obj))
		// It has been read anew.
		for _, part := range []string{"quota", "usersReadAt", "teamsReadAt", "teams"} {
			unstructured.RemoveNestedField(was.Object, "status", part)
		}
		now := e.Live(was).Object["status"].(map[string]any)
		for field, value := range was.Object["status"].(map[string]any) {
			if !reflect.DeepEqual(now[field], value) {
				t.Errorf("status.%s of %s %s is %v, was %v", field, was.GetKind(), was.GetName(), now[field], value)
			}
		}
	}
	e.WantWrites(mark)

	mark = e.Mark()
	growth := objects["Team growth"].(*v1alpha1.Team)
	harness.Update(e, growth, func(t *v1alpha1.Team) { t.Spec.Name = "Growth and Pricing" })
	e.WaitReady(growth)
	if team := e.TeamNamed("Growth and Pricing"); team.ID != growth.Status.ID {
		t.Errorf("the renamed team is %s, was %s", team.ID, growth.Status.ID)
	}
	e.WantWrites(mark, consolesim.UpdateTeam)

	mark = e.Mark()
	edsger, compilers := objects["UserRole edsger"], objects["Team compilers"]
	e.Delete(edsger, compilers)
	e.WaitGone(edsger, compilers)
	e.WantRole("edsger@example.com", consolesim.RoleReadOnly)
	e.TeamNamed("Compilers")
	e.WantWrites(mark, consolesim.UpdateUser)
}

// leave leaves in the cluster what the former version left there.
func leave(e *harness.Env) []*unstructured.Unstructured {
	e.T.Helper()
	namespace := e.NewNamespace(map[string]string{"console-access": "true"})
	e.CreateSecret("full-key", e.Key)
	for _, record := range harness.Decode(e.T, read(e.T, "records.yaml")) {
		record.SetNamespace(e.Operator.Namespace)
		if err := e.Client().Create(e.T.Context(), record); err != nil {
			e.T.Fatal(err)
		}
	}
	objects := harness.Decode(e.T, read(e.T, "objects.yaml"))
	for i, obj := range objects {
		if obj.GetKind() != "ConsoleConnection" {
			obj.SetNamespace(namespace)
		} else if err := unstructured.SetNestedField(obj.Object, e.Endpoint, "spec", "endpoint"); err != nil {
			e.T.Fatal(err)
		}
		if at, invited, _ := unstructured.NestedString(obj.Object, "status", "invitedAt"); invited {
			objects[i] = invitedLately(e.T, obj, at)
		}
		create(e, objects[i])
	}
	return objects
}

// invitedLately moves an invitation, and the time at which its object says that
// it is repeated, to an hour ago: it would be repeated after a week.
func invitedLately(t *testing.T, obj *unstructured.Unstructured, at string) *unstructured.Unstructured {
	t.Helper()
	was, err := time.Parse(time.RFC3339, at)
	if err != nil {
		t.Fatal(err)
	}
	text, err := obj.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	const week = 7 * 24 * time.Hour
	now := time.Now().UTC().Add(-time.Hour).Truncate(time.Second)
	for _, after := range []time.Duration{0, week} {
		text = bytes.ReplaceAll(text, []byte(was.Add(after).Format(time.RFC3339)), []byte(now.Add(after).Format(time.RFC3339)))
	}
	moved := &unstructured.Unstructured{}
	if err := moved.UnmarshalJSON(text); err != nil {
		t.Fatal(err)
	}
	return moved
}
