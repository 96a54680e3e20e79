package histories

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/console-access/console-access-operator/internal/consolesim"
)

type simBehavior = consolesim.Behavior

// A tally counts what happened in a history.
type tally struct {
	calls, requests, writes, reconciles, events int
	crashes, restarts, outages, logged, steps   int
	fates                                       map[netFate]int
	twists                                      map[twist]int
	// most is the most requests about one thing within restlessTime.
	most int
}

func (t *tally) twist(act twist) {
	if t.twists == nil {
		t.twists = map[twist]int{}
	}
	t.twists[act]++
}

func (t *tally) fate(f netFate) {
	if t.fates == nil {
		t.fates = map[netFate]int{}
	}
	t.fates[f]++
}

// totals sum up histories.
type totals struct {
	mu        sync.Mutex
	histories int
	lived     time.Duration
	tally     tally
	slowest   []slow
	// twisted counts the histories that have a twist.
	twisted map[twist]int
}

// slow is a history that took long.
type slow struct {
	seed uint64
	took time.Duration
}

// add returns how many histories there are now.
func (t *totals) add(r report) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.histories++
	t.lived += r.lived
	t.slowest = append(t.slowest, slow{r.seed, r.took})
	slices.SortFunc(t.slowest, func(a, b slow) int { return cmp.Compare(b.took, a.took) })
	t.slowest = t.slowest[:min(5, len(t.slowest))]
	t.tally.steps += r.tally.steps
	t.tally.calls += r.tally.calls
	t.tally.requests += r.tally.requests
	t.tally.writes += r.tally.writes
	t.tally.reconciles += r.tally.reconciles
	t.tally.crashes += r.tally.crashes
	t.tally.restarts += r.tally.restarts
	t.tally.outages += r.tally.outages
	t.tally.most = max(t.tally.most, r.tally.most)
	for f, n := range r.tally.fates {
		if t.tally.fates == nil {
			t.tally.fates = map[netFate]int{}
		}
		t.tally.fates[f] += n
	}
	for act, n := range r.tally.twists {
		if t.tally.twists == nil {
			t.tally.twists = map[twist]int{}
		}
		t.tally.twists[act] += n
	}
	for _, t2 := range r.twists.kinds() {
		if t.twisted == nil {
			t.twisted = map[twist]int{}
		}
		t.twisted[t2]++
	}
	return t.histories
}

// table is the summary.
func (t *totals) table(took time.Duration) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	row := func(name string, value any) { fmt.Fprintf(&b, "%-24s %v\n", name, value) }
	row("histories", t.histories)
	row("took", took.Round(time.Second/10))
	row("virtual days", fmt.Sprintf("%.1f", t.lived.Hours()/24))
	row("steps", t.tally.steps)
	row("reconciliations", t.tally.reconciles)
	row("calls", t.tally.calls)
	row("requests served", t.tally.requests)
	row("writes among them", t.tally.writes)
	row("crashes", t.tally.crashes)
	row("restarts", t.tally.restarts)
	row("outages", t.tally.outages)
	row("most requests alike", t.tally.most)
	for _, f := range slices.SortedFunc(maps.Keys(t.tally.fates), func(x, y netFate) int { return cmp.Compare(x, y) }) {
		row("request: "+string(f), t.tally.fates[f])
	}
	for _, k := range slices.SortedFunc(maps.Keys(t.twisted), func(x, y twist) int { return cmp.Compare(x, y) }) {
		row("histories with "+string(k), t.twisted[k])
	}
	for _, k := range slices.SortedFunc(maps.Keys(t.tally.twists), func(x, y twist) int { return cmp.Compare(x, y) }) {
		row("done: "+string(k), t.tally.twists[k])
	}
	for _, s := range t.slowest {
		row("one of the slowest", fmt.Sprintf("seed %d, %v", s.seed, s.took.Round(time.Millisecond)))
	}
	return b.String()
}

// String tells about a plan.
func (p plan) String() string {
	return fmt.Sprintf("windows %v, interval %v, %d workers, exclusive %v, two leaders %v, lasts %v, faults %v and %v, crashes every %v, behavior %+v",
		p.windows, p.interval, p.workers, p.exclusive, p.leaders, p.lasts, p.net, p.kube, p.crashes, p.behavior)
}
