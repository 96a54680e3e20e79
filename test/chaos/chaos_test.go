package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/chaos/apifault"
	"github.com/console-access/console-access-operator/test/chaos/audit"
	"github.com/console-access/console-access-operator/test/harness"
	"github.com/console-access/console-access-operator/test/harness/managerproc"
)

const (
	// driftInterval is short, so that edits by hand are put right many times.
	driftInterval = 4 * time.Second
	// clockOffset is how far either manager's clock is off, in opposite
	// directions: as far as the record of the quota allows for.
	clockOffset = 2 * time.Second
	// fairStart is how long console and API server are well at first.
	fairStart = 15 * time.Second
	// switchesAtFirst is how often a switch of the console is turned before it is
	// first read.
	switchesAtFirst = 10
	// settleTimeout is how long everything may take to come true once all faults
	// have ended: a lost create alone is looked up for half a minute.
	settleTimeout = 5 * time.Minute
	// The deletion brake of the connection.
	brakeDeletes, brakePer = 6, 5 * time.Second
)

// windows are narrow enough to be full whenever many objects change at once, and
// wide enough for what a crash leaves taken not to stop everything.
var windows = []consolesim.Window{{Requests: 100, Per: time.Second}, {Requests: 150, Per: 10 * time.Second}}

// A campaign is one run. Its program runs in the test's goroutine, the weather
// and the killer in ones of their own.
type campaign struct {
	t      *testing.T
	e      *harness.Env
	ledger audit.Ledger
	proxy  *apifault.Proxy
	start  time.Time
	seed   uint64

	before  consolesim.State
	program *program
	killer  *killer
	weather *weather
	watcher *watcher

	chronicle chronicle
}

func TestChaos(t *testing.T) {
	c := &campaign{t: t, seed: *seed, start: time.Now()}
	if c.seed == 0 {
		c.seed = rand.Uint64() >> 32 // short, to be typed
	}
	t.Logf("SEED=%d: %v with %d Teams and %d UserRoles", c.seed, *lasts, *teams, *roles)
	c.e = harness.Outside(t, harness.Options{
		Windows: windows,
		Console: func(o *consolesim.Options) { o.Observe, o.RandSeed = c.ledger.Changed, c.seed },
		Connection: func(spec *v1alpha1.ConsoleConnectionSpec) {
			most := int32(brakeDeletes)
			spec.RateLimit.Share = 100
			spec.Drift.Interval.Duration = driftInterval
			spec.DeletionBrake.MaxDeletes, spec.DeletionBrake.Per.Duration = &most, brakePer
			for _, email := range protected() {
				spec.ProtectedUsers = append(spec.ProtectedUsers, v1alpha1.EmailAddress(email))
			}
		},
	})
	var err error
	if c.proxy, err = apifault.New(c.e.Config(), c.seed); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.proxy.Close)
	c.populate()
	c.before = c.e.Sim.Snapshot()
	c.run()
	c.settle()
	t.Logf("\n%s", c.table())
	c.check()
}

// rng returns a source of its own for each part of the campaign, so that the
// timing of one does not change what is drawn for another.
func (c *campaign) rng(part uint64) *rand.Rand { return rand.New(rand.NewPCG(c.seed, part)) }

// managers makes both replicas, which reach the API server through the proxy.
func (c *campaign) managers(events chan<- managerproc.Event) (pair [2]*managerproc.Manager) {
	binary := *built
	if binary == "" {
		var err error
		if binary, err = managerproc.Build("manager-chaos", false); err != nil {
			c.t.Fatal(err)
		}
	}
	dir := c.t.TempDir()
	kubeconfig := filepath.Join(dir, "kubeconfig")
	if err := c.proxy.WriteKubeconfig(kubeconfig); err != nil {
		c.t.Fatal(err)
	}
	if *keep != "" {
		dir = *keep
	}
	for i, offset := range []time.Duration{clockOffset, -clockOffset} {
		pair[i] = managerproc.New(managerproc.Options{
			Name: fmt.Sprintf("manager-%d", i), Binary: binary, Kubeconfig: kubeconfig, Namespace: c.e.Operator.Namespace,
			ClockOffset: offset, LogDir: dir, Lease: 3 * time.Second, Renew: 2500 * time.Millisecond, Retry: 300 * time.Millisecond,
			Env: []string{"GOMAXPROCS=2", "GOMEMLIMIT=100MiB"},
		}, events)
	}
	return pair
}

// run lets all go wrong for as long as the campaign lasts.
func (c *campaign) run() {
	events := make(chan managerproc.Event, 1000)
	c.killer = &killer{c: c, rng: c.rng(1), events: events, managers: c.managers(events)}
	c.weather = &weather{c: c, console: c.rng(2), cluster: c.rng(3), struck: map[string]int{}}
	for range switchesAtFirst {
		c.weather.turn()
	}
	c.watcher = &watcher{c: c}

	// What must go on until the end, and what goes wrong until it is to settle.
	ctx, cancel := context.WithCancel(c.t.Context())
	ill, heal := context.WithTimeout(ctx, *lasts)
	fair := func(storm func(context.Context)) {
		pause(ill, fairStart)
		storm(ill)
	}
	var all, faults sync.WaitGroup
	all.Go(func() { c.watcher.run(ctx) })
	all.Go(func() { c.killer.run(ctx, ill) })
	faults.Go(func() { fair(c.weather.overConsole) })
	faults.Go(func() { fair(c.weather.overCluster) })
	c.t.Cleanup(func() {
		heal()
		cancel()
		all.Wait()
		faults.Wait()
	})
	c.program.run(ill)
	faults.Wait()
	c.weather.clear()
	c.program.revoke()
	for range mostAway {
		c.program.comeBack()
	}
}
