package chaos

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/chaos/apifault"
)

const (
	// longestSpell is how long a fault lasts at most, and longestLull how long
	// there is none between two.
	longestSpell, longestLull = 4 * time.Second, 12 * time.Second
	// longestOutage is how long the API server is not there at most.
	longestOutage = 6 * time.Second
	// staleReads is the most that reads of the console lag behind writes.
	staleReads = 3 * time.Second
)

// effects are what may become of requests to the console.
var effects = []consolesim.Fault{
	{Effect: consolesim.EffectLatency, Delay: 800 * time.Millisecond},
	{Effect: consolesim.EffectLatencyAfter, Delay: 800 * time.Millisecond},
	{Effect: consolesim.EffectSlowBody, Delay: time.Second},
	{Effect: consolesim.EffectError},
	{Effect: consolesim.EffectError, Status: 500, Body: "<html>oops</html>"},
	{Effect: consolesim.EffectErrorAfter},
	{Effect: consolesim.EffectTooMany},
	{Effect: consolesim.EffectTooMany, RetryAfter: "1"},
	{Effect: consolesim.EffectTooMany, RetryAfter: "soon"},
	{Effect: consolesim.EffectCut},
	{Effect: consolesim.EffectCutAfter},
	{Effect: consolesim.EffectTruncated},
	{Effect: consolesim.EffectNotJSON},
	{Effect: consolesim.EffectHugeBody, Size: 17 << 20, Times: 3},
	{Effect: consolesim.EffectWrongTypes},
	{Effect: consolesim.EffectRedirect, Location: "http://127.0.0.1:1/elsewhere"},
	// A whole outage, and the one call whose loss could double something.
	{Effect: consolesim.EffectCut, Probability: 1},
	{Effect: consolesim.EffectCutAfter, Endpoint: consolesim.CreateTeam, Probability: 1, Times: 2},
	{Effect: consolesim.EffectErrorAfter, Endpoint: consolesim.CreateTeam, Probability: 1, Times: 2},
	{Effect: consolesim.EffectTruncated, Endpoint: consolesim.ListTeams, Probability: 1, Times: 2},
}

// A weather is what goes wrong around the managers.
type weather struct {
	c                *campaign
	console, cluster *rand.Rand

	mu       sync.Mutex
	struck   map[string]int // requests to the console, by what struck them
	switched int
}

// overConsole injects faults and turns switches until ctx ends.
func (w *weather) overConsole(ctx context.Context) {
	for ctx.Err() == nil {
		for range 1 + w.console.IntN(3) {
			w.turn()
		}
		for range 1 + w.console.IntN(3) {
			f := w.fault()
			w.c.chronicle.note("", "fault %s %s %s %.2f", f.Effect, f.Endpoint, f.Method, f.Probability)
			w.c.e.Sim.Inject(f)
		}
		pause(ctx, spell(w.console, longestSpell))
		w.lift()
		pause(ctx, spell(w.console, longestLull))
	}
}

func (w *weather) fault() consolesim.Fault {
	f := effects[w.console.IntN(len(effects))]
	if f.Probability == 0 {
		f.Probability = []float64{0.05, 0.2, 0.6}[w.console.IntN(3)]
		f.Method = []string{"", "", "GET", "POST", "PATCH", "DELETE"}[w.console.IntN(6)]
	}
	return f
}

// lift ends all faults and counts whom they struck.
func (w *weather) lift() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.c.e.Sim.Faults() {
		w.struck[string(f.Effect)] += f.Hits
	}
	w.c.e.Sim.ClearFaults()
}

// turn puts one switch of an open question into another position.
func (w *weather) turn() {
	// Pages matter in every listing, and are turned more often for that.
	all := append(consolesim.Switches(), "maxPageSize=", "moveBetweenPages=", "moveBetweenPages=")
	name, positions, _ := strings.Cut(w.draw(all), "=")
	value := w.draw(strings.Split(positions, "|"))
	switch name {
	case "defaultPageSize", "enforceWindows", "rejectedCount", "count", "echoKey", "returnsUserID", "invitesPending":
		// Of how it is measured, or of no consequence here.
		return
	case "maxPageSize":
		value = w.draw([]string{"0", "20", "45", "45"})
	case "moveBetweenPages":
		value = w.draw([]string{"0", "2", "-1"})
	case "staleReads":
		value = w.draw([]string{"0s", "0s", "1s", staleReads.String()})
	case "latency":
		value = w.draw([]string{"0s", "5ms", "50ms"})
	}
	err := w.c.e.Sim.SetBehavior(func(b *consolesim.Behavior) {
		if err := b.Set(name, value); err != nil {
			w.c.t.Errorf("turn %s to %s: %v", name, value, err)
		}
	})
	if err != nil {
		w.c.t.Error(err)
	}
	w.c.chronicle.note("", "switch %s=%s", name, value)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.switched++
}

func (w *weather) draw(list []string) string { return list[w.console.IntN(len(list))] }

// overCluster has requests to the API server fail until ctx ends.
func (w *weather) overCluster(ctx context.Context) {
	for ctx.Err() == nil {
		pause(ctx, spell(w.cluster, longestLull))
		began := time.Now()
		switch n := w.cluster.IntN(10); {
		case n == 0:
			w.c.proxy.Set(apifault.Outage, 1)
			pause(ctx, spell(w.cluster, longestOutage))
		case n <= 2:
			w.c.proxy.CutWatches()
		default:
			for range 1 + w.cluster.IntN(3) {
				kind := apifault.Kinds[w.cluster.IntN(len(apifault.Kinds)-1)]
				w.c.proxy.Set(kind, []float64{0.02, 0.1, 0.4}[w.cluster.IntN(3)])
			}
			pause(ctx, spell(w.cluster, longestSpell))
		}
		w.c.proxy.Clear()
		w.c.ledger.Troubled(began, time.Now())
	}
}

// clear ends everything that keeps objects from becoming true. The switches stay
// where they are, but for those under which nothing can be done about a team.
func (w *weather) clear() {
	w.lift()
	w.c.proxy.Clear()
	err := w.c.e.Sim.SetBehavior(func(b *consolesim.Behavior) { b.ListReturnsID, b.MoveBetweenPages = true, 0 })
	if err != nil {
		w.c.t.Error(err)
	}
}

func (w *weather) strikes() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return tally(w.struck)
}

// tally writes numbers by name, such as "cut 3, latency 1".
func tally[K ~string](counts map[K]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, counts[name]))
	}
	return strings.Join(parts, ", ")
}

// spell draws a time up to a longest one.
func spell(rng *rand.Rand, longest time.Duration) time.Duration {
	return time.Duration(rng.Int64N(int64(longest)))
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
