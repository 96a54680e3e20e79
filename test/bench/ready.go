package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/console-access/console-access-operator/api/v1alpha1"
)

// A watcher notes when objects of one kind become Ready.
type watcher struct {
	kind   kind
	cancel context.CancelFunc

	mu     sync.Mutex
	ready  map[string]time.Time
	states map[string]string // of those that are not
	last   time.Time
}

func watch(ctx context.Context, c *cluster, k kind) (*watcher, error) {
	objects, err := cache.New(c.config, cache.Options{Scheme: c.scheme, DefaultTransform: cache.TransformStripManagedFields()})
	if err != nil {
		return nil, err
	}
	informer, err := objects.GetInformer(ctx, k.empty())
	if err != nil {
		return nil, fmt.Errorf("watch %ss: %w", k, err)
	}
	w := &watcher{kind: k, ready: map[string]time.Time{}, states: map[string]string{}}
	see := func(obj any) { w.see(obj.(v1alpha1.AccessObject)) }
	registration, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc: see, UpdateFunc: func(_, obj any) { see(obj) },
	})
	if err != nil {
		return nil, err
	}
	ctx, w.cancel = context.WithCancel(ctx)
	go func() { _ = objects.Start(ctx) }()
	return w, poll(ctx, time.Millisecond, func() (bool, error) { return registration.HasSynced(), nil })
}

func (w *watcher) see(obj v1alpha1.AccessObject) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.ready[obj.GetName()]; ok {
		return
	}
	c := meta.FindStatusCondition(obj.Sync().Conditions, v1alpha1.ReadyCondition)
	if c == nil || c.ObservedGeneration != obj.GetGeneration() || c.Status != metav1.ConditionTrue {
		w.states[obj.GetName()] = describe(c)
		return
	}
	delete(w.states, obj.GetName())
	w.ready[obj.GetName()], w.last = now, now
}

func describe(c *metav1.Condition) string {
	if c == nil {
		return "no Ready condition yet"
	}
	return c.Reason + ": " + c.Message
}

// at is when an object became Ready; zero when it has not.
func (w *watcher) at(name string) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ready[name]
}

func (w *watcher) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.ready)
}

// reportEvery is the time between two lines of progress.
const reportEvery = 10 * time.Second

// errNotReady means that the time-out was reached first.
var errNotReady = errors.New("not all objects became Ready")

// wait waits until n objects are Ready and returns when the last one was. The
// error after the time-out, [errNotReady], says what the others were last seen as.
func (w *watcher) wait(ctx context.Context, n int, timeout time.Duration, p *process) (time.Time, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errNotReady)
	defer cancel()
	next := time.Now().Add(reportEvery)
	err := poll(ctx, 5*time.Millisecond, func() (bool, error) {
		have := w.count()
		if time.Now().After(next) {
			progress("  %d of %d %ss are Ready", have, n, w.kind)
			next = next.Add(reportEvery)
		}
		return have >= n, p.alive()
	})
	if err != nil {
		w.mu.Lock()
		last := w.last
		w.mu.Unlock()
		return last, fmt.Errorf("%w: %d of %d %ss are Ready after %v\n%s\nthe end of the %s's log:\n%s",
			err, w.count(), n, w.kind, timeout, w.report(), p.name, p.tail())
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last, nil
}

// report lists some of the objects that are not Ready.
func (w *watcher) report() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	names := slices.Sorted(maps.Keys(w.states))
	lines := make([]string, 0, 10)
	for _, name := range names[:min(len(names), 10)] {
		lines = append(lines, fmt.Sprintf("  %s %s: %s", w.kind, name, w.states[name]))
	}
	return strings.Join(lines, "\n")
}
