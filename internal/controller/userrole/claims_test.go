package userrole

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
)

// selecting is a connection that admits the namespaces with the label console=yes.
func selecting(c *v1alpha1.ConsoleConnection) {
	c.Spec.AllowedNamespaces = v1alpha1.AllowedNamespaces{
		From: v1alpha1.NamespacesFromSelector, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"console": "yes"}},
	}
}

// admit says whether such a connection admits a namespace.
func (b *bench) admit(t *testing.T, namespace, answer string) {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace, Labels: map[string]string{"console": answer}}}
	if b.Client.Create(t.Context(), ns.DeepCopy()) == nil {
		return
	}
	if err := b.Client.Update(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
}

// Two UserRoles for one person that go through two connections to the project do
// not rewrite the role in turn.
func TestPersonOfAnotherConnection(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bench) {
		other := b.connection.DeepCopy()
		other.Name, other.ResourceVersion = "other", ""
		if err := b.Client.Create(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		b.Links.Set("other", b.link())
		b.put(ada, "Member")
		b.put(grace, "Admin")
		b.apply(t, "ada", ada, "Admin", nil)
		b.apply(t, "again", "ADA@example.com", "Read Only", func(s *v1alpha1.UserRoleSpec) { s.ConnectionRef.Name = "other" })
		for range 3 {
			b.reconcile(t, "ada")
			b.reconcile(t, "again")
		}
		b.wants(t, "ada", v1alpha1.ReasonSynced)
		b.wants(t, "again", v1alpha1.ReasonNameTaken)
		b.has(t, ada, "Admin")
		if n := b.sim.Count(consolesim.UpdateUser); n != 1 {
			t.Errorf("%d writes, want 1", n)
		}
	})
}

// A UserRole whose namespace was not admitted for a while does not get back, by
// whatever edit, the person that another one manages now.
func TestFormerOwner(t *testing.T) {
	inBubble(t, selecting, func(t *testing.T, b *bench) {
		b.admit(t, "a", "yes")
		b.admit(t, "b", "yes")
		b.put(ada, "Read Only")
		b.put(grace, "Admin")
		b.apply(t, "a/ada", ada, "Member", nil)
		b.reconcile(t, "a/ada")
		b.apply(t, "b/ada", ada, "Read Only", nil)
		b.admit(t, "a", "no")
		b.reconcile(t, "b/ada")
		b.reconcile(t, "a/ada")
		b.wants(t, "a/ada", v1alpha1.ReasonNamespaceNotAllowed)
		b.has(t, ada, "Read Only")
		b.edit(t, "a/ada", func(s *v1alpha1.UserRoleSpec) { s.Suspend = true })
		b.reconcile(t, "a/ada")
		b.admit(t, "a", "yes")
		b.edit(t, "a/ada", func(s *v1alpha1.UserRoleSpec) { s.Suspend, s.Role = false, "Admin" })
		for range 2 {
			b.reconcile(t, "a/ada")
			b.reconcile(t, "b/ada")
		}
		b.wants(t, "a/ada", v1alpha1.ReasonNameTaken)
		b.wants(t, "b/ada", v1alpha1.ReasonSynced)
		b.has(t, ada, "Read Only")
	})
}

// A deletion in a namespace that the connection no longer admits changes nothing.
func TestDeletionWithoutAdmission(t *testing.T) {
	tests := []struct {
		policy v1alpha1.UserRoleDeletionPolicy
		to     v1alpha1.RoleName
	}{
		{v1alpha1.UserRoleDowngrade, "Analyst"}, {v1alpha1.UserRoleDowngrade, "Read Only"},
		{v1alpha1.UserRoleDowngrade, "Ad-min"}, {v1alpha1.UserRoleRestore, ""},
	}
	for _, tt := range tests {
		inBubble(t, selecting, func(t *testing.T, b *bench) {
			b.sim.PutRole(consolesim.Role{Name: "Analyst"})
			b.admit(t, "a", "yes")
			b.put(ada, "Admin")
			b.put(grace, "Admin")
			b.apply(t, "a/ada", ada, "Member", nil)
			b.reconcile(t, "a/ada")
			b.admit(t, "a", "no")
			b.reconcile(t, "a/ada")
			b.edit(t, "a/ada", func(s *v1alpha1.UserRoleSpec) { s.DeletionPolicy, s.DowngradeTo = tt.policy, tt.to })
			if !b.delete(t, "a/ada") {
				t.Errorf("%+v: it was not let go: %+v", tt, b.get(t, "a/ada").Status.Conditions)
			}
			b.has(t, ada, "Member")
			if !b.emitted("does not admit namespace \"a\"") {
				t.Errorf("%+v: no event says why the role stays", tt)
			}
		})
	}
}

// Only a UserRole that is at work keeps another's deletion from taking the role
// away.
func TestDeletionBesideOneThatDoesNothing(t *testing.T) {
	for name, stop := range map[string]func(t *testing.T, b *bench){
		"not admitted": func(t *testing.T, b *bench) { b.admit(t, "a", "no") },
		"suspended":    func(*testing.T, *bench) {},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, selecting, func(t *testing.T, b *bench) {
				b.admit(t, "a", "yes")
				b.admit(t, "b", "yes")
				b.put(ada, "Read Only")
				b.put(grace, "Admin")
				b.apply(t, "a/ada", ada, "Member", nil)
				b.reconcile(t, "a/ada")
				b.edit(t, "a/ada", func(s *v1alpha1.UserRoleSpec) { s.Suspend = true })
				b.reconcile(t, "a/ada")
				b.admit(t, "a", "no")
				b.apply(t, "b/ada", ada, "Admin", func(s *v1alpha1.UserRoleSpec) { s.DeletionPolicy = v1alpha1.UserRoleDowngrade })
				b.reconcile(t, "b/ada")
				b.has(t, ada, "Admin")
				// As when the process ended after the write, and before it said so.
				obj := b.get(t, "b/ada")
				obj.Status.SyncedGeneration = 0
				if err := b.Client.Status().Update(t.Context(), obj); err != nil {
					t.Fatal(err)
				}
				b.admit(t, "a", "yes")
				stop(t, b)
				if !b.delete(t, "b/ada") {
					t.Fatalf("it was not let go: %+v", b.get(t, "b/ada").Status.Conditions)
				}
				b.has(t, ada, "Read Only")
			})
		})
	}
}
