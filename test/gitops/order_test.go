package gitops

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/harness"
)

// TestDeletedAtOnce: when everything but the Secret is deleted at once, the
// connection stays by itself until what needs it is gone.
func TestDeletedAtOnce(t *testing.T) {
	e := harness.Shared(t, harness.Options{Unconnected: true})
	objects, m := e.Samples(e.Namespace), newManager(e)
	apply(e, m, objects)
	e.WaitReady(allTyped(objects)...)
	prune(e, m, objects...)
	if teams := e.Sim.TeamsNamed("Growth"); len(teams) > 0 {
		t.Errorf("the team is still in the console: %+v", teams)
	}
	e.WantRole("barbara@example.com", "Read Only") // Downgrade
	e.WantRole("edsger@example.com", "Read Only")  // Restore
}

// TestConnectionDeletedFirst: the connection stays, says who needs it, and goes
// on working for them.
func TestConnectionDeletedFirst(t *testing.T) {
	e := harness.Shared(t, harness.Options{Unconnected: true})
	objects, m := e.Samples(e.Namespace), newManager(e)
	apply(e, m, objects)
	e.WaitReady(allTyped(objects)...)
	connection := named(t, objects, "ConsoleConnection", e.Namespace)
	e.Delete(typed(connection))
	e.WaitMessage(typed(connection), v1alpha1.ReasonInUse, "5 objects still use this connection", "Team "+e.Namespace+"/growth")
	if got := bothWays(t, e.Live(connection)); got.Status != degraded.argo || got.DeletionMessage != got.Message {
		t.Errorf("Argo CD shows %+v", got)
	}
	e.Sim.PutUser(consolesim.User{Email: "edsger@example.com", Role: "Admin"})
	e.WaitUntil("wait for the role to be put back", func() bool {
		user, _ := e.Sim.User("edsger@example.com")
		return user.Role == "Member"
	})
	prune(e, m, objects...)
}

// TestSecretDeletedFirst: what has to be taken out of the console waits for the
// key and says so, and goes on by itself when the key is back.
func TestSecretDeletedFirst(t *testing.T) {
	e := harness.Shared(t, harness.Options{Unconnected: true})
	objects := e.Samples(e.Namespace)
	apply(e, newManager(e), objects)
	e.WaitReady(allTyped(objects)...)
	connection, growth := named(t, objects, "ConsoleConnection", e.Namespace), named(t, objects, "Team", "growth")
	e.Delete(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: e.Operator.Namespace, Name: e.Namespace}})
	e.WaitMessage(typed(connection), v1alpha1.ReasonConnectionNotReady, "There is no Secret")
	e.Delete(allTyped(objects)...)
	e.WaitMessage(typed(growth), v1alpha1.ReasonConnectionNotReady, "There is no Secret", v1alpha1.ForceOrphanAnnotation)
	e.TeamNamed("Growth")
	e.CreateSecret(e.Namespace, e.Key)
	e.WaitGone(allTyped(objects)...)
	if teams := e.Sim.TeamsNamed("Growth"); len(teams) > 0 {
		t.Errorf("the team is still in the console: %+v", teams)
	}
}
