package consolesim_test

import (
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/console-access/console-access-operator/internal/consolesim"
)

// inBubble serves a console with virtual time over connections in memory.
func inBubble(t *testing.T, opts consolesim.Options, run func(*testing.T, *consolesim.Server, *client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		opts.Keys = append([]string{testKey}, opts.Keys...)
		sim := consolesim.New(opts)
		if err := sim.Load(consolesim.DemoState()); err != nil {
			t.Fatal(err)
		}
		served := sim.InMemory()
		defer served.Close()
		run(t, sim, newClient(t, served.URL, served.Transport))
	})
}

// advance lets virtual time pass.
func advance(d time.Duration) { <-time.After(d) }

const onePath = "/console/v1/users/ada@example.com"

func windows(ws ...consolesim.Window) consolesim.Options { return consolesim.Options{Windows: ws} }

func TestWindowBoundary(t *testing.T) {
	inBubble(t, consolesim.Options{}, func(t *testing.T, sim *consolesim.Server, c *client) {
		for range 100 {
			c.must(http.StatusOK, "GET", onePath, "")
		}
		start := time.Now()
		advance(10*time.Second - time.Nanosecond)
		r := c.must(http.StatusTooManyRequests, "GET", onePath, "")
		equal(t, "Retry-After", r.header.Get("Retry-After"), "1")
		equal(t, "status in the body", r.get("status"), any(float64(429)))
		advance(time.Nanosecond)
		c.must(http.StatusOK, "GET", onePath, "")
		equal(t, "elapsed", time.Since(start), 10*time.Second)

		equal(t, "violations", sim.Violations(), 1)
		use := sim.Quota()
		equal(t, "10s", use[0], consolesim.WindowUse{
			Window: consolesim.Window{Requests: 100, Per: 10 * time.Second}, Used: 1, Max: 101, Violations: 1})
		equal(t, "15m", use[1], consolesim.WindowUse{
			Window: consolesim.Window{Requests: 900, Per: 15 * time.Minute}, Used: 101, Max: 101})
		list := sim.ViolationList()
		equal(t, "list", []any{len(list), list[0].Count, list[0].At.Sub(start), list[0].Endpoint},
			[]any{1, 101, 10*time.Second - time.Nanosecond, consolesim.GetUser})
	})
}

// A bucket that merely refills admits these; a sliding window does not.
func TestWindowSlides(t *testing.T) {
	inBubble(t, windows(consolesim.Window{Requests: 4, Per: 10 * time.Second}),
		func(t *testing.T, _ *consolesim.Server, c *client) {
			for i, step := range []struct {
				after  time.Duration
				status int
			}{
				{0, 200}, {9 * time.Second, 200}, {0, 200}, {0, 200}, {0, 429}, // at 9s
				{time.Second, 200}, {0, 429}, // at 10s: the first has left
				{8 * time.Second, 429},                           // at 18s
				{time.Second, 200}, {0, 200}, {0, 200}, {0, 429}, // at 19s
			} {
				advance(step.after)
				if r := c.do("GET", onePath, ""); r.status != step.status {
					t.Errorf("step %d: status %d, want %d", i, r.status, step.status)
				}
			}
		})
}

func TestLongerWindowHoldsToo(t *testing.T) {
	inBubble(t, consolesim.Options{}, func(t *testing.T, sim *consolesim.Server, c *client) {
		for range 9 {
			for range 100 {
				c.must(http.StatusOK, "GET", onePath, "")
			}
			advance(10 * time.Second)
		}
		r := c.must(http.StatusTooManyRequests, "GET", onePath, "")
		equal(t, "Retry-After", r.header.Get("Retry-After"), strconv.Itoa(15*60-90))
		equal(t, "violations per window", []int{sim.Quota()[0].Violations, sim.Quota()[1].Violations}, []int{0, 1})
		advance(15*time.Minute - 90*time.Second)
		c.must(http.StatusOK, "GET", onePath, "")
	})
}

