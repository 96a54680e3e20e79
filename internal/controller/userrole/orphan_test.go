package userrole

import (
	"testing"

	"github.com/console-access/console-access-operator/api/v1alpha1"
)

// TestUnclearOrphan: a value of force-orphan that means nothing may have been
// meant to keep the role. The deletion waits until somebody says which.
func TestUnclearOrphan(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bench) {
		b.put(ada, "Member")
		b.apply(t, "ada", ada, "Read Only", func(s *v1alpha1.UserRoleSpec) { s.DeletionPolicy = v1alpha1.UserRoleRestore })
		b.reconcile(t, "ada")
		annotate := func(annotations map[string]string) {
			obj := b.get(t, "ada")
			obj.Annotations = annotations
			if err := b.Client.Update(t.Context(), obj); err != nil {
				t.Fatal(err)
			}
			b.reconcile(t, "ada")
		}
		annotate(map[string]string{v1alpha1.ForceOrphanAnnotation: "yes"})
		b.wants(t, "ada", v1alpha1.ReasonSynced)
		if b.delete(t, "ada") {
			t.Error("it was let go")
		}
		b.has(t, ada, "Read Only")
		b.wants(t, "ada", v1alpha1.ReasonInvalidAnnotation)
		annotate(nil)
		b.has(t, ada, "Member")
	})
}
