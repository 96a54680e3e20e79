package access

import (
	"maps"
	"slices"
	"sync"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const (
	// turnLength is how many objects of a namespace are looked at in one turn.
	turnLength = 32
	// latestTurn is the lowest priority that waiting for a turn leads to: above
	// that of a check that nobody asked for.
	latestTurn = PriorityDrift + 1
	// maxActive is how many objects of a kind are worked on at a time as a rule,
	// without those that wait for an answer of the console. More would be in each
	// other's way, and the most urgent ones behind the rest. With fewer workers there
	// is nothing to share, and each takes what comes first.
	maxActive = 32
)

// fairQueue is a queue in which namespaces take turns: the more objects of one
// wait already, the lower the priority of the next, so that thousands of new
// objects of one namespace do not hold up the first look at one of another. Their
// calls take turns in the quota; this is about what comes before these.
//
// Only so many objects are worked on at a time, beside those that wait for an
// answer of the console. No namespace gets more than half of what it leaves free:
// where each write to Kubernetes takes long, as behind an admission webhook that
// hangs, the objects beyond that are parked until one of their namespace is done.
type fairQueue struct {
	priorityqueue.PriorityQueue[reconcile.Request]
	workers int

	mu       sync.Mutex
	waiting  map[string]map[string]bool // names by namespace
	busy     map[string]int             // objects being worked on, by namespace
	working  int                        // the sum of busy
	parked   map[string][]parked        // by namespace, the highest priority first
	isParked map[reconcile.Request]bool
	// idle are workers without work. The last one that became idle comes first:
	// so those that are seldom needed keep small stacks.
	idle []chan struct{}
	// served: one of them asks the queue below.
	served bool
}

// A parked object waits for another one of its namespace to be done.
type parked struct {
	item     reconcile.Request
	priority int
}

// A newQueue makes the work queue of a controller.
type newQueue = func(controller string, limiter workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request]

// newFairQueue is the NewQueue of a controller with so many workers; over makes
// the priority queue below it, nil means controller-runtime's.
func newFairQueue(over newQueue, workers int) newQueue {
	if over == nil {
		over = newPriorityQueue
	}
	return func(controller string, limiter workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
		inner := over(controller, limiter).(priorityqueue.PriorityQueue[reconcile.Request])
		return &fairQueue{
			PriorityQueue: inner, workers: workers,
			waiting: map[string]map[string]bool{}, busy: map[string]int{},
			parked: map[string][]parked{}, isParked: map[reconcile.Request]bool{},
		}
	}
}

func newPriorityQueue(controller string, limiter workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
	return priorityqueue.New(controller, func(o *priorityqueue.Opts[reconcile.Request]) {
		o.Log = log.Log.WithValues("controller", controller)
		o.RateLimiter = limiter
	})
}

// Add adds what a watch reports.
func (q *fairQueue) Add(item reconcile.Request) { q.AddWithOpts(priorityqueue.AddOpts{}, item) }

// AddWithOpts adds items. Those with a priority of their own keep it.
func (q *fairQueue) AddWithOpts(o priorityqueue.AddOpts, items ...reconcile.Request) {
	if o.After > 0 || o.RateLimited || o.Priority != nil && *o.Priority != 0 {
		q.PriorityQueue.AddWithOpts(o, items...)
		return
	}
	for _, item := range items {
		priority := max(latestTurn, -(q.enter(item) / turnLength))
		o.Priority = &priority
		q.PriorityQueue.AddWithOpts(o, item)
	}
}

// enter notes that an item waits, and returns how many others of its namespace do.
func (q *fairQueue) enter(item reconcile.Request) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	names := q.waiting[item.Namespace]
	if names == nil {
		names = map[string]bool{}
		q.waiting[item.Namespace] = names
	}
	names[item.Name] = true
	return len(names) - 1
}

// Get returns the next item.
func (q *fairQueue) Get() (reconcile.Request, bool) {
	item, _, shutdown := q.GetWithPriority()
	return item, shutdown
}

