package fairness

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/harness"
)

// A forecast is what a waiting object said, and when.
type forecast struct {
	said  time.Time
	ahead int
	at    time.Time
}

var rateLimited = regexp.MustCompile(`(\d+) calls? waits? ahead, and this one's turn is expected at (\S+)\.$`)

func parseForecast(t *testing.T, message string, said time.Time) forecast {
	t.Helper()
	parts := rateLimited.FindStringSubmatch(message)
	if parts == nil {
		t.Fatalf("the message tells neither the turn nor the time: %s", message)
	}
	ahead, err := strconv.Atoi(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.Parse(time.RFC3339, parts[2])
	if err != nil {
		t.Fatal(err)
	}
	return forecast{said: said, ahead: ahead, at: at}
}

// TestWaitingIsForetold: what objects say of their turn and of the time until
// then is right within a tenth, while nothing else changes.
func TestWaitingIsForetold(t *testing.T) {
	const objects = 60
	e, all := newEnv(t, objects, consolesim.Window{Requests: 8, Per: 3 * time.Second}, consolesim.Window{Requests: 48, Per: 24 * time.Second})
	e.WaitReady(e.Connection)
	// They are created one after the other, so that all are there, in order,
	// when the last one says how many are ahead.
	for _, obj := range all {
		e.Create(obj)
	}
	said := map[string]forecast{}
	waitFor(t, "all objects are Ready", 3*time.Minute, func() bool {
		ready := 0
		for _, obj := range all {
			e.Refresh(obj)
			switch c := harness.Ready(obj); c.Reason {
			case v1alpha1.ReasonSynced:
				ready++
			case v1alpha1.ReasonRateLimited:
				if _, ok := said[obj.GetName()]; !ok {
					said[obj.GetName()] = parseForecast(t, c.Message, c.LastTransitionTime.Time)
				}
			}
		}
		return ready == objects
	})
	calls := e.Since(0)
	checked, worst := 0, 0.0
	for _, obj := range all {
		name := obj.GetName()
		f, ok := said[name]
		if !ok {
			continue
		}
		call, before := callFor(calls, name, f.said)
		wait, off := call.Received.Sub(f.said), call.Received.Sub(f.at)
		// Both times are told in whole seconds.
		if allowed := wait/10 + time.Second; off.Abs() > allowed {
			t.Errorf("%s said it had %v to wait, and had %v: wrong by %v", name, f.at.Sub(f.said), wait, off)
		}
		if diff := f.ahead - before; max(diff, -diff) > max(2, before/10) {
			t.Errorf("%s said that %d calls were ahead, and %d were made before its own", name, f.ahead, before)
		}
		if wait > 10*time.Second {
			checked++
			worst = max(worst, float64(off.Abs())/float64(wait))
		}
	}
	t.Logf("%d of %d objects waited more than 10s; the worst forecast was wrong by %.1f%%", checked, objects, 100*worst)
	if checked < objects/4 {
		t.Errorf("only %d objects waited long enough to tell", checked)
	}
}

// callFor finds the update of one person, and how many came before it that had
// not been made when something was said.
func callFor(calls []consolesim.Request, name string, said time.Time) (call consolesim.Request, before int) {
	for _, r := range calls {
		if r.Endpoint == consolesim.UpdateUser && strings.Contains(r.Path, name+"@") {
			return r, before
		}
		if r.Received.After(said.Add(time.Second)) {
			before++
		}
	}
	return call, before
}

// TestConnectionTellsTheQuota: while calls wait, a connection's status follows
// the windows and the lanes, and is written every few seconds, not per call.
func TestConnectionTellsTheQuota(t *testing.T) {
	const often, seldom = 4 * time.Second, 8 * time.Second
	window := consolesim.Window{Requests: 10, Per: 2 * time.Second}
	e, all := newEnv(t, 120, window)
	e.WaitReady(e.Connection)
	e.CreateMany(all)
	start := time.Now()
	e.WaitUntil("wait until calls wait", func() bool { return quotaStatus(e).Waiting.Change > 50 })

	version, written, full := e.Connection.ResourceVersion, time.Now(), 0
	var gaps []time.Duration
	waitFor(t, "nothing waits any more", 2*time.Minute, func() bool {
		q := quotaStatus(e)
		if e.Connection.ResourceVersion == version {
			return false
		}
		gap := time.Since(written)
		version, written = e.Connection.ResourceVersion, time.Now()
		gaps = append(gaps, gap)
		left := len(all) - e.Sim.Count(consolesim.UpdateUser)
		if int(q.Waiting.Change) > left+window.Requests || int(q.Waiting.Change) < left-2*window.Requests {
			t.Errorf("the status says that %d calls wait, and %d have not been made", q.Waiting.Change, left)
		}
		w := q.Windows[0]
		if want := fmt.Sprintf("%d/%d per 2s", w.Used, window.Requests); q.Summary != want {
			t.Errorf("the summary says %q, want %q", q.Summary, want)
		}
		if w.Used == w.Limit {
			full++
			if w.FreesAt == nil || time.Until(w.FreesAt.Time) > window.Per+time.Second {
				t.Errorf("the full window frees at %v", w.FreesAt)
			}
		}
		return q.Waiting.Change == 0
	})
	t.Logf("%d writes in %v of waiting, %v apart", len(gaps), time.Since(start).Round(time.Millisecond), gaps)
	for i, gap := range gaps {
		if gap > seldom || gap < often && i > 0 && i < len(gaps)-1 {
			t.Errorf("write %d of the status came after %v, want that between %v and %v", i, gap, often, seldom)
		}
	}
	if full == 0 {
		t.Error("the window was never told to be full")
	}
}
