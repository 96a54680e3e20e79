// Package fairness proves that nobody waits for the quota who need not, that
// nobody waits for long because of somebody else, and that whoever waits is
// told the truth about it.
package fairness

import (
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/harness"
)

// busy is how many objects of one namespace wait.
var busy = flag.Int("busy", 600, "how many objects of one namespace wait while another has one")

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// alone is held by the test that runs: they measure time.
var alone sync.Mutex

// newEnv returns an environment with so many more people, all Read Only, and an
// operator that uses all of the windows, for what is wanted of it only. With it
// come UserRoles, not yet created, that make each of these people a Member.
func newEnv(t *testing.T, n int, windows ...consolesim.Window) (*harness.Env, []client.Object) {
	t.Helper()
	return newEnvWith(t, n, harness.Options{Windows: windows})
}

// newEnvWith is newEnv with more options.
func newEnvWith(t *testing.T, n int, o harness.Options) (*harness.Env, []client.Object) {
	t.Helper()
	o.Unconnected = true
	e := harness.Own(t, o)
	alone.Lock()
	t.Cleanup(alone.Unlock)
	var all []client.Object
	for i := range n {
		email := fmt.Sprintf("user%04d@example.com", i)
		e.Sim.PutUser(consolesim.User{Email: email, Role: consolesim.RoleReadOnly})
		all = append(all, e.UserRole(email, consolesim.RoleMember))
	}
	e.CreateSecret(e.Namespace, e.Key)
	e.Connection = e.NewConnection(e.Namespace)
	e.Connection.Spec.RateLimit.Share = 100
	e.Connection.Spec.Drift.Interval.Duration = time.Hour
	e.Create(e.Connection)
	t.Cleanup(func() {
		e.Operator.Stop()
		e.DiscardMany(all)
	})
	return e, all
}

// waitFor waits until holds returns true, which may take long.
func waitFor(t *testing.T, what string, longest time.Duration, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.NewTimer(longest)
	defer deadline.Stop()
	for !holds() {
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatalf("%s: not within %v", what, longest)
		}
	}
}

// quotaStatus is the quota as the connection tells it.
func quotaStatus(e *harness.Env) v1alpha1.QuotaStatus {
	e.T.Helper()
	e.Refresh(e.Connection)
	if q := e.Connection.Status.Quota; q != nil {
		return *q
	}
	return v1alpha1.QuotaStatus{}
}
