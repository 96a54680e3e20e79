package integration

import (
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/test/harness"
)

// TestForeignFinalizers: objects of each kind that others keep after their
// deletion say so, and go when those have finished.
func TestForeignFinalizers(t *testing.T) {
	e := harness.Shared(t, harness.Options{})
	team, role := e.Team("growth", v1alpha1.TeamSpec{}), e.UserRole(alan, "Admin")
	e.Create(team, role)
	e.WaitReady(team, role)
	kept := []client.Object{team, role, e.Connection}
	finalizers := func(change func([]string) []string) {
		for _, obj := range kept {
			harness.Update(e, obj, func(obj client.Object) { obj.SetFinalizers(change(obj.GetFinalizers())) })
		}
	}
	finalizers(func(f []string) []string { return append(f, "example.com/keep") })
	e.Delete(kept...)
	for obj, reason := range map[client.Object]string{
		team: v1alpha1.ReasonProgressing, role: v1alpha1.ReasonProgressing, e.Connection: v1alpha1.ReasonConnectionNotReady,
	} {
		e.WaitMessage(obj, reason, "It was deleted", "metadata.finalizers")
		if f := obj.GetFinalizers(); len(f) != 1 {
			t.Errorf("%T has the finalizers %v, want the foreign one alone", obj, f)
		}
	}
	late := e.Team("late", v1alpha1.TeamSpec{})
	e.Create(late)
	e.WaitMessage(late, v1alpha1.ReasonConnectionNotReady, "It was deleted")
	finalizers(func([]string) []string { return nil })
	e.WaitGone(kept...)
}
