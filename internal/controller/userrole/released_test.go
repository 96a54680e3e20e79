package userrole

import (
	"testing"

	"github.com/console-access/console-access-operator/api/v1alpha1"
)

// TestForeignFinalizer: the finalizer of another controller keeps a deleted
// UserRole that the operator is done with. It does not say that it is Ready, is
// not written again and again, and stands in nobody's way.
func TestForeignFinalizer(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bench) {
		b.put(ada, "Member")
		restore := func(s *v1alpha1.UserRoleSpec) { s.DeletionPolicy = v1alpha1.UserRoleRestore }
		b.apply(t, "first", ada, "Read Only", restore)
		b.reconcile(t, "first")
		b.wants(t, "first", v1alpha1.ReasonSynced)
		if !b.delete(t, "first") {
			t.Fatal("it was not let go")
		}
		b.has(t, ada, "Member")
		kept := b.get(t, "first")
		b.wants(t, "first", v1alpha1.ReasonProgressing)
		b.reconcile(t, "first")
		if now := b.get(t, "first"); now.ResourceVersion != kept.ResourceVersion {
			t.Errorf("it was written again: %+v", now.Status)
		}
		b.apply(t, "second", ada, "Read Only", nil)
		b.reconcile(t, "second")
		b.wants(t, "second", v1alpha1.ReasonSynced)
		b.has(t, ada, "Read Only")
	})
}
