package crash

import (
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/harness"
)

// TestRestartChangesNothingSaid: what was Ready stays Ready while a new process
// reads the console for the first time, however often the one before was
// stopped while it did.
func TestRestartChangesNothingSaid(t *testing.T) {
	e := harness.Own(t, harness.Options{})
	role := e.UserRole("alan@example.com", "Member")
	e.Create(role)
	e.WaitReady(role, e.Connection)
	since := meta.FindStatusCondition(e.Connection.Status.Conditions, v1alpha1.ReadyCondition).LastTransitionTime
	version := role.ResourceVersion

	slowly := func(b *consolesim.Behavior) { b.Latency = 500 * time.Millisecond }
	if err := e.Sim.SetBehavior(slowly); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		e.Operator.Stop()
		mark := e.Mark()
		e.Operator.Start(t)
		e.WaitUntil("wait until the console is being read", func() bool { return len(e.Since(mark)) > 0 })
		// Conditions tell the second only.
		e.WaitUntil("wait for the next second", func() bool { return time.Since(since.Time) > 2*time.Second })
		e.Refresh(e.Connection)
		ready := meta.FindStatusCondition(e.Connection.Status.Conditions, v1alpha1.ReadyCondition)
		if ready.Status != metav1.ConditionTrue || !ready.LastTransitionTime.Equal(&since) {
			e.Fatalf("while the console is being read, the connection says %+v", ready)
		}
	}
	e.Compared(1)
	e.Refresh(e.Connection)
	ready := meta.FindStatusCondition(e.Connection.Status.Conditions, v1alpha1.ReadyCondition)
	if !ready.LastTransitionTime.Equal(&since) {
		e.Fatalf("the connection has been Ready only since %v, not since %v", ready.LastTransitionTime, since)
	}
	if e.Refresh(role); role.ResourceVersion != version {
		e.Fatalf("the UserRole was written; its status is now %+v", role.Status)
	}
}

// TestManagersHaveTheAPIServerToThemselves: managers that are processes of their
// own look after all objects, and would report other tests' connections as broken.
func TestManagersHaveTheAPIServerToThemselves(t *testing.T) {
	var mu sync.Mutex
	servers := map[string]string{}
	t.Run("environments", func(t *testing.T) {
		for name, begin := range map[string]func(*testing.T, harness.Options) *harness.Env{
			"managers": harness.Outside, "an operator of its own": harness.Stopped,
		} {
			t.Run(name, func(t *testing.T) {
				e := begin(t, harness.Options{Unconnected: true})
				mu.Lock()
				defer mu.Unlock()
				servers[e.Config().Host] = name
			})
		}
	})
	if len(servers) != 2 {
		t.Errorf("the API servers are %v, want one of the managers' own", servers)
	}
}
