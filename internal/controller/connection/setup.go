package connection

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/console-access/console-access-operator/api/v1alpha1"
)

// Setup adds the controller to the manager. It follows the connections, the
// Secrets in the operator's namespace, and the objects that use a connection
// which is to go.
func (r *Reconciler) Setup(_ context.Context, mgr ctrl.Manager, options controller.Options) error {
	ofSecret := handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, secret client.Object) []reconcile.Request {
		return r.matching(ctx, func(c *v1alpha1.ConsoleConnection) bool {
			return secret.GetNamespace() == r.Namespace && c.Spec.APIKeySecretRef.Name == secret.GetName()
		})
	})
	ofUser := handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, obj client.Object) []reconcile.Request {
		name := obj.(v1alpha1.AccessObject).ConnectionName()
		return r.matching(ctx, func(c *v1alpha1.ConsoleConnection) bool {
			return c.Name == name && !c.DeletionTimestamp.IsZero()
		})
	})
	gone := builder.WithPredicates(predicate.Funcs{
		CreateFunc: func(event.CreateEvent) bool { return false },
		UpdateFunc: func(event.UpdateEvent) bool { return false },
	})
	err := ctrl.NewControllerManagedBy(mgr).
		Named("consoleconnection").
		For(&v1alpha1.ConsoleConnection{}, builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}))).
		WatchesMetadata(&corev1.Secret{}, ofSecret).
		Watches(&v1alpha1.Team{}, ofUser, gone).
		Watches(&v1alpha1.UserRole{}, ofUser, gone).
		WatchesRawSource(r.Queue.Source()).
		WithOptions(options).
		Complete(r)
	if err != nil {
		return fmt.Errorf("set up the controller of ConsoleConnections: %w", err)
	}
	return mgr.Add(manager.RunnableFunc(func(ctx context.Context) error {
		<-ctx.Done()
		r.Close()
		return nil
	}))
}

func (r *Reconciler) matching(ctx context.Context, match func(*v1alpha1.ConsoleConnection) bool) []reconcile.Request {
	list := &v1alpha1.ConsoleConnectionList{}
	if err := r.Client.List(ctx, list); err != nil {
		log.FromContext(ctx).Error(err, "could not list ConsoleConnections in the cache")
		return nil
	}
	var out []reconcile.Request
	for i := range list.Items {
		if match(&list.Items[i]) {
			out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
		}
	}
	return out
}
