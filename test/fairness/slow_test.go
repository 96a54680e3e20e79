package fairness

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/harness"
)

// TestSlowConsole: while 300 objects wait for the answers of a console that takes
// 8 s over each, an object of another project, whose console answers at once, is
// Ready at once, too.
func TestSlowConsole(t *testing.T) {
	const objects, latency, most = 300, 8 * time.Second, time.Second
	e, waiting := newEnv(t, objects)
	e.WaitReady(e.Connection)
	quick := otherConsole(e)
	if err := e.Sim.SetBehavior(func(b *consolesim.Behavior) { b.Latency = latency }); err != nil {
		t.Fatal(err)
	}
	mark := e.Mark()
	e.CreateMany(waiting)
	waitFor(t, "the slow console is asked for many answers", time.Minute, func() bool {
		return len(e.Since(mark, consolesim.UpdateUser)) >= 40
	})

	first := e.UserRole("alan@example.com", consolesim.RoleReadOnly)
	first.Spec.ConnectionRef.Name = quick
	first.Namespace = e.NewNamespace(nil)
	start := time.Now()
	e.Create(first)
	waitFor(t, "the other project's object is Ready", time.Minute, reason(e, first, v1alpha1.ReasonSynced))
	took := time.Since(start)
	t.Logf("Ready after %v beside %d calls of another project that take %v", took.Round(time.Millisecond), len(e.Since(mark, consolesim.UpdateUser)), latency)
	if took > most {
		t.Errorf("Ready after %v, want at most %v", took, most)
	}
}

// otherConsole makes a second console that answers at once, and a connection to
// it, whose name it returns.
func otherConsole(e *harness.Env) string {
	e.T.Helper()
	name, key := e.Namespace+"-other", "canary-other-"+e.Namespace
	sim := consolesim.New(consolesim.Options{Keys: []string{key}, Windows: consolesim.DefaultWindows()})
	if err := sim.Load(consolesim.DemoState()); err != nil {
		e.T.Fatal(err)
	}
	server := httptest.NewServer(sim)
	e.T.Cleanup(server.Close)
	e.CreateSecret(name, key)
	other := e.NewConnection(name)
	other.Spec.Endpoint = server.URL
	e.Create(other)
	e.WaitReady(other)
	return name
}
