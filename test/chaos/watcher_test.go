package chaos

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/test/chaos/audit"
)

// A watcher notes what becomes of the objects, past the proxy.
type watcher struct {
	c     *campaign
	teams lives[v1alpha1.TeamSpec]
	roles lives[v1alpha1.UserRoleSpec]
}

// lives are the latest lives of the objects of a kind, by name.
type lives[S any] struct {
	mu sync.Mutex
	by map[string]*audit.Life[S]
}

// follow has what becomes of an object noted in a life from now on. The life
// before has to be over.
func (l *lives[S]) follow(name string, life *audit.Life[S]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.by == nil {
		l.by = map[string]*audit.Life[S]{}
	}
	l.by[name] = life
}

func (l *lives[S]) of(name string) *audit.Life[S] {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.by[name]
}

// run watches until ctx ends.
func (w *watcher) run(ctx context.Context) {
	api, err := client.NewWithWatch(w.c.e.Config(), client.Options{Scheme: w.c.e.Client().Scheme()})
	if err != nil {
		w.c.t.Errorf("make a client: %v", err)
		return
	}
	var both sync.WaitGroup
	both.Go(func() { w.watch(ctx, api, &v1alpha1.TeamList{}) })
	both.Go(func() { w.watch(ctx, api, &v1alpha1.UserRoleList{}) })
	both.Wait()
}

// watch notes every event about objects of a kind. A watch that ends, as they
// all do in time, is begun anew; no object can go unseen meanwhile, as what
// still exists is told again at first.
func (w *watcher) watch(ctx context.Context, api client.WithWatch, list client.ObjectList) {
	known := map[string]client.Object{}
	for ctx.Err() == nil {
		if err := api.List(ctx, list); err != nil {
			if ctx.Err() == nil {
				w.c.t.Errorf("list what to watch: %v", err)
			}
			return
		}
		still := map[string]bool{}
		_ = meta.EachListItem(list, func(item runtime.Object) error {
			obj := item.(client.Object)
			still[nameOf(obj)] = true
			known[nameOf(obj)] = obj
			w.note(obj, false)
			return nil
		})
		for name, obj := range known {
			if !still[name] {
				w.note(obj, true)
				delete(known, name)
			}
		}
		// From that list on: what ends between the two is told, too.
		from := &metav1.ListOptions{ResourceVersion: list.GetResourceVersion()}
		events, err := api.Watch(ctx, list, &client.ListOptions{Raw: from})
		if err != nil {
			if ctx.Err() == nil {
				w.c.t.Errorf("watch: %v", err)
			}
			return
		}
		for e := range events.ResultChan() {
			obj, ok := e.Object.(client.Object)
			if !ok {
				break
			}
			known[nameOf(obj)] = obj
			w.note(obj, e.Type == watch.Deleted)
			if e.Type == watch.Deleted {
				delete(known, nameOf(obj))
			}
		}
		events.Stop()
	}
}

func nameOf(obj client.Object) string { return client.ObjectKeyFromObject(obj).String() }

func (w *watcher) note(obj client.Object, gone bool) {
	switch obj := obj.(type) {
	case *v1alpha1.Team:
		life := w.teams.of(nameOf(obj))
		if life == nil {
			w.c.t.Error(fmt.Errorf("there is a Team %s that nobody applied", nameOf(obj)))
			return
		}
		w.c.chronicle.noteTeam(obj, gone)
		w.c.ledger.Note(func() {
			if obj.Status.ID != "" {
				life.IDs[obj.Status.ID] = true
			}
			life.Adopted = obj.Status.Adopted
			if gone {
				life.Gone = time.Now()
			}
		})
	case *v1alpha1.UserRole:
		life := w.roles.of(nameOf(obj))
		if life == nil {
			w.c.t.Error(fmt.Errorf("there is a UserRole %s that nobody applied", nameOf(obj)))
			return
		}
		w.c.ledger.Note(func() {
			life.PreviousRole = obj.Status.PreviousRole
			if gone {
				life.Gone = time.Now()
			}
		})
	}
}
