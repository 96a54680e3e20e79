package chaos

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/console-access/console-access-operator/test/chaos/audit"
)

// progress prints a line.
func (c *campaign) progress() {
	c.killer.mu.Lock()
	defer c.killer.mu.Unlock()
	c.t.Logf("%4.0fs %d kills, %d leaders; %d applied, %d edited, %d deleted, %d by hand; %d requests, %d violations",
		time.Since(c.start).Seconds(), c.killer.killed, c.killer.elections, c.program.done["applies"],
		c.program.done["edits"], c.program.done["deletions"], c.program.done["edits by hand"],
		c.e.Sim.Counters().Total, c.e.Sim.Violations())
}

// table sums up, as Markdown.
func (c *campaign) table() string {
	var b strings.Builder
	row := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "| %s | "+format+" |\n", append([]any{what}, args...)...)
	}
	fmt.Fprintf(&b, "| SEED=%d | |\n| --- | --- |\n", c.seed)
	row("time", "%.0fs, of which %v with faults", time.Since(c.start).Seconds(), *lasts)
	row("objects at a time", "%d Teams, %d UserRoles", len(c.program.teams), len(c.program.roles))
	for _, what := range []string{
		"applies", "edits", "renames", "deletions", "mass edits", "mass deletions", "approvals of held deletions",
		"key rotations", "edits by hand", "people who left",
	} {
		row(what, "%d", c.program.done[what])
	}
	k := c.killer
	k.mu.Lock()
	row("kills", "%d, of which %d hit the leader", k.killed, k.killedLeader)
	row("frozen processes", "%d", k.froze)
	row("elections", "%d, of which %d chose another leader than before", k.elections, k.changes)
	row("processes that ended by themselves", "%d", len(k.exits))
	k.mu.Unlock()
	row("requests to the API server that failed", "%s", tally(c.proxy.Counts()))
	row("requests to the console that failed", "%s", c.weather.strikes())
	row("switches of the console turned", "%d", c.weather.switched)
	throttled, writes := 0, 0
	for _, r := range c.e.Sim.Requests() {
		if r.Status == http.StatusTooManyRequests {
			throttled++
		}
		if r.Method != http.MethodGet {
			writes++
		}
	}
	row("requests to the console", "%d, of which %d were writes", c.e.Sim.Counters().Total, writes)
	for _, q := range c.e.Sim.Quota() {
		row("most in any "+q.Per.String(), "%d of %d", q.Max, q.Requests)
	}
	row("answered 429", "%d, by faults", throttled)
	row("records of the quota not found", "%d", c.recordsLost())
	row("windows exceeded", "%d", c.e.Sim.Violations())
	found := map[string]int{}
	for _, f := range c.findings() {
		found[f.Rule]++
	}
	for _, rule := range []string{audit.Lost, audit.Doubled, audit.Wrong, audit.Unwanted, audit.Late, audit.Unbraked, audit.Restless} {
		row(rule, "%d", found[rule])
	}
	return b.String()
}
