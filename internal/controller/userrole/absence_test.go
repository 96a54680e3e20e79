package userrole

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/consolesim"
)

// refuses has the console refuse calls in its own words.
func (b *bench) refuses(endpoint string, status int, message string, times int) {
	b.sim.Inject(consolesim.Fault{Endpoint: endpoint, Effect: consolesim.EffectError, Status: status, Times: times,
		ContentType: "application/json", Body: fmt.Sprintf(`{"status":%d,"message":%q}`, status, message)})
}

// follow reconciles an object whenever it asks to be, and every five seconds, while
// listings are read every half minute.
func (b *bench) follow(t *testing.T, name string, period time.Duration) {
	t.Helper()
	listed := time.Now()
	for end := time.Now().Add(period); time.Now().Before(end); {
		again, err := b.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "tenant", Name: name}})
		if err != nil {
			t.Fatal(err)
		}
		if time.Since(listed) > 30*time.Second {
			listed = time.Now()
			_ = b.project.ReadUsers(console.Caller{Key: "lister"}, listed)
		}
		pause := 5 * time.Second
		if again.RequeueAfter > 0 {
			pause = min(pause, again.RequeueAfter)
		}
		time.Sleep(pause)
	}
}

// Somebody whose update the console refuses with a 404 about something else is there:
// they are neither said to be missing nor invited.
func TestRefusedUpdateOfSomebodyThere(t *testing.T) {
	for _, missing := range []v1alpha1.WhenMissing{v1alpha1.WhenMissingWait, v1alpha1.WhenMissingInvite} {
		for _, hidden := range []bool{false, true} {
			t.Run(fmt.Sprint(missing, " hidden ", hidden), func(t *testing.T) {
				inBubble(t, nil, func(t *testing.T, b *bench) {
					b.put(ada, "Member")
					b.put(grace, "Admin")
					b.refuses(consolesim.UpdateUser, 404, "Role not found", 0)
					if hidden {
						b.refuses(consolesim.GetUser, 404, "User not found", 0)
					}
					b.apply(t, "ada", ada, "Astronaut", func(s *v1alpha1.UserRoleSpec) { s.WhenMissing = missing })
					for range 5 {
						b.follow(t, "ada", 5*time.Minute)
						b.wants(t, "ada", v1alpha1.ReasonRejected)
						if said := b.message(t, "ada"); !strings.Contains(said, "Role not found") {
							t.Errorf("it says %q", said)
						}
					}
					posts, gets := b.sim.Count(consolesim.UpdateUser), b.sim.Count(consolesim.GetUser)
					if posts > 3 || gets > 3 || b.sim.Count(consolesim.InviteUsers) != 0 {
						t.Errorf("%d updates, %d reads and %d invitations within 25 minutes", posts, gets, b.sim.Count(consolesim.InviteUsers))
					}
				})
			})
		}
	}
}

// Somebody who has left when they are to be changed is missing, which a listing proves.
func TestGoneWhenChanged(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bench) {
		b.put(ada, "Member")
		b.put(grace, "Admin")
		_ = b.project.ReadUsers(console.Caller{Key: "lister"}, time.Now())
		time.Sleep(time.Minute)
		b.sim.RemoveUser(ada)
		b.apply(t, "ada", ada, "Read Only", nil)
		b.reconcile(t, "ada")
		b.wants(t, "ada", v1alpha1.ReasonUserNotFound)
		if n := b.sim.Count(consolesim.UpdateUser); n != 1 {
			t.Errorf("%d updates, want 1", n)
		}
	})
}

// Nobody is invited before a listing that began after the question lacks them, though
// the console answers that it does not know them.
func TestNobodyIsInvitedByOneAnswer(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bench) {
		_ = b.project.ReadUsers(console.Caller{Key: "lister"}, time.Now())
		time.Sleep(time.Minute)
		b.put(ada, "Read Only") // after the listing
		b.refuses(consolesim.GetUser, 404, "User not found", 0)
		b.apply(t, "ada", ada, "Member", func(s *v1alpha1.UserRoleSpec) { s.WhenMissing = v1alpha1.WhenMissingInvite })
		b.reconcile(t, "ada")
		b.wants(t, "ada", v1alpha1.ReasonSynced)
		if n := b.sim.Count(consolesim.InviteUsers); n != 0 {
			t.Errorf("%d invitations for somebody who is there", n)
		}
	})
}

// A deletion that would restore a role does not let go for one refusal.
func TestRefusalDuringDeletion(t *testing.T) {
	for _, endpoint := range []string{consolesim.GetUser, consolesim.UpdateUser} {
		t.Run(endpoint, func(t *testing.T) {
			inBubble(t, nil, func(t *testing.T, b *bench) {
				b.put(ada, "Read Only")
				b.put(grace, "Admin")
				b.apply(t, "ada", ada, "Admin", func(s *v1alpha1.UserRoleSpec) { s.DeletionPolicy = v1alpha1.UserRoleRestore })
				b.reconcile(t, "ada")
				b.has(t, ada, "Admin")
				time.Sleep(time.Minute)
				b.refuses(endpoint, 404, "Not Found", 1)
				b.delete(t, "ada")
				b.follow(t, "ada", 21*time.Minute)
				b.has(t, ada, "Read Only")
				if len(b.get(t, "ada").Finalizers) != 1 {
					t.Error("it is not let go")
				}
			})
		})
	}
}
