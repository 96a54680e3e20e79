package userrole

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
)

// remove deletes an object, and does not look at it.
func (b *bench) remove(t *testing.T, name string) {
	t.Helper()
	if err := b.Client.Delete(t.Context(), b.get(t, name)); err != nil {
		t.Fatal(err)
	}
}

// released reports whether a deleted object was let go.
func (b *bench) released(t *testing.T, name string) bool {
	t.Helper()
	return !slices.Contains(b.get(t, name).Finalizers, v1alpha1.Finalizer)
}

func (b *bench) message(t *testing.T, name string) string {
	t.Helper()
	for _, c := range b.get(t, name).Status.Conditions {
		if c.Type == v1alpha1.ReadyCondition {
			return c.Message
		}
	}
	return ""
}

// A UserRole that is deleted hands the person over to another one for the same
// person, with the role that was found at first: the role does not change.
func TestHandOver(t *testing.T) {
	for _, policy := range []v1alpha1.UserRoleDeletionPolicy{v1alpha1.UserRoleOrphan, v1alpha1.UserRoleRestore, v1alpha1.UserRoleDowngrade} {
		for _, first := range []string{"ada", "moved/ada"} {
			t.Run(string(policy)+", first looked at: "+first, func(t *testing.T) {
				inBubble(t, nil, func(t *testing.T, b *bench) {
					b.put(ada, "Read Only")
					b.put(grace, "Admin")
					deletes := func(s *v1alpha1.UserRoleSpec) { s.DeletionPolicy = policy }
					b.apply(t, "ada", ada, "Member", deletes)
					b.reconcile(t, "ada")
					b.apply(t, "moved/ada", "ADA@example.com", "Member", func(s *v1alpha1.UserRoleSpec) { s.DeletionPolicy = v1alpha1.UserRoleRestore })
					b.reconcile(t, "moved/ada")
					b.wants(t, "moved/ada", v1alpha1.ReasonNameTaken)
					if said := b.message(t, "moved/ada"); !strings.Contains(said, "When the other is deleted, this one takes over the person") {
						t.Errorf("before it happens it says %q", said)
					}
					writes := b.sim.Count(consolesim.UpdateUser)
					b.remove(t, "ada")
					if first == "ada" {
						b.reconcile(t, "ada")
						b.wants(t, "ada", v1alpha1.ReasonProgressing)
					}
					b.reconcile(t, "moved/ada")
					b.reconcile(t, "ada")
					if !b.released(t, "ada") {
						t.Fatalf("it was not let go: %+v", b.get(t, "ada").Status.Conditions)
					}
					b.reconcile(t, "moved/ada")
					b.wants(t, "moved/ada", v1alpha1.ReasonSynced)
					if got := b.get(t, "moved/ada").Status.PreviousRole; got != "Read Only" {
						t.Errorf("the previous role is %q, want the one found at first", got)
					}
					if n := b.sim.Count(consolesim.UpdateUser) - writes; n != 0 {
						t.Errorf("%d writes, want none", n)
					}
					if !b.delete(t, "moved/ada") {
						t.Fatal("it was not let go")
					}
					b.has(t, ada, "Read Only")
				})
			})
		}
	}
}

// An invitation is handed over, too, and not sent again.
func TestInvitationIsHandedOver(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bench) {
		invites := func(s *v1alpha1.UserRoleSpec) { s.WhenMissing = v1alpha1.WhenMissingInvite }
		b.apply(t, "ada", ada, "Member", invites)
		b.reconcile(t, "ada")
		at := b.get(t, "ada").Status.InvitedAt
		time.Sleep(time.Minute)
		b.apply(t, "moved/ada", ada, "Member", invites)
		b.reconcile(t, "moved/ada")
		b.remove(t, "ada")
		for range 2 {
			b.reconcile(t, "ada")
			b.reconcile(t, "moved/ada")
		}
		if !b.released(t, "ada") {
			t.Fatalf("it was not let go: %+v", b.get(t, "ada").Status.Conditions)
		}
		b.wants(t, "moved/ada", v1alpha1.ReasonInvited)
		if got := b.get(t, "moved/ada").Status.InvitedAt; got == nil || !got.Equal(at) {
			t.Errorf("it was invited at %v, want %v", got, at)
		}
		if n := b.sim.Count(consolesim.InviteUsers); n != 1 {
			t.Errorf("%d invitations, want 1", n)
		}
	})
}

// Nothing is handed over to a UserRole that does nothing for the person: the
// deletionPolicy is followed.
func TestNoHandOver(t *testing.T) {
	tests := map[string]struct {
		role   string
		change func(*v1alpha1.UserRoleSpec)
	}{
		"may not grant its role": {"Admin", nil},
		"only observes":          {"Member", func(s *v1alpha1.UserRoleSpec) { s.Mode = v1alpha1.ModeObserve }},
		"suspended":              {"Member", func(s *v1alpha1.UserRoleSpec) { s.Suspend = true }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			allow := func(c *v1alpha1.ConsoleConnection) { c.Spec.AllowedRoles = []v1alpha1.RoleName{"Member", "Read Only"} }
			inBubble(t, allow, func(t *testing.T, b *bench) {
				b.put(ada, "Read Only")
				b.put(grace, "Admin")
				b.apply(t, "ada", ada, "Member", func(s *v1alpha1.UserRoleSpec) { s.DeletionPolicy = v1alpha1.UserRoleDowngrade })
				b.reconcile(t, "ada")
				b.apply(t, "other", ada, tt.role, tt.change)
				b.reconcile(t, "other")
				if said := b.message(t, "other"); name != "suspended" && !strings.Contains(said, "its deletionPolicy is followed") {
					t.Errorf("before it happens it says %q", said)
				}
				if !b.delete(t, "ada") {
					t.Fatalf("it was not let go: %+v", b.get(t, "ada").Status.Conditions)
				}
				b.has(t, ada, "Read Only")
			})
		})
	}
}
