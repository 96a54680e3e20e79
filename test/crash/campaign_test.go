package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/test/harness"
	"github.com/console-access/console-access-operator/test/harness/managerproc"
)

const (
	// longestLife is how long a leader lives at most.
	longestLife = 3 * time.Second
	// aimedAtLeader is how many of a hundred kills hit the leader, and released
	// is after how many of these its Lease is given up in its name, so that the
	// other one takes over at once. Else it does when the Lease has run out.
	aimedAtLeader, released = 80, 75
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
	managers [2]*managerproc.Manager
	events   chan managerproc.Event

	unwritten            int // the number of the last write before
	killed, killedLeader int
	// dead is the leader that was killed last, while its Lease is to be given up.
	dead             *managerproc.Manager
	lastLeader       *managerproc.Manager
	leaders, changes int      // how often one was elected, and another one than before
	exits            []string // of processes that nobody killed
}

// run kills a manager n times while the objects are being applied: a half at
// once and the rest evenly over the kills.
func (c *campaign) run(ctx context.Context, n int) {
	for _, m := range c.managers {
		if err := m.Start(); err != nil {
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
	atLeader, release := c.rng.IntN(100) < aimedAtLeader, c.rng.IntN(100) < released
	a, b := c.managers[0], c.managers[1]
	for !a.Running || !b.Running || !a.Leads && !b.Leads {
		c.await(ctx, nil)
	}
	timer := time.NewTimer(life)
	defer timer.Stop()
	for c.await(ctx, timer.C) {
	}
	victim := a
	if b.Leads == atLeader {
		victim = b
	}
	if victim.Leads {
		c.killedLeader++
		if release {
			c.dead = victim
		}
	}
	c.killed++
	if err := victim.Kill(); err != nil {
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
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		c.t.Fatalf("after %d kills: %v\n%s", c.killed, context.Cause(ctx), c.table())
	}
	return false
}

func (c *campaign) handle(e managerproc.Event) {
	m := e.Manager
	if !e.Current() {
		return
	}
	if !e.Ended {
		m.Leads = true
		c.leaders++
		if m != c.lastLeader {
			c.lastLeader = m
			c.changes++
		}
		return
	}
	if m.Running { // nobody killed it
		c.exits = append(c.exits, fmt.Sprintf("%s: %s", m.Name, e.Last))
	}
	if m == c.dead {
		c.dead = nil
		c.release()
	}
	if err := m.Start(); err != nil {
		c.t.Fatal(err)
	}
}

// release gives up the Lease of the leader that has just ended, as that does
// itself when it is told to stop.
func (c *campaign) release() {
	leases := &coordinationv1.LeaseList{}
	if err := c.e.Client().List(c.t.Context(), leases, client.InNamespace(c.e.Operator.Namespace)); err != nil {
		c.t.Fatalf("find the Lease: %v", err)
	}
	for i := range leases.Items {
		nobody := ""
		leases.Items[i].Spec.HolderIdentity = &nobody
		if err := c.e.Client().Update(c.t.Context(), &leases.Items[i]); err != nil && !apierrors.IsConflict(err) {
			c.t.Fatalf("release the Lease: %v", err)
		}
	}
}

// settle lets both managers live until all objects are Ready.
func (c *campaign) settle(ctx context.Context) {
	const looks = 10 // between two lines of progress
	for i := 0; ; i++ {
		if ready, _ := c.ready(); ready == len(c.objects) {
			return
		}
		if i%looks == looks-1 {
			c.progress()
		}
		timer := time.NewTimer(time.Second)
		for c.await(ctx, timer.C) {
		}
	}
}