func TestCountSwitches(t *testing.T) {
	one := windows(consolesim.Window{Requests: 1, Per: 10 * time.Second})
	tests := []struct {
		name       string
		change     func(*consolesim.Behavior)
		get, post  int // the second answer to each
		violations int
	}{
		{"all", func(*consolesim.Behavior) {}, 429, 429, 2},
		{"mutations", func(b *consolesim.Behavior) { b.Count = consolesim.CountMutations }, 200, 429, 1},
		{"not enforced", func(b *consolesim.Behavior) { b.EnforceWindows = false }, 200, 200, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, one, func(t *testing.T, sim *consolesim.Server, c *client) {
				set(t, sim, tt.change)
				c.must(http.StatusOK, "GET", onePath, "")
				c.must(tt.get, "GET", onePath, "")
				advance(10 * time.Second)
				c.must(http.StatusOK, "POST", onePath, "{}")
				c.must(tt.post, "POST", onePath, "{}")
				equal(t, "violations", sim.Violations(), tt.violations)
			})
		})
	}
}

func TestRejectedCount(t *testing.T) {
	for _, counts := range []bool{false, true} {
		inBubble(t, windows(consolesim.Window{Requests: 1, Per: 10 * time.Second}),
			func(t *testing.T, sim *consolesim.Server, c *client) {
				set(t, sim, func(b *consolesim.Behavior) { b.RejectedCount = counts })
				c.must(http.StatusOK, "GET", onePath, "")
				advance(5 * time.Second)
				c.must(http.StatusTooManyRequests, "GET", onePath, "")
				advance(5 * time.Second)
				want := http.StatusOK
				if counts {
					want = http.StatusTooManyRequests
				}
				c.must(want, "GET", onePath, "")
			})
	}
}

func TestRetryAfterForms(t *testing.T) {
	for form, want := range map[string]func(time.Time) string{
		consolesim.RetryAfterSeconds: func(time.Time) string { return "10" },
		consolesim.RetryAfterAbsent:  func(time.Time) string { return "" },
		consolesim.RetryAfterDate: func(now time.Time) string {
			return now.Add(11 * time.Second).UTC().Format(http.TimeFormat)
		},
	} {
		inBubble(t, windows(consolesim.Window{Requests: 1, Per: 10 * time.Second}),
			func(t *testing.T, sim *consolesim.Server, c *client) {
				set(t, sim, func(b *consolesim.Behavior) { b.RetryAfter = form })
				c.must(http.StatusOK, "GET", onePath, "")
				r := c.must(http.StatusTooManyRequests, "GET", onePath, "")
				equal(t, form, r.header.Get("Retry-After"), want(time.Now()))
			})
	}
}

func TestWindowsArePerProject(t *testing.T) {
	inBubble(t, windows(consolesim.Window{Requests: 1, Per: time.Minute}),
		func(t *testing.T, sim *consolesim.Server, c *client) {
			sim.AddKey("console-second")
			other := sim.AddProject("other", "console-other")
			c.must(http.StatusOK, "GET", "/console/v1/users", "")
			c.with("console-second").must(http.StatusTooManyRequests, "GET", "/console/v1/users", "")
			c.with("console-other").must(http.StatusOK, "GET", "/console/v1/users", "")
			c.with("console-wrong").must(http.StatusUnauthorized, "GET", "/console/v1/users", "")
			equal(t, "violations", []int{sim.Violations(), other.Violations()}, []int{1, 0})

			other.SetWindows(consolesim.Window{Requests: 2, Per: time.Minute})
			c.with("console-other").must(http.StatusOK, "GET", "/console/v1/users", "")
			c.with("console-other").must(http.StatusTooManyRequests, "GET", "/console/v1/users", "")
		})
}

func TestParseWindow(t *testing.T) {
	w, err := consolesim.ParseWindow("100/10s")
	if err != nil || w != (consolesim.Window{Requests: 100, Per: 10 * time.Second}) {
		t.Errorf("100/10s: %v, %v", w, err)
	}
	for _, text := range []string{"", "100", "100/", "0/10s", "100/0s", "x/10s", "10s/100"} {
		if _, err := consolesim.ParseWindow(text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}