// GetWithPriority returns the next item, and its priority.
func (q *fairQueue) GetWithPriority() (reconcile.Request, int, bool) {
	q.enlist()
	defer q.handOver()
	for {
		item, priority, shutdown := q.PriorityQueue.GetWithPriority()
		if shutdown || q.admit(item, priority) {
			return item, priority, shutdown
		}
		q.PriorityQueue.Done(item)
	}
}

// enlist waits until the worker is the one that asks the queue below.
func (q *fairQueue) enlist() {
	q.mu.Lock()
	if !q.served {
		q.served = true
		q.mu.Unlock()
		return
	}
	turn := make(chan struct{})
	q.idle = append(q.idle, turn)
	q.mu.Unlock()
	<-turn
}

// handOver has another worker ask the queue below.
func (q *fairQueue) handOver() {
	q.mu.Lock()
	defer q.mu.Unlock()
	last := len(q.idle) - 1
	if last < 0 {
		q.served = false
		return
	}
	close(q.idle[last])
	q.idle[last] = nil
	q.idle = q.idle[:last]
}

// admit notes that an item is worked on, or parks it.
func (q *fairQueue) admit(item reconcile.Request, priority int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if names := q.waiting[item.Namespace]; names != nil {
		delete(names, item.Name)
		if len(names) == 0 {
			delete(q.waiting, item.Namespace)
		}
	}
	if q.share(item.Namespace) > 0 {
		q.resume(item)
		return true
	}
	q.park(parked{item, priority})
	return false
}

// park needs q.mu.
func (q *fairQueue) park(p parked) {
	waiting := q.parked[p.item.Namespace]
	if q.isParked[p.item] {
		i := slices.IndexFunc(waiting, func(o parked) bool { return o.item == p.item })
		p.priority = max(p.priority, waiting[i].priority)
		waiting = slices.Delete(waiting, i, i+1)
	}
	behind, _ := slices.BinarySearchFunc(waiting, p.priority, func(o parked, priority int) int {
		if o.priority >= priority {
			return -1
		}
		return 1
	})
	q.parked[p.item.Namespace], q.isParked[p.item] = slices.Insert(waiting, behind, p), true
}

// share is how many more workers a namespace may have. It needs q.mu.
func (q *fairQueue) share(namespace string) int {
	if q.workers < maxActive {
		return q.workers
	}
	return max(1, (maxActive-q.working)/2) - q.busy[namespace]
}

// resume notes that an item is worked on. It needs q.mu.
func (q *fairQueue) resume(item reconcile.Request) {
	q.busy[item.Namespace]++
	q.working++
}

// leave notes that an item is not worked on, and returns those that may be worked
// on because of that. It needs q.mu.
func (q *fairQueue) leave(item reconcile.Request) []parked {
	q.working--
	if q.busy[item.Namespace]--; q.busy[item.Namespace] == 0 {
		delete(q.busy, item.Namespace)
	}
	return q.unpark()
}

// putBack has items handed out again.
func (q *fairQueue) putBack(items []parked) {
	for _, p := range items {
		q.PriorityQueue.AddWithOpts(priorityqueue.AddOpts{Priority: &p.priority}, p.item)
	}
}

// Done notes that an item is no longer worked on.
func (q *fairQueue) Done(item reconcile.Request) {
	q.mu.Lock()
	back := q.leave(item)
	q.mu.Unlock()
	q.PriorityQueue.Done(item)
	q.putBack(back)
}

// calling notes that whoever works on an item waits for an answer of the console,
// until end is called.
func (q *fairQueue) calling(item reconcile.Request) (end func()) {
	q.mu.Lock()
	back := q.leave(item)
	q.mu.Unlock()
	q.putBack(back)
	return func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.resume(item)
	}
}

// unpark returns the items that may be worked on. It needs q.mu.
func (q *fairQueue) unpark() (back []parked) {
	for _, namespace := range slices.Sorted(maps.Keys(q.parked)) {
		waiting := q.parked[namespace]
		n := min(len(waiting), max(0, q.share(namespace)))
		for _, p := range waiting[:n] {
			delete(q.isParked, p.item)
			back = append(back, p)
		}
		if q.parked[namespace] = waiting[n:]; n == len(waiting) {
			delete(q.parked, namespace)
		}
	}
	return back
}
