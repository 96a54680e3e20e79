package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/console-access/console-access-operator/test/harness/managerproc"
)

const (
	// firstLife is how long nobody is killed at first: a window that is full
	// because of work alone is what shows whether it is kept. What a crash costs
	// is so much that it is hardly ever full later.
	firstLife = 20 * time.Second
	// shortestLife and longestLife are between an election and the next kill.
	shortestLife, longestLife = 500 * time.Millisecond, 20 * time.Second
	// aimedAtLeader is how many of a hundred kills hit the leader, the rest the
	// other one; bothAtOnce is after how many the other one is killed as well.
	aimedAtLeader, bothAtOnce = 80, 15
	// frozen is how many of a hundred victims are not killed but stopped, for so
	// long that another one leads before they go on.
	frozen, longestFreeze = 15, 6 * time.Second
)

// A killer keeps two managers running, and kills them.
type killer struct {
	c        *campaign
	rng      *rand.Rand
	events   chan managerproc.Event
	managers [2]*managerproc.Manager

	mu                   sync.Mutex
	killed, killedLeader int
	froze                int
	leader               *managerproc.Manager
	elections, changes   int
	exits                []string // of processes that nobody killed
}

// run keeps the managers running until ctx ends, and kills them until ill does.
func (k *killer) run(ctx, ill context.Context) {
	defer managerproc.End(k.events, k.managers[:]...)
	for _, m := range k.managers {
		k.begin(m)
	}
	began := time.Now()
	timer := time.NewTimer(firstLife)
	defer timer.Stop()
	for {
		select {
		case e := <-k.events:
			if k.handle(e) && ill.Err() == nil {
				timer.Reset(max(k.life(), firstLife-time.Since(began)))
			}
		case <-timer.C:
			if ill.Err() == nil {
				k.strike(ill)
				timer.Reset(longestLife) // should nobody be elected
			}
		case <-ctx.Done():
			return
		}
	}
}

func (k *killer) life() time.Duration {
	return shortestLife + time.Duration(k.rng.Int64N(int64(longestLife-shortestLife)))
}

func (k *killer) begin(m *managerproc.Manager) {
	if err := m.Start(); err != nil {
		k.c.t.Errorf("start a manager: %v", err)
	}
}

// strike kills the leader or the other one, or both, or freezes one.
func (k *killer) strike(ill context.Context) {
	k.mu.Lock()
	defer k.mu.Unlock()
	victim, other := k.managers[0], k.managers[1]
	if other.Leads == (k.rng.IntN(100) < aimedAtLeader) {
		victim, other = other, victim
	}
	both := k.rng.IntN(100) < bothAtOnce
	if k.rng.IntN(100) < frozen && victim.Running {
		k.froze++
		err := victim.Freeze()
		pause(ill, spell(k.rng, longestFreeze))
		if err := errors.Join(err, victim.Thaw()); err != nil {
			k.c.t.Error(err)
		}
		return
	}
	for _, m := range []*managerproc.Manager{victim, other} {
		if m == other && !both || !m.Running {
			continue
		}
		k.killed++
		if m.Leads {
			k.killedLeader++
		}
		if err := m.Kill(); err != nil {
			k.c.t.Error(err)
		}
	}
}

// handle reports whether a leader was elected.
func (k *killer) handle(e managerproc.Event) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	m := e.Manager
	switch {
	case !e.Current():
		return false
	case !e.Ended:
		k.c.chronicle.note("", "%s is elected", m.Name)
		m.Leads = true
		k.elections++
		if m != k.leader {
			k.leader = m
			k.changes++
		}
		k.c.ledger.Elected()
		return true
	}
	k.c.chronicle.note("", "%s has ended", m.Name)
	k.c.ledger.Died(time.Now())
	if m.Running {
		k.exits = append(k.exits, fmt.Sprintf("%s: %s", m.Name, e.Last))
	}
	k.begin(m)
	return false
}
