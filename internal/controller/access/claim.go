package access

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/console-access/console-access-operator/api/v1alpha1"
)

// Indices of Teams and UserRoles in the cache.
const (
	// ConnectionIndex finds the objects that use a connection.
	ConnectionIndex = "connection"
	// ClaimIndex finds the objects that stand for one thing in the console.
	ClaimIndex = "claim"
)

// ClaimKey is the value of [ClaimIndex] for a name or address on a connection.
func ClaimKey(connection, claim string) string { return connection + "\x00" + claim }

// Index has the cache keep both indices for a kind.
func Index(ctx context.Context, indexer client.FieldIndexer, kind client.Object) error {
	for name, value := range map[string]func(v1alpha1.AccessObject) string{
		ConnectionIndex: func(o v1alpha1.AccessObject) string { return o.ConnectionName() },
		ClaimIndex:      func(o v1alpha1.AccessObject) string { return ClaimKey(o.ConnectionName(), o.Claim()) },
	} {
		err := indexer.IndexField(ctx, kind, name, func(obj client.Object) []string {
			return []string{value(obj.(v1alpha1.AccessObject))}
		})
		if err != nil {
			return fmt.Errorf("index %T by %s: %w", kind, name, err)
		}
	}
	return nil
}

// Owner returns who owns what obj claims: of the contenders that the
// connection admits, the oldest. It returns nil when that is obj itself.
func Owner[T v1alpha1.AccessObject](contenders []T, obj v1alpha1.AccessObject, admits func(namespace string) (bool, error)) (v1alpha1.AccessObject, error) {
	var owner v1alpha1.AccessObject = obj
	for _, contender := range contenders {
		if contender.GetUID() == obj.GetUID() || !older(contender, owner) {
			continue
		}
		ok, err := admits(contender.GetNamespace())
		if err != nil {
			return nil, err
		}
		if ok {
			owner = contender
		}
	}
	if owner.GetUID() == obj.GetUID() {
		return nil, nil
	}
	return owner, nil
}

func older(a, b v1alpha1.AccessObject) bool {
	x, y := a.GetCreationTimestamp(), b.GetCreationTimestamp()
	if !x.Equal(&y) {
		return x.Before(&y)
	}
	return strings.Compare(a.GetNamespace()+"/"+a.GetName(), b.GetNamespace()+"/"+b.GetName()) < 0
}

// Contenders is a watch handler that, when an object gives up a claim by going
// away or changing, has all who claim the same looked at.
func Contenders(list func(ctx context.Context, claim string) []types.NamespacedName) handler.EventHandler {
	type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]
	tell := func(ctx context.Context, obj client.Object, q queue) {
		o := obj.(v1alpha1.AccessObject)
		for _, name := range list(ctx, ClaimKey(o.ConnectionName(), o.Claim())) {
			if name != client.ObjectKeyFromObject(obj) {
				q.Add(ctrl.Request{NamespacedName: name})
			}
		}
	}
	return handler.Funcs{
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			was, is := e.ObjectOld.(v1alpha1.AccessObject), e.ObjectNew.(v1alpha1.AccessObject)
			if was.Claim() != is.Claim() || was.ConnectionName() != is.ConnectionName() {
				tell(ctx, e.ObjectOld, q)
			}
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { tell(ctx, e.Object, q) },
	}
}
