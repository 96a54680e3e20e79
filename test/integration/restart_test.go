package integration

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/console-access/console-access-operator/test/harness"
)

// TestRestartBeforeTheConnectionIsOpen: what a new process looks at before it
// has the connection's Secret keeps the status it has.
func TestRestartBeforeTheConnectionIsOpen(t *testing.T) {
	var held atomic.Pointer[chan struct{}]
	e := harness.Own(t, harness.Options{Kubernetes: func(r *http.Request) error {
		if release := held.Load(); release != nil && strings.HasSuffix(r.URL.Path, "/secrets") {
			<-*release
		}
		return nil
	}})
	role := e.UserRole(alan, "Member")
	e.Create(role)
	e.WaitReady(role)
	e.Operator.Stop()
	e.Refresh(role)
	version := role.ResourceVersion

	release := make(chan struct{})
	held.Store(&release)
	time.AfterFunc(time.Second, func() { close(release) })
	mark := e.Mark()
	e.Operator.Start(t)
	e.WaitUntil("wait until the console is read again", func() bool { return len(e.Since(mark)) > 0 })
	e.Compared(1)
	if e.Refresh(role); role.ResourceVersion != version {
		e.Fatalf("the UserRole was written; its status is now %+v", role.Status)
	}
}
