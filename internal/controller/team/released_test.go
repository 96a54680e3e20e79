package team

import (
	"strings"
	"testing"

	"github.com/console-access/console-access-operator/api/v1alpha1"
)

// TestForeignFinalizer: the finalizer of another controller keeps a deleted Team
// whose team is gone. It does not say that it is Ready, is not written again and
// again, and stands in nobody's way.
func TestForeignFinalizer(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.apply(t, object("compilers", func(team *v1alpha1.Team) { team.Finalizers = []string{"example.com/keep"} }))
		b.reconcile(t, "compilers")
		b.wants(t, "compilers", v1alpha1.ReasonSynced)
		b.apply(t, object("heir", func(team *v1alpha1.Team) { team.Spec.Name = "compilers" }))
		b.reconcile(t, "heir")
		b.wants(t, "heir", v1alpha1.ReasonNameTaken)
		if err := b.Client.Delete(t.Context(), b.get(t, "compilers")); err != nil {
			t.Fatal(err)
		}
		b.reconcile(t, "compilers")
		if n := len(b.sim.Teams()); n != 0 {
			t.Fatalf("the console has %d teams, want none", n)
		}
		kept := b.get(t, "compilers")
		b.wants(t, "compilers", v1alpha1.ReasonProgressing)
		if c := kept.Status.Conditions[0]; !strings.Contains(c.Message, "metadata.finalizers") {
			t.Errorf("it says %q, which does not name the finalizers", c.Message)
		}
		b.reconcile(t, "compilers")
		if now := b.get(t, "compilers"); now.ResourceVersion != kept.ResourceVersion {
			t.Errorf("it was written again: %+v", now.Status)
		}
		b.list(t)
		b.reconcile(t, "heir")
		b.wants(t, "heir", v1alpha1.ReasonSynced)
	})
}

// TestDeletedBeforeItWasSeen: of a Team that was deleted before the operator
// looked at it nothing is in the console, and the status says that it goes.
func TestDeletedBeforeItWasSeen(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.apply(t, object("compilers", func(team *v1alpha1.Team) { team.Finalizers = []string{"example.com/keep"} }))
		if err := b.Client.Delete(t.Context(), b.get(t, "compilers")); err != nil {
			t.Fatal(err)
		}
		b.reconcile(t, "compilers")
		b.wants(t, "compilers", v1alpha1.ReasonProgressing)
		if requests := b.sim.Requests(); len(requests) != 0 {
			t.Errorf("%d requests for it, want none", len(requests))
		}
	})
}
