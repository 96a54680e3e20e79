package connection

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/console-access/console-access-operator/api/v1alpha1"
)

// TestRequestTakenAway: a tool that removes the annotation by which somebody asked
// for a check, as Argo CD's self-heal does, asks for none.
func TestRequestTakenAway(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		annotate := func(annotations map[string]string) (requests int) {
			time.Sleep(time.Minute)
			b.edit(t, func(c *v1alpha1.ConsoleConnection) { c.Annotations = annotations })
			before := b.sim.Counters().Total
			b.reconcile(t)
			return b.sim.Counters().Total - before
		}
		b.reconcile(t)
		asked := map[string]string{v1alpha1.ReconcileRequestedAtAnnotation: "1"}
		if n := annotate(asked); n != 2 {
			t.Fatalf("%d requests when it is asked for, want one for each listing", n)
		}
		if n := annotate(nil); n != 0 {
			t.Errorf("%d requests when the annotation goes, want none", n)
		}
		if n := annotate(asked); n != 0 {
			t.Errorf("%d requests when its former value returns, want none", n)
		}
	})
}

// TestUnclearOrphan: a connection in use says of a value of force-orphan that means
// nothing that it does, and stays.
func TestUnclearOrphan(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		team := &v1alpha1.Team{ObjectMeta: metav1.ObjectMeta{Namespace: "tenant", Name: "growth", Finalizers: []string{v1alpha1.Finalizer}}}
		if err := b.Client.Create(t.Context(), team); err != nil {
			t.Fatal(err)
		}
		b.reconcile(t)
		b.edit(t, func(c *v1alpha1.ConsoleConnection) {
			c.Annotations = map[string]string{v1alpha1.ForceOrphanAnnotation: "yes"}
		})
		if err := b.Client.Delete(t.Context(), b.get(t)); err != nil {
			t.Fatal(err)
		}
		b.reconcile(t)
		b.wants(t, v1alpha1.ReasonInvalidAnnotation, "\"yes\", which means nothing")
		b.edit(t, func(c *v1alpha1.ConsoleConnection) { c.Annotations = nil })
		b.reconcile(t)
		b.wants(t, v1alpha1.ReasonInUse, "tenant/growth")
	})
}
