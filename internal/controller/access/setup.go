package access

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/controller/condition"
)

// Setup adds a controller for the desk's kind: it follows the objects, their
// connections, the labels of their namespaces, and whoever claims the same.
func (d *Desk) Setup(ctx context.Context, mgr ctrl.Manager, kind client.Object, list func() client.ObjectList, options controller.Options, r reconcile.Reconciler) error {
	if err := Index(ctx, mgr.GetFieldIndexer(), kind); err != nil {
		return err
	}
	ofConnection := handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, obj client.Object) []reconcile.Request {
		return requests(d.ofConnection(ctx, list, obj.GetName()))
	})
	// An object that a connection ceases to admit gives up its claims to others.
	ofNamespace := handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, obj client.Object) []reconcile.Request {
		var out []types.NamespacedName
		for _, inside := range d.matching(ctx, list(), client.InNamespace(obj.GetName())) {
			out = append(out, client.ObjectKeyFromObject(inside))
			out = append(out, d.contenders(ctx, list(), inside.Claim(), inside)...)
		}
		return requests(out)
	})
	contenders := Contenders(func(ctx context.Context, claim string, obj v1alpha1.AccessObject) []types.NamespacedName {
		return d.contenders(ctx, list(), claim, obj)
	})
	options.NewQueue = newFairQueue(options.NewQueue, options.MaxConcurrentReconciles)
	err := ctrl.NewControllerManagedBy(mgr).
		Named(strings.ToLower(d.Kind)).
		For(kind, builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}))).
		Watches(kind, d.overwritten()).
		Watches(kind, contenders).
		Watches(&v1alpha1.ConsoleConnection{}, ofConnection, builder.WithPredicates(connectionChanged())).
		Watches(&corev1.Namespace{}, ofNamespace, builder.WithPredicates(labelsChanged())).
		WatchesRawSource(d.Queue.Source()).
		WithOptions(options).
		Complete(d.Queue.Calling(r))
	if err != nil {
		return fmt.Errorf("set up the controller of %s: %w", d.Kind, err)
	}
	return nil
}

// WakeAll has all objects of a connection looked at.
func (d *Desk) WakeAll(ctx context.Context, list client.ObjectList, connection string) {
	for _, obj := range d.matching(ctx, list, client.MatchingFields{ConnectionIndex: connection}) {
		d.Queue.Add(client.ObjectKeyFromObject(obj), PriorityDrift)
	}
}

// WakeMatching has the objects of a connection looked at that an index finds.
func (d *Desk) WakeMatching(ctx context.Context, list client.ObjectList, connection, index, value string) {
	for _, obj := range d.matching(ctx, list, client.MatchingFields{index: value}) {
		if obj.ConnectionName() == connection {
			d.Queue.Add(client.ObjectKeyFromObject(obj), PriorityDrift)
		}
	}
}

// matching returns the objects that the options find, for reading only.
func (d *Desk) matching(ctx context.Context, list client.ObjectList, options ...client.ListOption) []v1alpha1.AccessObject {
	if err := d.Client.List(ctx, list, append(options, client.UnsafeDisableDeepCopy)...); err != nil {
		log.FromContext(ctx).Error(err, "could not list objects in the cache", "kind", d.Kind)
		return nil
	}
	return items(list)
}

// contenders returns the other objects of obj's project that have a claim.
func (d *Desk) contenders(ctx context.Context, list client.ObjectList, claim string, obj v1alpha1.AccessObject) []types.NamespacedName {
	peers := sync.OnceValues(func() (Peers, error) { return d.Peers(ctx, obj.ConnectionName()) })
	found, err := d.sharing(ctx, list, ClaimIndex, claim, obj, func(context.Context) (Peers, error) { return peers() })
	if err != nil {
		log.FromContext(ctx).Error(err, "could not list objects in the cache", "kind", d.Kind)
		return nil
	}
	var out []types.NamespacedName
	for _, other := range found {
		out = append(out, client.ObjectKeyFromObject(other))
	}
	return out
}

