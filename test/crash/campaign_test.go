package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/test/harness"
)

const (
	// longestLife is how long a leader lives at most.
	longestLife = 2 * time.Second
	// aimedAtLeader is how many of a hundred kills hit the leader.
	aimedAtLeader = 80
	// reports is how many lines of progress there are.
	reports = 20
)

// A campaign applies objects and kills managers.
type campaign struct {
	t        *testing.T
	e        *harness.Env
	rng      *rand.Rand
	start    time.Time
	objects  []client.Object
	managers [2]*manager
	events   chan event

	killed, killedLeader int
	lastLeader           *manager
	leaders, changes     int      // how often one was elected, and another one than before
	exits                []string // of processes that nobody killed
}

// run kills a manager n times while the objects are being applied: a half at
// once and the rest evenly over the kills.
func (c *campaign) run(ctx context.Context, n int) {
	for _, m := range c.managers {
		if err := m.start(); err != nil {
			c.t.Fatal(err)
		}
	}
	batches := make(chan []client.Object, n+1)
	var applying sync.WaitGroup
	applying.Go(func() {
		for batch := range batches {
			c.e.CreateMany(batch)
		}
	})
	applied := len(c.objects) / 2
	batches <- c.objects[:applied]
	for i := range n {
		next := len(c.objects)/2 + (len(c.objects)-len(c.objects)/2)*(i+1)/n
		batches <- c.objects[applied:next]
		applied = next
		c.killOne(ctx)
		if c.killed%max(1, n/reports) == 0 {
			c.progress()
		}
	}
	close(batches)
	applying.Wait()
}

// killOne waits until somebody leads, and for a random time from then on, and
// kills the leader or the other one.
func (c *campaign) killOne(ctx context.Context) {
	life := time.Duration(c.rng.Int64N(int64(longestLife)))
	atLeader := c.rng.IntN(100) < aimedAtLeader
	a, b := c.managers[0], c.managers[1]
	for !a.running || !b.running || !a.leads && !b.leads {
		c.await(ctx, nil)
	}
	timer := time.NewTimer(life)
	defer timer.Stop()
	for c.await(ctx, timer.C) {
	}
	victim := a
	if b.leads == atLeader {
		victim = b
	}
	if victim.leads {
		c.killedLeader++
	}
	c.killed++
	if err := victim.kill(); err != nil {
		c.t.Fatal(err)
	}
}

// await handles one event and returns true, or false when the time has come.
func (c *campaign) await(ctx context.Context, timeout <-chan time.Time) bool {
	select {
	case e := <-c.events:
		c.handle(e)
		return true
	case <-timeout:
		return false
	case <-ctx.Done():
		c.t.Fatalf("after %d kills: %v\n%s", c.killed, context.Cause(ctx), c.table())
		return false
	}
}

func (c *campaign) handle(e event) {
	m := e.manager
	if e.process != m.process {
		return
	}
	if !e.ended {
		m.leads = true
		c.leaders++
		if m != c.lastLeader {
			c.lastLeader = m
			c.changes++
		}
		return
	}
	if m.running { // nobody killed it
		c.exits = append(c.exits, fmt.Sprintf("%s: %s", m.name, e.last))
	}
	if err := m.start(); err != nil {
		c.t.Fatal(err)
	}
}

// settle lets both managers live until all objects are Ready.
func (c *campaign) settle(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		for c.await(ctx, ticker.C) {
		}
		if ready, _ := c.ready(); ready == len(c.objects) {
			return
		}
	}
}

// end kills the managers for good.
func (c *campaign) end() {
	running := 0
	for _, m := range c.managers {
		if m.process > 0 {
			running++
			_ = m.cmd.Process.Kill()
		}
	}
	for running > 0 {
		e := <-c.events
		if e.ended && e.process == e.manager.process {
			running--
		}
	}
}
