package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/harness"
	"github.com/console-access/console-access-operator/test/harness/managerproc"
)

// windows have the ratios of those of the Console API, 100 per 10s and 900 per
// 15m: they are a tenth as long, and so large that the work takes minutes.
var windows = []consolesim.Window{{Requests: 300, Per: time.Second}, {Requests: 2700, Per: 90 * time.Second}}

// clockOffset is how far either manager's clock is off, in opposite directions:
// as far as the record of the quota allows for.
const clockOffset = 2 * time.Second

// latency of the console, so that calls are under way when a manager is killed.
const latency = 5 * time.Millisecond

// TestCrash kills managers while objects are being applied. At the end no
// window of the console was ever overfilled, and every object is true.
func TestCrash(t *testing.T) {
	e := harness.Outside(t, harness.Options{
		Windows:  windows,
		Behavior: func(b *consolesim.Behavior) { b.Latency = latency },
		Connection: func(spec *v1alpha1.ConsoleConnectionSpec) {
			spec.RateLimit.Share = 100
			spec.Drift.Interval.Duration = 10 * time.Minute
		},
	})

	drawn := *seed
	if drawn == 0 {
		drawn = rand.Uint64()
	}
	t.Logf("%d kills while %d UserRoles and %d Teams are applied: -seed %d", *kills, *roles, *teams, drawn)
	c := &campaign{t: t, e: e, rng: rand.New(rand.NewPCG(drawn, 0)), events: make(chan managerproc.Event, 1000), start: time.Now()}
	binary, err := managerproc.Build("manager-crash", *race)
	if err != nil {
		t.Fatal(err)
	}
	run := managerproc.Options{
		Binary: binary, Kubeconfig: e.Kubeconfig(), Namespace: e.Operator.Namespace, LogDir: t.TempDir(),
		Lease: 2 * time.Second, Renew: 1800 * time.Millisecond, Retry: 100 * time.Millisecond,
	}
	for i, name := range []string{"manager-a", "manager-b"} {
		run.Name, run.ClockOffset = name, clockOffset
		if i == 1 {
			run.ClockOffset = -clockOffset
		}
		c.managers[i] = managerproc.New(run, c.events)
	}
	c.prepare(*roles, *teams)
	t.Cleanup(func() { e.DiscardMany(c.objects) })
	t.Cleanup(func() { managerproc.End(c.events, c.managers[:]...) })

	c.unwritten = c.written()

	// In time to stop the managers and to tell how far it came.
	deadline, ok := t.Deadline()
	if !ok {
		deadline = time.Now().Add(time.Hour)
	}
	ctx, cancel := context.WithDeadlineCause(t.Context(), deadline.Add(-45*time.Second), fmt.Errorf("the time given by -timeout is over"))
	defer cancel()
	c.run(ctx, *kills)
	c.settle(ctx)
	t.Logf("\n%s", c.table())
	c.check()
	if c.changes < *kills/4 {
		t.Errorf("the leader changed only %d times", c.changes)
	}
}

// progress prints a line.
func (c *campaign) progress() {
	ready, _ := c.ready()
	var used []string
	for _, w := range c.e.Sim.Quota() {
		used = append(used, fmt.Sprintf("%d (most %d) of %s", w.Used, w.Max, w))
	}
	c.t.Logf("%6.1fs %3d kills %4d Ready %5d requests, used %s, %d violations", time.Since(c.start).Seconds(),
		c.killed, ready, c.e.Sim.Counters().Total, strings.Join(used, " and "), c.e.Sim.Violations())
}

// table sums up.
func (c *campaign) table() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(what string, format string, args ...any) {
		fmt.Fprintf(w, what+"\t"+format+"\n", args...)
	}
	ready, others := c.ready()
	cut, throttled := 0, 0
	for _, r := range c.e.Sim.Requests() {
		switch r.Status {
		case 0:
			cut++
		case 429:
			throttled++
		}
	}
	row("time", "%.0fs", time.Since(c.start).Seconds())
	row("kills", "%d, of which %d hit the leader", c.killed, c.killedLeader)
	row("elections", "%d, of which %d chose another leader than before", c.leaders, c.changes)
	row("processes that ended by themselves", "%d %s", len(c.exits), strings.Join(c.exits[:min(len(c.exits), 3)], "; "))
	row("requests", "%d, of which %d were cut", c.e.Sim.Counters().Total, cut)
	for _, endpoint := range []string{consolesim.ListUsers, consolesim.ListTeams} {
		row("  "+endpoint, "%d", c.e.Sim.Count(endpoint))
	}
	for _, q := range c.e.Sim.Quota() {
		row("most in any "+q.Per.String(), "%d of %d", q.Max, q.Requests)
	}
	row("writes to Kubernetes", "%d", c.written()-c.unwritten)
	row("answered 429", "%d", throttled)
	row("violations", "%d", c.e.Sim.Violations())
	row("objects Ready", "%d of %d %s", ready, len(c.objects), strings.Join(others, "; "))
	_ = w.Flush()
	return b.String()
}
