package plugin

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/internal/plugin/rollout"
	"github.com/console-access/console-access-operator/test/harness"
)

// Nothing compares within an hour here, except on request.
func TestSyncSuspendResume(t *testing.T) {
	u := newUser(t, consolesim.State{Users: harness.People()}, harness.Options{})
	u.connect()
	alan, barbara := u.UserRole("alan@example.com", "Member"), u.UserRole("barbara@example.com", "Member")
	u.Create(alan, barbara)
	u.WaitReady(alan, barbara)

	// Suspended, drift is not corrected, and a check is refused.
	u.want(0, "userrole/alan suspended", "suspend", "userrole", "alan")
	u.WaitReason(alan, v1alpha1.ReasonSuspended)
	u.want(0, "userrole/alan was suspended already", "suspend", "userrole/alan")
	u.want(1, "userrole/alan is suspended", "sync", "userrole/alan", "--wait")
	u.Sim.PutUser(consolesim.User{Email: "alan@example.com", Role: consolesim.RoleReadOnly})
	u.want(0, "userrole/alan resumed", "resume", "userrole/alan")
	u.want(0, "userrole/alan was not suspended", "resume", "userroles", "alan")

	u.want(0, "userrole/alan is in sync", "sync", "userrole", "alan", "--wait")
	u.WantRole("alan@example.com", "Member")

	// A connection's check serves all objects.
	u.Sim.PutUser(consolesim.User{Email: "barbara@example.com", Role: consolesim.RoleReadOnly})
	u.want(0, "consoleconnection/"+u.Connection.Name+" is in sync", "sync", "cconn/"+u.Connection.Name, "--wait")
	u.WaitUntil("wait for the correction", func() bool {
		user, _ := u.Sim.User("barbara@example.com")
		return user.Role == consolesim.RoleMember
	})

	// What is not Ready afterwards is told.
	missing := u.UserRole("nobody@example.com", "Member")
	u.Create(missing)
	u.want(1, "is not Ready: UserNotFound", "sync", "userroles", "--all", "--wait")

	// What is being deleted is not compared, however long others keep it.
	harness.Update(u.Env, barbara, func(r *v1alpha1.UserRole) { r.Finalizers = append(r.Finalizers, "example.com/keep") })
	u.Delete(barbara)
	u.WaitReason(barbara, v1alpha1.ReasonProgressing)
	u.want(1, "userrole/barbara is being deleted, so it is not compared. It says: It was deleted", "sync", "userrole/barbara", "--wait")
	harness.Update(u.Env, barbara, func(r *v1alpha1.UserRole) { r.Finalizers = nil })

	u.want(0, "suspended", "suspend", "cconn", u.Connection.Name)
	u.WaitReason(u.Connection, v1alpha1.ReasonSuspended)
	u.want(1, `there is no Team "x" in namespace`, "sync", "team/x")
	u.want(1, "is no kind of the operator's", "suspend", "pod/x")
	u.want(1, "nothing is named", "resume")
}

// want fails the test unless a command ends with a code and says a text.
func (u *user) want(code int, text string, args ...string) {
	u.T.Helper()
	r := u.plugin(args...)
	if r.code != code || !strings.Contains(r.stdout+r.stderr, text) {
		u.Fatalf("kubectl console-access %s: exit code %d, want %d, and it does not say %q:\n%s%s",
			strings.Join(args, " "), r.code, code, text, r.stdout, r.stderr)
	}
}

// While a roll-out waits for the quota, status tells how far it is, and when it
// is expected to end.
func TestStatusOfARollOut(t *testing.T) {
	u := newUser(t, consolesim.State{}, harness.Options{Windows: []consolesim.Window{{Requests: 10, Per: 20 * time.Second}}})
	u.Sim.Seed(25, 0, 0)
	u.connect()
	u.WaitReady(u.Connection)
	began := time.Now()
	for _, user := range u.Sim.Users() {
		if user.Role == consolesim.RoleMember {
			u.Create(u.UserRole(user.Email, consolesim.RoleReadOnly))
		}
	}
	u.Create(u.UserRole("nobody@example.com", "Member"))
	status := func() (r rollout.Report) {
		t.Helper()
		out := u.ok("status", "--connection", u.Connection.Name, "-o", "json")
		if err := json.Unmarshal([]byte(out.stdout), &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	var during rollout.Report
	u.WaitUntil("wait until some are Ready and some wait", func() bool {
		during = status()
		return during.Objects.Ready > 0 && during.Objects.Moving > 5 && during.ExpectedEnd != nil && len(during.Waiting) > 0
	})
	page := u.ok("status", "--connection", u.Connection.Name).stdout
	for _, text := range []string{"RateLimited", "expected end", "░", u.Connection.Name} {
		if !strings.Contains(page, text) {
			t.Errorf("the status does not say %q:\n%s", text, page)
		}
	}
	var ended time.Time
	u.WaitUntil("wait for the end", func() bool { ended = time.Now(); return status().Objects.Moving == 0 })
	// Said in the middle of it, to within a window's length.
	if off := ended.Sub(*during.ExpectedEnd).Abs(); off > 20*time.Second {
		t.Errorf("it was expected to end at %v and ended at %v, %v after it began", during.ExpectedEnd, ended, ended.Sub(began))
	}
	after := status()
	if after.ExpectedEnd != nil || after.Objects.Waiting != 1 || after.Objects.Ready != after.Objects.Total-1 {
		t.Errorf("at the end the status is %+v", after)
	}
}
