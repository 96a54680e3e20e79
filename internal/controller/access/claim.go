package access

import (
	"cmp"
	"context"
	"fmt"
	"slices"
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

// Claims are what decides who owns a name or address that several objects claim.
type Claims struct {
	// List is an empty list of the objects' kind.
	List client.ObjectList
	// Admits reports whether the connection admits a namespace.
	Admits func(namespace string) (bool, error)
	// Has reports whether the object already has in the console what it claims.
	Has func(v1alpha1.AccessObject) (bool, error)
}

// Owner returns who owns what the object claims: of the contenders that the
// connection admits, whoever has it in the console already, else the oldest. It
// returns nil when that is the object itself.
func (s *Scope) Owner(ctx context.Context, by Claims) (v1alpha1.AccessObject, error) {
	claim := ClaimKey(s.Obj.ConnectionName(), s.Obj.Claim())
	if err := s.Client.List(ctx, by.List, client.MatchingFields{ClaimIndex: claim}); err != nil {
		return nil, fmt.Errorf("list who claims %q: %w", s.Obj.Claim(), err)
	}
	contenders := []v1alpha1.AccessObject{s.Obj}
	err := meta.EachListItem(by.List, func(item runtime.Object) error {
		contender := item.(v1alpha1.AccessObject)
		if contender.GetUID() == s.Obj.GetUID() {
			return nil
		}
		ok, err := by.Admits(contender.GetNamespace())
		if ok {
			contenders = append(contenders, contender)
		}
		return err
	})
	if err != nil || len(contenders) == 1 {
		return nil, err
	}
	owner, has := v1alpha1.AccessObject(nil), false
	for _, contender := range contenders {
		holds, err := by.holds(contender)
		if err != nil {
			return nil, err
		}
		if owner == nil || holds && !has || holds == has && ByAge(contender, owner) < 0 {
			owner, has = contender, holds
		}
	}
	if owner.GetUID() == s.Obj.GetUID() {
		return nil, nil
	}
	return owner, nil
}

// holds is Has for an object that did not have to give it up.
func (c Claims) holds(obj v1alpha1.AccessObject) (bool, error) {
	switch reason, _ := condition.Current(obj.Sync().Conditions, obj.GetGeneration()); reason {
	case v1alpha1.ReasonNameTaken, v1alpha1.ReasonNamespaceNotAllowed:
		return false, nil
	}
	return c.Has(obj)
}

// Admit returns the verdict on an object whose namespace may not use its
// connection, or that claims what another one owns; see [Claims] for list and has.
func (s *Scope) Admit(ctx context.Context, list client.ObjectList, has func(v1alpha1.AccessObject) (bool, error)) (*condition.Verdict, error) {
	by := Claims{List: list, Has: has, Admits: func(namespace string) (bool, error) {
		return Admits(ctx, s.Client, s.Connection, namespace)
	}}
	ok, err := by.Admits(s.Name.Namespace)
	if err != nil {
		return nil, err
	}
	if !ok {
		v := condition.Stuck(v1alpha1.ReasonNamespaceNotAllowed,
			"ConsoleConnection %q does not admit namespace %q. Ask its owner to admit the namespace in spec.allowedNamespaces, or use another connection.",
			s.Connection.Name, s.Name.Namespace)
		return &v, nil
	}
	owner, err := s.Owner(ctx, by)
	if err != nil || owner == nil {
		return nil, err
	}
	v := condition.Stuck(v1alpha1.ReasonNameTaken,
		"%s %s/%s owns %q on ConsoleConnection %q. Change or delete one of the two; this one takes over when the other is gone.",
		s.Kind, owner.GetNamespace(), owner.GetName(), s.Obj.Claim(), s.Connection.Name)
	return &v, nil
}

// ByAge orders objects: the older first, and of one second by name.
func ByAge(a, b v1alpha1.AccessObject) int {
	x, y := a.GetCreationTimestamp(), b.GetCreationTimestamp()
	return cmp.Or(x.Compare(y.Time), strings.Compare(a.GetNamespace()+"/"+a.GetName(), b.GetNamespace()+"/"+b.GetName()))
}

// stakes are the claims that others may wait for an object to give up: its own,
// and the name of the team whose creation it has not heard the end of.
func stakes(o v1alpha1.AccessObject) []string {
	out := []string{ClaimKey(o.ConnectionName(), o.Claim())}
	if t, ok := o.(*v1alpha1.Team); ok && t.Status.CreateIntent != nil {
		out = append(out, ClaimKey(o.ConnectionName(), t.Status.CreateIntent.Name))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Contenders is a watch handler that, when an object gives up a claim by going
// away or changing, or has come to know what became of a team that it was
// creating, has all who claim the same looked at.
func Contenders(list func(ctx context.Context, claim string) []types.NamespacedName) handler.EventHandler {
	type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]
	tell := func(ctx context.Context, obj client.Object, q queue) {
		for _, claim := range stakes(obj.(v1alpha1.AccessObject)) {
			for _, name := range list(ctx, claim) {
				if name != client.ObjectKeyFromObject(obj) {
					q.Add(ctrl.Request{NamespacedName: name})
				}
			}
		}
	}
	return handler.Funcs{
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			was, is := e.ObjectOld.(v1alpha1.AccessObject), e.ObjectNew.(v1alpha1.AccessObject)
			if !slices.Equal(stakes(was), stakes(is)) {
				tell(ctx, e.ObjectOld, q)
			}
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { tell(ctx, e.Object, q) },
	}
}
