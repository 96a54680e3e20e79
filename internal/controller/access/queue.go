package access

import (
	"context"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/console-access/console-access-operator/internal/console"
)

// Priorities of reconciliations that no watch asked for. Those that watches
// ask for have 0, and [handler.LowPriority] after a restart.
const (
	// PriorityTurn is for an object whose turn in the quota has come: a token
	// is held for it.
	PriorityTurn = 20
	// PriorityRelease is for an object that waited for another one to go.
	PriorityRelease = 10
	// PriorityDrift is for an object whose counterpart in the console changed.
	PriorityDrift = -50
)

// A Queue lets things that are no Kubernetes events ask for a reconciliation.
// Give [Queue.Source] to the controller's builder.
type Queue struct {
	mu    sync.Mutex
	inner workqueue.TypedRateLimitingInterface[reconcile.Request]
}

// Source connects the queue to its controller.
func (q *Queue) Source() source.Source {
	return source.Func(func(_ context.Context, inner workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.inner = inner
		return nil
	})
}

// Add asks for a reconciliation of the named object.
func (q *Queue) Add(name types.NamespacedName, priority int) {
	q.mu.Lock()
	inner := q.inner
	q.mu.Unlock()
	request := reconcile.Request{NamespacedName: name}
	switch inner := inner.(type) {
	case nil:
		// Not started: the first watch events bring every object.
	case priorityqueue.PriorityQueue[reconcile.Request]:
		inner.AddWithOpts(priorityqueue.AddOpts{Priority: &priority}, request)
	default:
		inner.Add(request)
	}
}

// Calling returns a Reconciler whose calls to the console leave the controller's
// other workers more to do: who waits for an answer does not work.
func (q *Queue) Calling(r reconcile.Reconciler) reconcile.Reconciler {
	return reconcile.Func(func(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
		q.mu.Lock()
		fair, ok := q.inner.(*fairQueue)
		q.mu.Unlock()
		if ok {
			ctx = console.WhileCalling(ctx, func() func() { return fair.calling(request) })
		}
		return r.Reconcile(ctx, request)
	})
}
