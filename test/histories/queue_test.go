package histories

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// A queue is the work queue of a controller. It behaves as controller-runtime's
// priority queue, but the world decides when and in which order it is served.
type queue struct {
	process *process
	name    string
	limiter workqueue.TypedRateLimiter[reconcile.Request]

	mu      sync.Mutex
	waiting map[reconcile.Request]entry
	busy    map[reconcile.Request]bool
	idle    int // workers that wait
	handed  chan handed
	closed  chan struct{}
	once    sync.Once
}

type entry struct {
	ready    time.Duration
	priority int
}

type handed struct {
	request  reconcile.Request
	priority int
}

// A candidate is an object that can be looked at now.
type candidate struct {
	handed
	queue *queue
}

var _ priorityqueue.PriorityQueue[reconcile.Request] = (*queue)(nil)

func (p *process) newQueue(name string, limiter workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
	q := &queue{
		process: p, name: name, limiter: limiter,
		waiting: map[reconcile.Request]entry{}, busy: map[reconcile.Request]bool{},
		handed: make(chan handed), closed: make(chan struct{}),
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queues = append(p.queues, q)
	slices.SortFunc(p.queues, func(a, b *queue) int { return cmp.Compare(a.name, b.name) })
	return q
}

// AddWithOpts implements [priorityqueue.PriorityQueue].
func (q *queue) AddWithOpts(o priorityqueue.AddOpts, items ...reconcile.Request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, item := range items {
		after := o.After
		if o.RateLimited {
			after = max(after, q.limiter.When(item))
		}
		e := entry{ready: q.process.w.now() + after}
		if o.Priority != nil {
			e.priority = *o.Priority
		}
		if known, ok := q.waiting[item]; ok {
			e.ready, e.priority = min(e.ready, known.ready), max(e.priority, known.priority)
		}
		q.waiting[item] = e
	}
	q.process.w.signal()
}

// GetWithPriority implements [priorityqueue.PriorityQueue].
func (q *queue) GetWithPriority() (reconcile.Request, int, bool) {
	q.mu.Lock()
	q.idle++
	q.mu.Unlock()
	select {
	case h := <-q.handed:
		return h.request, h.priority, false
	case <-q.closed:
		return reconcile.Request{}, 0, true
	}
}

// Done marks an item as no longer worked on.
func (q *queue) Done(item reconcile.Request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.busy, item)
	q.process.w.signal()
}

// ready appends what can be handed out now, in a fixed order.
func (q *queue) ready(out []candidate, now time.Duration) []candidate {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.idle == 0 || q.ShuttingDown() {
		return out
	}
	first := len(out)
	for item, e := range q.waiting {
		if e.ready <= now && !q.busy[item] {
			out = append(out, candidate{handed{item, e.priority}, q})
		}
	}
	slices.SortFunc(out[first:], func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.request.Namespace, b.request.Namespace), cmp.Compare(a.request.Name, b.request.Name))
	})
	return out
}

// next is when something can be handed out.
func (q *queue) next() time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	next := never
	if q.idle == 0 || q.ShuttingDown() {
		return next
	}
	for item, e := range q.waiting {
		if !q.busy[item] {
			next = min(next, e.ready)
		}
	}
	return next
}

const never time.Duration = 1<<63 - 1

// hand gives an item to a worker that waits.
func (q *queue) hand(item reconcile.Request) {
	q.mu.Lock()
	e := q.waiting[item]
	delete(q.waiting, item)
	q.busy[item] = true
	q.idle--
	q.mu.Unlock()
	q.handed <- handed{item, e.priority}
}

// What follows completes the interface.

func (q *queue) Add(item reconcile.Request) { q.AddWithOpts(priorityqueue.AddOpts{}, item) }

func (q *queue) AddAfter(item reconcile.Request, d time.Duration) {
	q.AddWithOpts(priorityqueue.AddOpts{After: d}, item)
}

func (q *queue) AddRateLimited(item reconcile.Request) {
	q.AddWithOpts(priorityqueue.AddOpts{RateLimited: true}, item)
}

func (q *queue) Get() (reconcile.Request, bool) {
	item, _, shutdown := q.GetWithPriority()
	return item, shutdown
}

func (q *queue) Forget(item reconcile.Request)          { q.limiter.Forget(item) }
func (q *queue) NumRequeues(item reconcile.Request) int { return q.limiter.NumRequeues(item) }
func (q *queue) ShutDown()                              { q.once.Do(func() { close(q.closed) }) }
func (q *queue) ShutDownWithDrain()                     { q.ShutDown() }

func (q *queue) ShuttingDown() bool {
	select {
	case <-q.closed:
		return true
	default:
		return false
	}
}

func (q *queue) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}
