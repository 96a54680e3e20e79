package fairness

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/harness"
)

// TestSecondClient: beside a client of the same project that takes half of
// what the console admits, and of which the operator knows nothing, a roll-out
// goes on at nearly the pace of the other half, and at most one in a hundred
// of its calls is refused.
func TestSecondClient(t *testing.T) {
	const objects = 1200
	window := consolesim.Window{Requests: 60, Per: 2 * time.Second}
	e, all := newEnvWith(t, objects, harness.Options{Windows: []consolesim.Window{window}, ExpectViolations: true})
	other := "canary-second-" + e.Namespace
	e.Sim.AddKey(other)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { take(t, e.Endpoint, other, window.Per/time.Duration(window.Requests/2), stop) })
	t.Cleanup(func() {
		close(stop)
		wg.Wait()
	})

	mark := e.Mark()
	start := time.Now()
	e.CreateMany(all)
	waitFor(t, "every role is set", 5*time.Minute, func() bool {
		set := 0
		for _, r := range e.Since(mark, consolesim.UpdateUser) {
			if r.Status == http.StatusOK {
				set++
			}
		}
		return set >= objects
	})
	took := time.Since(start)
	least := time.Duration(2*objects/window.Requests-1) * window.Per
	calls, refused := 0, 0
	for _, r := range e.Since(mark) {
		if r.Key != "key 1" {
			continue
		}
		calls++
		if r.Status == http.StatusTooManyRequests {
			refused++
		}
	}
	t.Logf("%d of %d calls were refused; it took %v, half the quota permits %v", refused, calls, took.Round(time.Second), least)
	if refused*100 > calls {
		t.Errorf("%d of %d calls were refused, want at most 1 %%", refused, calls)
	}
	if took > 2*least {
		t.Errorf("it took %v, more than twice the %v that half the quota permits", took, least)
	}
}

// take makes a request in every pause, whatever becomes of it.
func take(t *testing.T, endpoint, key string, pause time.Duration, stop <-chan struct{}) {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-stop:
			return
		}
		req, err := http.NewRequest(http.MethodGet, endpoint+"/console/v1/users?limit=1", nil)
		if err != nil {
			t.Error(err)
			return
		}
		req.Header.Set("STATSIG-API-KEY", key)
		req.Header.Set("STATSIG-API-VERSION", "20240601")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Error(err)
			return
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
	}
}
