package team

import (
	"strings"
	"testing"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
)

// TestUnclearOrphan: a value of force-orphan that means nothing may have been
// meant to keep the team. The deletion waits until somebody says which.
func TestUnclearOrphan(t *testing.T) {
	for value, kept := range map[string]bool{"yes": true, "True": true, "1": true, "": true, "true": true, "false": false} {
		t.Run(value, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				b.apply(t, object("compilers", func(team *v1alpha1.Team) { team.Finalizers = []string{"example.com/keep"} }))
				b.reconcile(t, "compilers")
				b.edit(t, "compilers", func(team *v1alpha1.Team) {
					team.Annotations = map[string]string{v1alpha1.ForceOrphanAnnotation: value}
				})
				if err := b.Client.Delete(t.Context(), b.get(t, "compilers")); err != nil {
					t.Fatal(err)
				}
				b.reconcile(t, "compilers")
				if left := len(b.sim.TeamsNamed("compilers")) == 1; left != kept {
					t.Fatalf("the team is left: %v, want %v", left, kept)
				}
				if value == "true" || value == "false" {
					return
				}
				b.wants(t, "compilers", v1alpha1.ReasonInvalidAnnotation)
				if c := b.get(t, "compilers").Status.Conditions[0]; !strings.Contains(c.Message, `to "true"`) {
					t.Errorf("it says %q, not what to do", c.Message)
				}
				b.edit(t, "compilers", func(team *v1alpha1.Team) { team.Annotations = nil })
				b.reconcile(t, "compilers")
				if n := len(b.sim.Teams()); n != 0 {
					t.Errorf("without the annotation %d teams are left", n)
				}
			})
		})
	}
}

// TestRequestTakenAway: a tool that removes the annotation by which somebody asked
// for a check, as Argo CD's self-heal does, asks for none.
func TestRequestTakenAway(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		annotate := func(annotations map[string]string) (reads int) {
			b.edit(t, "compilers", func(team *v1alpha1.Team) {
				team.Generation-- // edit counts one, and annotations are none
				team.Annotations = annotations
			})
			before := b.sim.Count(consolesim.GetTeam)
			b.reconcile(t, "compilers")
			return b.sim.Count(consolesim.GetTeam) - before
		}
		b.apply(t, object("compilers", nil))
		b.reconcile(t, "compilers")
		if n := annotate(map[string]string{v1alpha1.ReconcileRequestedAtAnnotation: "1"}); n != 1 {
			t.Fatalf("%d reads when it is asked for, want 1", n)
		}
		if n := annotate(nil); n != 0 {
			t.Errorf("%d reads when the annotation goes, want none", n)
		}
		if n := annotate(map[string]string{v1alpha1.ReconcileRequestedAtAnnotation: "1"}); n != 0 {
			t.Errorf("%d reads when its former value returns, want none", n)
		}
		if status := b.get(t, "compilers").Status; status.LastHandledReconcileAt != "1" {
			t.Errorf("the last request is %q, want 1", status.LastHandledReconcileAt)
		}
		if n := annotate(map[string]string{v1alpha1.ReconcileRequestedAtAnnotation: "2"}); n != 1 {
			t.Errorf("%d reads when it is asked for again, want 1", n)
		}
	})
}
