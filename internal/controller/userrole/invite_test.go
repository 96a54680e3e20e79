package userrole

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/internal/controller/access"
	"github.com/console-access/console-access-operator/internal/quota"
)

func invites(s *v1alpha1.UserRoleSpec) { s.WhenMissing = v1alpha1.WhenMissingInvite }

// vanish deletes an object, which goes.
func (b *bench) vanish(t *testing.T, name string) {
	t.Helper()
	if !b.delete(t, name) {
		t.Fatalf("%s is not let go: %+v", name, b.get(t, name).Status.Conditions)
	}
	obj := b.get(t, name)
	obj.Finalizers = nil
	if err := b.Client.Update(t.Context(), obj); err != nil {
		t.Fatal(err)
	}
	b.reconcile(t, name)
}

// read has the users listed.
func (b *bench) read(t *testing.T) {
	t.Helper()
	time.Sleep(time.Minute)
	_ = b.project.ReadUsers(console.Caller{Key: "lister", Lane: quota.Drift}, time.Now())
	time.Sleep(time.Second)
}

// An invitation is sent once in seven days to a person, however many objects come
// and go for them, and whichever process looks.
func TestInvitationOutlivesItsObject(t *testing.T) {
	for _, restarts := range []bool{false, true} {
		inBubble(t, nil, func(t *testing.T, b *bench) {
			began := time.Now()
			for i := range 5 {
				name := []string{"ada", "ada", "other/ada", "ada", "somebody"}[i]
				b.apply(t, name, "Ada@Example.com", "Member", invites)
				b.reconcile(t, name)
				b.wants(t, name, v1alpha1.ReasonInvited)
				b.vanish(t, name)
				if restarts {
					defer b.restart()()
				}
				time.Sleep(time.Hour)
			}
			if n := b.sim.Count(consolesim.InviteUsers); n != 1 {
				t.Errorf("restarts %v: %d invitations to one person", restarts, n)
			}
			b.apply(t, "ada", ada, "Member", invites)
			again := b.reconcile(t, "ada").RequeueAfter
			if due := time.Now().Add(again); due.Sub(began) < access.InviteAgainAfter || due.Sub(began) > access.InviteAgainAfter+time.Minute {
				t.Errorf("restarts %v: the next invitation is due %v after the first", restarts, due.Sub(began))
			}
			time.Sleep(again)
			b.reconcile(t, "ada")
			if n := b.sim.Count(consolesim.InviteUsers); n != 2 {
				t.Errorf("restarts %v: %d invitations after seven days, want 2", restarts, n)
			}
		})
	}
}

// Nor is it repeated through another connection to the project, or by an object
// that takes the person over from one that is not admitted any more.
func TestInvitationOfAnotherNamespace(t *testing.T) {
	inBubble(t, selecting, func(t *testing.T, b *bench) {
		other := b.connection.DeepCopy()
		other.Name, other.ResourceVersion = "other", ""
		if err := b.Client.Create(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		b.Links.Set("other", b.link())
		for _, namespace := range []string{"a", "b", "c"} {
			b.admit(t, namespace, "yes")
		}
		b.apply(t, "a/ada", ada, "Member", invites)
		b.reconcile(t, "a/ada")
		b.admit(t, "a", "no")
		b.apply(t, "b/ada", ada, "Member", invites)
		b.reconcile(t, "b/ada")
		b.wants(t, "b/ada", v1alpha1.ReasonInvited)
		b.vanish(t, "b/ada")
		b.apply(t, "c/ada", ada, "Member", func(s *v1alpha1.UserRoleSpec) {
			s.WhenMissing, s.ConnectionRef.Name = v1alpha1.WhenMissingInvite, "other"
		})
		b.reconcile(t, "c/ada")
		b.wants(t, "c/ada", v1alpha1.ReasonInvited)
		if n := b.sim.Count(consolesim.InviteUsers); n != 1 {
			t.Errorf("%d invitations to one person", n)
		}
	})
}

// Who has appeared, and left again, is invited anew; so is somebody else at once.
func TestInvitationEndsWithItsPerson(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bench) {
		b.apply(t, "ada", ada, "Member", invites)
		b.reconcile(t, "ada")
		b.vanish(t, "ada")
		if told := b.told(t); len(told) != 1 || told[ada].IsZero() {
			t.Errorf("the connection tells of %v", told)
		}
		b.apply(t, "grace", grace, "Member", invites)
		b.reconcile(t, "grace")
		b.wants(t, "grace", v1alpha1.ReasonInvited)
		b.sim.AcceptInvite(ada)
		b.apply(t, "ada", ada, "Member", invites)
		b.read(t)
		b.reconcile(t, "ada")
		b.wants(t, "ada", v1alpha1.ReasonSynced)
		if told := b.told(t); len(told) != 0 {
			t.Errorf("the connection tells of %v after they joined", told)
		}
		b.vanish(t, "ada")
		b.sim.RemoveUser(ada)
		b.apply(t, "ada", ada, "Member", invites)
		for range 3 {
			b.read(t)
			b.reconcile(t, "ada")
		}
		b.wants(t, "ada", v1alpha1.ReasonInvited)
		if n := b.sim.Count(consolesim.InviteUsers); n != 3 {
			t.Errorf("%d invitations, want one of grace and two of ada", n)
		}
	})
}

