// Package controller wires the reconcilers into a manager.
package controller

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/controller/access"
	"github.com/console-access/console-access-operator/internal/controller/condition"
	"github.com/console-access/console-access-operator/internal/controller/connection"
	"github.com/console-access/console-access-operator/internal/controller/team"
	"github.com/console-access/console-access-operator/internal/controller/userrole"
	"github.com/console-access/console-access-operator/internal/metrics"
	"github.com/console-access/console-access-operator/internal/quota"
)

// Options say how the reconcilers run.
type Options struct {
	// OperatorNamespace is where the Secrets with API keys are.
	OperatorNamespace string
	// Identity names this process among the replicas, e.g. the Pod's name.
	Identity string
	// Exclusive says that no other replica's reconcilers run while this one's
	// do, as with a leader election.
	Exclusive bool
	// Clock is the wall clock that the record of the quota is kept by; nil
	// means time.Now.
	Clock func() time.Time
	// MaxConcurrentReconciles bounds how many objects of one kind are worked on
	// at a time; 0 means [DefaultMaxConcurrentReconciles]. Objects that wait
	// for the quota are not among them, those whose call is under way are.
	MaxConcurrentReconciles int
	// Metrics count what is done; nil counts for nobody.
	Metrics *metrics.Metrics
	// Dial makes the client for a console.
	Dial connection.Dial
	// NewQueue makes the priority queue of a controller; nil means
	// controller-runtime's own.
	NewQueue func(controller string, limiter workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request]
	// Jitter is a source of values in [0,1) for the random part of pauses; nil
	// means math/rand/v2's.
	Jitter func() float64
}

// DefaultMaxConcurrentReconciles is enough for a hundred projects whose consoles
// take a second over each answer, while twenty others take far longer: a worker
// that waits for an answer costs nothing but some kilobytes.
const DefaultMaxConcurrentReconciles = 1024

// maxConcurrentConnections bounds how many ConsoleConnections are worked on at a
// time. They wait for Kubernetes alone.
const maxConcurrentConnections = 32

// reconciliationTimeout bounds one reconciliation: a few calls to the console,
// each with its own shorter bound, and a few writes to Kubernetes.
const reconciliationTimeout = 2 * time.Minute

// component names the operator in events.
const component = "console-access-operator"

// Setup adds all reconcilers to the manager.
func Setup(ctx context.Context, mgr ctrl.Manager, o Options) error {
	if o.MaxConcurrentReconciles == 0 {
		o.MaxConcurrentReconciles = DefaultMaxConcurrentReconciles
	}
	if o.Metrics == nil {
		o.Metrics = metrics.New(prometheus.NewRegistry())
	}
	links := &access.Registry{}
	desk := func(kind string) access.Desk {
		return access.Desk{
			Client: mgr.GetClient(), Links: links, Events: mgr.GetEventRecorder(component),
			Queue: &access.Queue{}, Memory: &access.Memory{}, Kind: kind, Metrics: o.Metrics,
		}
	}
	options := controller.Options{
		MaxConcurrentReconciles: o.MaxConcurrentReconciles, ReconciliationTimeout: reconciliationTimeout, NewQueue: o.NewQueue,
	}
	if err := (&team.Reconciler{Desk: desk(access.TeamKind)}).Setup(ctx, mgr, options); err != nil {
		return fmt.Errorf("teams: %w", err)
	}
	if err := (&userrole.Reconciler{Desk: desk("UserRole")}).Setup(ctx, mgr, options); err != nil {
		return fmt.Errorf("user roles: %w", err)
	}
	recorder := mgr.GetEventRecorder(component)
	connections := connection.New(mgr.GetClient(), mgr.GetAPIReader(), links, recorder, o.OperatorNamespace, o.Dial, o.quotas(mgr))
	options.MaxConcurrentReconciles = min(o.MaxConcurrentReconciles, maxConcurrentConnections)
	if err := connections.Setup(ctx, mgr, options); err != nil {
		return fmt.Errorf("connections: %w", err)
	}
	o.Metrics.Count(func() map[metrics.Standing]int { return standings(mgr) })
	return nil
}

// countTimeout bounds the wait for a cache that is not filled yet.
const countTimeout = time.Second

// standings counts the objects in the cache by their state. Only the process
// that leads tells, lest they are counted twice.
func standings(mgr ctrl.Manager) map[metrics.Standing]int {
	select {
	case <-mgr.Elected():
	default:
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), countTimeout)
	defer cancel()
	out := map[metrics.Standing]int{}
	lists := map[string]client.ObjectList{
		access.TeamKind: &v1alpha1.TeamList{}, "UserRole": &v1alpha1.UserRoleList{}, "ConsoleConnection": &v1alpha1.ConsoleConnectionList{},
	}
	for kind, list := range lists {
		if err := mgr.GetClient().List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
			continue // the cache is not filled yet
		}
		_ = meta.EachListItem(list, func(obj runtime.Object) error {
			reason, current := condition.Current(conditionsOf(obj), obj.(client.Object).GetGeneration())
			if !current {
				reason = v1alpha1.ReasonProgressing
			}
			out[metrics.Standing{Kind: kind, Reason: reason}]++
			return nil
		})
	}
	return out
}

func conditionsOf(obj runtime.Object) []metav1.Condition {
	if c, ok := obj.(*v1alpha1.ConsoleConnection); ok {
		return c.Status.Conditions
	}
	return obj.(v1alpha1.AccessObject).Sync().Conditions
}

// quotas keeps the records of quotas in the operator's namespace.
func (o Options) quotas(mgr ctrl.Manager) connection.Quotas {
	quotas := connection.Quotas{
		Reader: mgr.GetAPIReader(), Writer: mgr.GetClient(), Namespace: o.OperatorNamespace,
		Durability: quota.Durability{Identity: o.Identity, Exclusive: o.Exclusive, Clock: o.Clock},
		Made:       o.Metrics.Watch,
		Options:    []quota.Option{quota.WithWorkers(quota.NewWorkers(o.MaxConcurrentReconciles))},
	}
	if o.Jitter != nil {
		quotas.Options = append(quotas.Options, quota.WithJitter(o.Jitter))
	}
	return quotas
}
