package access

import (
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
)

// turns is a queue in which namespaces take turns: the more objects of one wait
// already, the lower the priority of the next, so that thousands of new objects
// of one namespace do not hold up the first look at one of another. Their calls
// take turns in the quota; this is about what comes before these.
type turns struct {
	priorityqueue.PriorityQueue[reconcile.Request]

	mu      sync.Mutex
	waiting map[string]map[string]bool // names by namespace
}

// A newQueue makes the work queue of a controller.
type newQueue = func(controller string, limiter workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request]

// newTurns is a controller's NewQueue; over makes the priority queue below it,
// nil means controller-runtime's.
func newTurns(over newQueue) newQueue {
	if over == nil {
		over = newPriorityQueue
	}
	return func(controller string, limiter workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
		inner := over(controller, limiter).(priorityqueue.PriorityQueue[reconcile.Request])
		return &turns{PriorityQueue: inner, waiting: map[string]map[string]bool{}}
	}
}

func newPriorityQueue(controller string, limiter workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
	return priorityqueue.New(controller, func(o *priorityqueue.Opts[reconcile.Request]) {
		o.Log = log.Log.WithValues("controller", controller)
		o.RateLimiter = limiter
	})
}

// Add adds what a watch reports.
func (q *turns) Add(item reconcile.Request) { q.AddWithOpts(priorityqueue.AddOpts{}, item) }

// AddWithOpts adds items. Those with a priority of their own keep it.
func (q *turns) AddWithOpts(o priorityqueue.AddOpts, items ...reconcile.Request) {
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
func (q *turns) enter(item reconcile.Request) int {
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
func (q *turns) Get() (reconcile.Request, bool) {
	item, _, shutdown := q.GetWithPriority()
	return item, shutdown
}

// GetWithPriority returns the next item, and its priority.
func (q *turns) GetWithPriority() (reconcile.Request, int, bool) {
	item, priority, shutdown := q.PriorityQueue.GetWithPriority()
	q.mu.Lock()
	defer q.mu.Unlock()
	if names := q.waiting[item.Namespace]; names != nil {
		delete(names, item.Name)
		if len(names) == 0 {
			delete(q.waiting, item.Namespace)
		}
	}
	return item, priority, shutdown
}