// told is what the connection's status tells of invitations.
func (b *bench) told(t *testing.T) map[string]time.Time {
	t.Helper()
	c := &v1alpha1.ConsoleConnection{}
	if err := b.Client.Get(t.Context(), types.NamespacedName{Name: "default"}, c); err != nil {
		t.Fatal(err)
	}
	out := map[string]time.Time{}
	for email, at := range c.Status.Invitations {
		out[email] = at.Time
	}
	return out
}

// An invitation that the console refuses is sent again at the interval, and the
// condition has the console's words.
func TestRefusedInvitation(t *testing.T) {
	for _, status := range []int{400, 404} {
		inBubble(t, nil, func(t *testing.T, b *bench) {
			if err := b.sim.SetBehavior(func(s *consolesim.Behavior) { s.UnknownRole = status }); err != nil {
				t.Fatal(err)
			}
			b.apply(t, "ada", ada, "Astronaut", invites)
			b.reconcile(t, "ada")
			for range 60 {
				b.read(t)
				b.reconcile(t, "ada")
			}
			b.wants(t, "ada", v1alpha1.ReasonRejected)
			if n := b.sim.Count(consolesim.InviteUsers); n > 7 {
				t.Errorf("%d: %d invitations within an hour, want one an interval", status, n)
			}
			if at := b.get(t, "ada").Status.InvitedAt; at != nil {
				t.Errorf("%d: a refused invitation is recorded as sent at %v", status, at)
			}
		})
	}
}

// Somebody who has an invitation is Invited, whatever the console calls that.
func TestInvitedBefore(t *testing.T) {
	for _, status := range []int{200, 400, 409} {
		for _, form := range []string{consolesim.RefusalsMessage, consolesim.RefusalsErrors, consolesim.RefusalsIndex} {
			inBubble(t, nil, func(t *testing.T, b *bench) {
				if err := b.sim.SetBehavior(func(s *consolesim.Behavior) { s.InvitedAgain, s.Refusals = status, form }); err != nil {
					t.Fatal(err)
				}
				if err := b.sim.Load(consolesim.State{Invites: []consolesim.Invite{{Email: ada, Role: "Member"}}}); err != nil {
					t.Fatal(err)
				}
				b.apply(t, "ada", ada, "Member", invites)
				b.reconcile(t, "ada")
				b.wants(t, "ada", v1alpha1.ReasonInvited)
				if n := b.sim.Count(consolesim.InviteUsers); n != 1 {
					t.Errorf("%d, %s: %d invitations", status, form, n)
				}
			})
		}
	}
}

// An invitation spells the role as an update does.
func TestInvitationSpellsTheRole(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bench) {
		b.apply(t, "ada", ada, "read-only", invites)
		b.reconcile(t, "ada")
		b.wants(t, "ada", v1alpha1.ReasonInvited)
		if got := b.sim.Invites(); len(got) != 1 || got[0].Role != "Read Only" {
			t.Errorf("invited %+v", got)
		}
	})
}
