package access

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

func of(namespace string, i int) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: fmt.Sprint(i)}}
}

// TestTurns: what a quiet namespace adds last comes right after the busy one's
// first turn, and what has a priority of its own keeps it.
func TestTurns(t *testing.T) {
	q := newTurns(nil)(t.Name(), workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]()).(*turns)
	defer q.ShutDown()
	const busy = 5000
	for i := range busy {
		q.Add(of("busy", i))
	}
	drift, turn := PriorityDrift, PriorityTurn
	q.AddWithOpts(priorityqueue.AddOpts{Priority: &drift}, of("quiet", 2))
	q.AddWithOpts(priorityqueue.AddOpts{Priority: &turn}, of("busy", busy))
	q.Add(of("quiet", 1))
	q.Add(of("quiet", 1))
	// The queue takes what is added over in the background.
	for deadline := time.Now().Add(10 * time.Second); q.Len() < busy+3; {
		if time.Now().After(deadline) {
			t.Fatalf("%d items, want %d", q.Len(), busy+3)
		}
	}

	var order []reconcile.Request
	for range busy + 3 {
		item, _ := q.Get()
		q.Done(item)
		order = append(order, item)
	}
	if order[0] != of("busy", busy) {
		t.Errorf("first comes %v, want the one whose turn has come", order[0])
	}
	if at := slices.Index(order, of("quiet", 1)); at > turnLength+1 {
		t.Errorf("the quiet namespace's object comes as number %d, want it after one turn of %d", at, turnLength)
	}
	if last := order[busy+2]; last != of("quiet", 2) {
		t.Errorf("last comes %v, want the check that nobody asked for", last)
	}
	if len(q.waiting) != 0 {
		t.Errorf("%d namespaces are still noted, want none", len(q.waiting))
	}
}
