package access

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
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
	q := newFairQueue(nil, 16)(t.Name(), workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]()).(*fairQueue)
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

// TestNamespaceThatHangs: workers whose work on a namespace's objects takes for
// ever are not all there are, and what waits for that is not forgotten.
func TestNamespaceThatHangs(t *testing.T) {
	const workers, objects = maxActive, 1000
	synctest.Test(t, func(t *testing.T) {
		q := newFairQueue(nil, workers)(t.Name(), workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]()).(*fairQueue)
		hangs := make(chan struct{})
		var mu sync.Mutex
		begun, ended := map[string]int{}, map[string]int{}
		var order []reconcile.Request
		var running sync.WaitGroup
		for range workers {
			running.Go(func() {
				for {
					item, shutdown := q.Get()
					if shutdown {
						return
					}
					mu.Lock()
					begun[item.Namespace]++
					order = append(order, item)
					mu.Unlock()
					if item.Namespace != "quick" {
						<-hangs
					}
					mu.Lock()
					ended[item.Namespace]++
					mu.Unlock()
					q.Done(item)
				}
			})
		}
		count := func(of map[string]int, namespace string) int {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			return of[namespace]
		}
		for i := range objects {
			q.Add(of("hangs", i))
		}
		if n := count(begun, "hangs"); n != workers/3+1 {
			t.Errorf("%d of %d workers are at the namespace that hangs, want a third", n, workers)
		}
		for i := range objects {
			q.Add(of("hangs too", i))
			q.Add(of("quick", i))
		}
		if n := count(ended, "quick"); n != objects {
			t.Errorf("%d of %d objects of another namespace are done", n, objects)
		}
		turn := PriorityTurn
		for range 2 {
			q.AddWithOpts(priorityqueue.AddOpts{Priority: &turn}, of("hangs", objects-1))
		}
		before := count(begun, "hangs") + count(begun, "hangs too")
		for range workers {
			hangs <- struct{}{}
		}
		if n := count(begun, "hangs") + count(begun, "hangs too"); n < before+workers*2/3 {
			t.Errorf("after %d are done %d more are begun", workers, n-before)
		}
		close(hangs)
		for _, namespace := range []string{"hangs", "hangs too"} {
			if n := count(ended, namespace); n != objects {
				t.Errorf("%d objects of %q are done, want each of %d once", n, namespace, objects)
			}
		}
		if at := slices.Index(order, of("hangs", objects-1)); at > 2*workers+objects {
			t.Errorf("the one whose turn has come is looked at as number %d", at)
		}
		if len(q.parked)+len(q.isParked)+len(q.busy)+q.working != 0 {
			t.Errorf("left behind: %d parked, %d busy", len(q.isParked), q.working)
		}
		q.ShutDown()
		running.Wait()
	})
}

// TestWhoWaitsForAnAnswerDoesNotWork: objects whose calls are under way leave the
// others of their namespace as much to do as if there were none.
func TestWhoWaitsForAnAnswerDoesNotWork(t *testing.T) {
	const workers = 200
	synctest.Test(t, func(t *testing.T) {
		q := newFairQueue(nil, workers)(t.Name(), workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]()).(*fairQueue)
		calling, answered := 0, make(chan struct{})
		var mu sync.Mutex
		var running sync.WaitGroup
		for range workers {
			running.Go(func() {
				for item, shutdown := q.Get(); !shutdown; item, shutdown = q.Get() {
					end := q.calling(item)
					mu.Lock()
					calling++
					mu.Unlock()
					<-answered
					end()
					q.Done(item)
				}
			})
		}
		for i := range 2 * workers {
			q.Add(of("a", i))
		}
		synctest.Wait()
		mu.Lock()
		if calling != workers {
			t.Errorf("%d calls are under way, want one of each of %d workers", calling, workers)
		}
		mu.Unlock()
		close(answered)
		synctest.Wait()
		if calling != 2*workers || q.working != 0 || len(q.busy)+len(q.parked) != 0 {
			t.Errorf("%d of %d objects were worked on, and there is left %d, %v", calling, 2*workers, q.working, q.busy)
		}
		q.ShutDown()
		running.Wait()
	})
}
