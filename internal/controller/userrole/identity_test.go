package userrole

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/internal/controller/access"
)

// restored has an object, as a backup without status has it, take the place of the
// one there is, which is gone without a call to the console. A new process begins.
func (b *bench) restored(t *testing.T, name string) {
	t.Helper()
	was := b.get(t, name)
	obj := &v1alpha1.UserRole{Spec: was.Spec}
	obj.Namespace, obj.Name, obj.Annotations, obj.Finalizers = was.Namespace, was.Name, was.Annotations, was.Finalizers
	obj.UID, obj.Generation = types.UID("restored "+name), 1
	was.Finalizers = nil
	if err := b.Client.Update(t.Context(), was); err != nil {
		t.Fatal(err)
	}
	if err := b.Client.Delete(t.Context(), was); err != nil {
		t.Fatal(err)
	}
	if err := b.Client.Create(t.Context(), obj); err != nil {
		t.Fatal(err)
	}
	b.Memory = &access.Memory{}
}

// A UserRole that is restored without its status knows the role found at first, and
// whom it has invited.
func TestRestored(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bench) {
		b.put(ada, "Read Only")
		b.put(grace, "Admin")
		b.apply(t, "ada", ada, "Member", func(s *v1alpha1.UserRoleSpec) { s.DeletionPolicy = v1alpha1.UserRoleRestore })
		b.reconcile(t, "ada")
		b.restored(t, "ada")
		b.reconcile(t, "ada")
		b.wants(t, "ada", v1alpha1.ReasonSynced)
		if got := b.get(t, "ada").Status.PreviousRole; got != "Read Only" {
			t.Errorf("the previous role is %q, want the one found at first", got)
		}
		if n := b.sim.Count(consolesim.UpdateUser); n != 1 {
			t.Errorf("%d writes, want the first one", n)
		}
		if !b.delete(t, "ada") {
			t.Fatal("it was not let go")
		}
		b.has(t, ada, "Read Only")
	})
	inBubble(t, nil, func(t *testing.T, b *bench) {
		b.apply(t, "ada", ada, "Member", func(s *v1alpha1.UserRoleSpec) { s.WhenMissing = v1alpha1.WhenMissingInvite })
		b.reconcile(t, "ada")
		time.Sleep(time.Minute)
		b.restored(t, "ada")
		b.reconcile(t, "ada")
		b.wants(t, "ada", v1alpha1.ReasonInvited)
		if n := b.sim.Count(consolesim.InviteUsers); n != 1 {
			t.Errorf("%d invitations, want 1", n)
		}
	})
}