// ofConnection returns the objects of a connection, and those of its peers that
// wait for another object to give up, or to take over, a claim: the connection may
// have ceased to admit that one.
func (d *Desk) ofConnection(ctx context.Context, list func() client.ObjectList, connection string) []types.NamespacedName {
	var out []types.NamespacedName
	for _, obj := range d.matching(ctx, list(), client.MatchingFields{ConnectionIndex: connection}) {
		out = append(out, client.ObjectKeyFromObject(obj))
	}
	peers, err := d.Peers(ctx, connection)
	if err != nil {
		log.FromContext(ctx).Error(err, "could not list ConsoleConnections in the cache")
	}
	for peer := range peers {
		if peer == connection {
			continue
		}
		for _, obj := range d.matching(ctx, list(), client.MatchingFields{ConnectionIndex: peer}) {
			if reason, _ := condition.Current(obj.Sync().Conditions, obj.GetGeneration()); reason == v1alpha1.ReasonNameTaken || obj.GetDeletionTimestamp() != nil {
				out = append(out, client.ObjectKeyFromObject(obj))
			}
		}
	}
	return out
}

func requests(names []types.NamespacedName) []reconcile.Request {
	out := make([]reconcile.Request, 0, len(names))
	for _, name := range names {
		out = append(out, reconcile.Request{NamespacedName: name})
	}
	return out
}

// connectionChanged lets through what matters to the objects of a connection:
// its spec, its coming and going, and whether it can be used; not its counts.
func connectionChanged() predicate.Predicate {
	ready := func(obj client.Object) string {
		c := obj.(*v1alpha1.ConsoleConnection)
		found := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ReadyCondition)
		if found == nil {
			return ""
		}
		return string(found.Status) + found.Reason + found.Message
	}
	return predicate.Funcs{
		UpdateFunc: func(e event.UpdateEvent) bool {
			return e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration() || ready(e.ObjectOld) != ready(e.ObjectNew)
		},
	}
}

// overwrittenPause bounds how often two processes that both believe that they
// lead contradict each other.
const overwrittenPause = 5 * time.Second

// overwritten is a watch handler that has an object looked at of which somebody
// else says that it is, or is not, Ready: a leader that was deposed and does not
// know yet, or a person.
func (d *Desk) overwritten() handler.EventHandler {
	ready := func(obj client.Object) bool {
		return condition.IsReady(obj.(v1alpha1.AccessObject).Sync().Conditions, obj.GetGeneration())
	}
	return handler.Funcs{
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			if ready(e.ObjectOld) != ready(e.ObjectNew) && !d.Memory.ours(e.ObjectNew) {
				q.AddAfter(reconcile.Request{NamespacedName: client.ObjectKeyFromObject(e.ObjectNew)}, overwrittenPause)
			}
		},
	}
}

// labelsChanged lets through what may change whether a connection admits a
// namespace. One that is new may reach the cache after an object in it.
func labelsChanged() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(e event.CreateEvent) bool { return !e.IsInInitialList },
		DeleteFunc: func(event.DeleteEvent) bool { return false },
		UpdateFunc: func(e event.UpdateEvent) bool {
			return !labels.Equals(e.ObjectOld.GetLabels(), e.ObjectNew.GetLabels())
		},
	}
}

// Requested reports whether a person asked, by annotation, for a check of this
// object against the console that has not been made yet.
func (s *Scope) Requested(handled string) bool {
	asked := s.Obj.GetAnnotations()[v1alpha1.ReconcileRequestedAtAnnotation]
	return asked != "" && asked != handled
}

// MarkRequested notes that the check a person asked for was made. That somebody
// takes the annotation away is no request, nor is its former value when it returns.
func (s *Scope) MarkRequested(handled *string) {
	if s.Requested(*handled) {
		*handled = s.Obj.GetAnnotations()[v1alpha1.ReconcileRequestedAtAnnotation]
	}
}
