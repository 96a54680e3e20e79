package access

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/controller/condition"
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

// Owner returns who owns what the object claims: of the contenders that the
// connection admits, the oldest. It returns nil when that is the object itself.
// list is an empty list of the object's kind.
func (s *Scope) Owner(ctx context.Context, list client.ObjectList, admits func(namespace string) (bool, error)) (v1alpha1.AccessObject, error) {
	claim := ClaimKey(s.Obj.ConnectionName(), s.Obj.Claim())
	if err := s.Client.List(ctx, list, client.MatchingFields{ClaimIndex: claim}); err != nil {
		return nil, fmt.Errorf("list who claims %q: %w", s.Obj.Claim(), err)
	}
	owner := s.Obj
	err := meta.EachListItem(list, func(item runtime.Object) error {
		contender := item.(v1alpha1.AccessObject)
		if contender.GetUID() == s.Obj.GetUID() || !older(contender, owner) {
			return nil
		}
		ok, err := admits(contender.GetNamespace())
		if ok {
			owner = contender
		}
		return err
	})
	if err != nil || owner.GetUID() == s.Obj.GetUID() {
		return nil, err
	}
	return owner, nil
}

// Admit returns the verdict on an object whose namespace may not use its
// connection, or that claims what an older one owns.
func (s *Scope) Admit(ctx context.Context, list client.ObjectList) (*condition.Verdict, error) {
	admits := func(namespace string) (bool, error) {
		return Admits(ctx, s.Client, s.Connection, namespace)
	}
	ok, err := admits(s.Name.Namespace)
	if err != nil {
		return nil, err
	}
	if !ok {
		v := condition.Stuck(v1alpha1.ReasonNamespaceNotAllowed,
			"ConsoleConnection %q does not admit namespace %q. Ask its owner to admit the namespace in spec.allowedNamespaces, or use another connection.",
			s.Connection.Name, s.Name.Namespace)
		return &v, nil
	}
	owner, err := s.Owner(ctx, list, admits)
	if err != nil || owner == nil {
		return nil, err
	}
	v := condition.Stuck(v1alpha1.ReasonNameTaken,
		"%s %s/%s, which is older, owns %q on ConsoleConnection %q. Change or delete one of the two; this one takes over when the other is gone.",
		s.Kind, owner.GetNamespace(), owner.GetName(), s.Obj.Claim(), s.Connection.Name)
	return &v, nil
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
