package console

import (
	"container/heap"
	"sync"
	"time"
)

// checks gives turns to the teams that have to be read one by one, because
// listings lack their members: the one that was read longest ago comes first,
// and the turns are spread evenly over the interval.
type checks struct {
	mu    sync.Mutex
	byKey map[string]*check
	// next are those whose turn is yet to come.
	next checkQueue
	// intervals counts the checks by their interval.
	intervals map[time.Duration]int
	// turned is when the last turn came.
	turned time.Time
	// asked is when all were asked for: what was read before is due.
	asked  time.Time
	timer  *time.Timer
	closed bool
}

type check struct {
	read     time.Time
	interval time.Duration
	wake     func()
	// index is the place in the queue, -1 once the turn has come.
	index int
}

func newChecks() *checks {
	return &checks{byKey: map[string]*check{}, intervals: map[time.Duration]int{}}
}

// PlanCheck has the team of that key read by itself once an interval. read is
// when that last happened, zero for never. It reports whether its turn has
// come, which lasts until it was read; wake is called when it comes.
func (p *Project) PlanCheck(key string, read time.Time, interval time.Duration, wake func()) bool {
	c := p.checks
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.byKey[key]
	if !ok {
		if len(c.byKey) == 0 {
			c.turned = time.Now()
		}
		k = &check{read: read, interval: interval}
		c.byKey[key] = k
		c.intervals[interval]++
		heap.Push(&c.next, k)
	}
	if k.interval != interval {
		c.drop(k.interval)
		c.intervals[interval]++
		k.interval = interval
		if k.index >= 0 {
			heap.Fix(&c.next, k.index)
		}
	}
	k.wake = wake
	c.note(k, read)
	if k.index >= 0 && k.read.Before(c.asked) {
		heap.Remove(&c.next, k.index)
	}
	c.schedule()
	return k.index < 0
}

// Checked notes that the team of that key was read by itself, beginning then.
func (p *Project) Checked(key string, began time.Time) {
	c := p.checks
	c.mu.Lock()
	defer c.mu.Unlock()
	if k, ok := c.byKey[key]; ok {
		c.note(k, began)
		c.schedule()
	}
}

// UnplanCheck ends what [Project.PlanCheck] began.
func (p *Project) UnplanCheck(key string) {
	c := p.checks
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.byKey[key]
	if !ok {
		return
	}
	delete(c.byKey, key)
	c.drop(k.interval)
	if k.index >= 0 {
		heap.Remove(&c.next, k.index)
	}
	c.schedule()
}

// PlannedChecks returns how many teams have to be read by themselves.
func (p *Project) PlannedChecks() int {
	p.checks.mu.Lock()
	defer p.checks.mu.Unlock()
	return len(p.checks.byKey)
}

// CheckAll has every planned check made now, as fast as the quota lets checks
// for drift pass.
func (p *Project) CheckAll() {
	c := p.checks
	c.mu.Lock()
	c.asked = time.Now()
	var wake []func()
	for _, k := range c.byKey {
		if k.index < 0 {
			// It may be under way, and have begun before.
			wake = append(wake, k.wake)
		}
	}
	for c.next.Len() > 0 {
		wake = append(wake, heap.Pop(&c.next).(*check).wake)
	}
	c.mu.Unlock()
	for _, f := range wake {
		f()
	}
}

// note takes over when a team was last read; it needs c.mu.
func (c *checks) note(k *check, read time.Time) {
	if !read.After(k.read) {
		return
	}
	k.read = read
	switch {
	case k.index >= 0:
		heap.Fix(&c.next, k.index)
	case !read.Before(c.asked):
		heap.Push(&c.next, k)
	}
}

// drop needs c.mu.
func (c *checks) drop(interval time.Duration) {
	if c.intervals[interval]--; c.intervals[interval] == 0 {
		delete(c.intervals, interval)
	}
}

// gap is the time between two turns; it needs c.mu.
func (c *checks) gap() time.Duration {
	perNanosecond := 0.0
	for interval, n := range c.intervals {
		perNanosecond += float64(n) / float64(interval)
	}
	return time.Duration(1 / perNanosecond)
}

// schedule sets the timer to the next turn; it needs c.mu.
func (c *checks) schedule() {
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.closed || c.next.Len() == 0 {
		return
	}
	c.timer = time.AfterFunc(time.Until(c.turned.Add(c.gap())), c.turn)
}

// turn gives the next one its turn.
func (c *checks) turn() {
	c.mu.Lock()
	if c.closed || c.next.Len() == 0 {
		c.mu.Unlock()
		return
	}
	now, gap := time.Now(), c.gap()
	at := c.turned.Add(gap)
	if now.Before(at) {
		// The timer was set anew while it fired.
		c.schedule()
		c.mu.Unlock()
		return
	}
	// A late timer is made up for, but a longer lapse leads to no burst.
	if c.turned = at; now.Sub(at) > gap {
		c.turned = now
	}
	wake := heap.Pop(&c.next).(*check).wake
	c.schedule()
	c.mu.Unlock()
	wake()
}

func (c *checks) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.schedule()
}

// A checkQueue has the check in front that should be over first.
type checkQueue []*check

func (q checkQueue) Len() int { return len(q) }

func (q checkQueue) Less(i, j int) bool {
	return q[i].read.Add(q[i].interval).Before(q[j].read.Add(q[j].interval))
}

func (q checkQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

func (q *checkQueue) Push(x any) {
	k := x.(*check)
	k.index = len(*q)
	*q = append(*q, k)
}

func (q *checkQueue) Pop() any {
	last := len(*q) - 1
	k := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	k.index = -1
	return k
}
