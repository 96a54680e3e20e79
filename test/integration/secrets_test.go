package integration

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/console-access/console-access-operator/test/harness"
)

// TestSecretsStayOutOfMemory: of Secrets the operator watches the metadata only,
// and it reads one when a connection needs it, once for each version.
func TestSecretsStayOutOfMemory(t *testing.T) {
	var mu sync.Mutex
	whole, read := "", 0
	e := harness.Own(t, harness.Options{Kubernetes: func(r *http.Request) error {
		mu.Lock()
		defer mu.Unlock()
		switch _, name, _ := strings.Cut(r.URL.Path, "/secrets"); {
		case !strings.Contains(r.URL.Path, "/secrets"):
		case name != "":
			read++
		case !strings.Contains(r.Header.Get("Accept"), "as=PartialObjectMetadata"):
			whole = r.URL.String() + " as " + r.Header.Get("Accept")
		}
		return nil
	}})
	reads := func() int {
		mu.Lock()
		defer mu.Unlock()
		return read
	}
	e.WaitReady(e.Connection)
	e.CreateSecret("of-something-else", "canary-"+strings.Repeat("x", 100<<10))
	e.Compared(3)
	if n := reads(); n != 1 {
		t.Errorf("after %d requests to the console the Secret was read %d times, want once", len(e.Since(0)), n)
	}
	rotated := e.Key + "-rotated"
	e.Sim.AddKey(rotated)
	mark := e.Mark()
	e.SetKey(e.Namespace, rotated)
	e.WaitUntil("wait until the new key is used", func() bool {
		used := e.Since(mark)
		return len(used) > 0 && used[len(used)-1].Key == "key 2"
	})
	if n := reads(); n != 2 {
		t.Errorf("after its change the Secret was read %d times, want twice", n)
	}
	mu.Lock()
	defer mu.Unlock()
	if whole != "" {
		t.Errorf("Secrets are read with their data: %s", whole)
	}
}
