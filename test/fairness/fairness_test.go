package fairness

import (
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/harness"
)

// TestOneObjectDoesNotWaitForThousands: while thousands of objects of one
// namespace wait, the only one of another is Ready within two turns of the
// window.
func TestOneObjectDoesNotWaitForThousands(t *testing.T) {
	window := consolesim.Window{Requests: 16, Per: 4 * time.Second}
	// Some are served while the others are being created.
	e, thousands := newEnv(t, *busy*5/4, window)
	first := e.UserRole("alan@example.com", consolesim.RoleAdmin)
	e.CreateMany(thousands)
	waiting := 0
	waitFor(t, "the objects of the busy namespace wait", 10*time.Minute, func() bool {
		waiting = int(quotaStatus(e).Waiting.Change)
		return waiting >= *busy
	})

	first.Namespace = e.NewNamespace(nil)
	start := time.Now()
	e.Create(first)
	waitFor(t, "the quiet namespace's object is Ready", time.Minute, func() bool {
		e.Refresh(first)
		return harness.Ready(first).Reason == v1alpha1.ReasonSynced
	})
	took := time.Since(start)
	t.Logf("%d calls of one namespace waited; the other's object was Ready after %v, of %v allowed", waiting, took.Round(time.Millisecond), 2*window.Per)
	if took > 2*window.Per {
		t.Errorf("Ready after %v, want two windows' turns at most: %v", took, 2*window.Per)
	}
}

// TestWhatNeedsNoCallIsDoneAtOnce: with the window spent for minutes, whatever
// needs no call is settled within a second.
func TestWhatNeedsNoCallIsDoneAtOnce(t *testing.T) {
	const most = time.Second
	e, waiting := newEnv(t, 40, consolesim.Window{Requests: 20, Per: 15 * time.Minute})
	harness.Update(e, e.Connection, func(c *v1alpha1.ConsoleConnection) {
		c.Spec.AllowedRoles = []v1alpha1.RoleName{consolesim.RoleMember, consolesim.RoleReadOnly}
	})
	orphan := e.UserRole("edsger@example.com", consolesim.RoleMember)
	e.Create(orphan)
	e.WaitReady(orphan)
	e.CreateMany(waiting)
	e.WaitUntil("wait until the window is spent", func() bool {
		q := quotaStatus(e)
		return len(q.Windows) == 1 && q.Windows[0].Used == q.Windows[0].Limit && q.Waiting.Change > 0
	})
	mark := e.Mark()

	upToDate := e.UserRole("alan@example.com", consolesim.RoleMember)
	notAllowed := e.UserRole("ada@example.com", consolesim.RoleAdmin)
	for _, tt := range []struct {
		name    string
		do      func()
		settled func() bool
	}{
		{"an object that is true already", func() { e.Create(upToDate) }, reason(e, upToDate, v1alpha1.ReasonSynced)},
		{"a role that may not be granted", func() { e.Create(notAllowed) }, reason(e, notAllowed, v1alpha1.ReasonRoleNotAllowed)},
		{"a deletion that leaves the role", func() { e.Delete(orphan) }, func() bool { return !e.Refresh(orphan) }},
		{"a deletion of one that waits", func() { e.Delete(waiting[39]) }, func() bool { return !e.Refresh(waiting[39]) }},
	} {
		start := time.Now()
		tt.do()
		waitFor(t, tt.name, 30*time.Second, tt.settled)
		took := time.Since(start)
		t.Logf("%s: %v", tt.name, took.Round(time.Millisecond))
		if took > most {
			t.Errorf("%s took %v, want at most %v", tt.name, took, most)
		}
	}
	if n := len(e.Since(mark)); n > 0 {
		t.Errorf("%d calls were made, want none", n)
	}
	if frees := quotaStatus(e).Windows[0].FreesAt; frees == nil || time.Until(frees.Time) < 10*time.Minute {
		t.Errorf("the window frees at %v, want that in more than ten minutes", frees)
	}
}

func reason(e *harness.Env, obj client.Object, want string) func() bool {
	return func() bool {
		e.Refresh(obj)
		return harness.Ready(obj).Reason == want
	}
}
