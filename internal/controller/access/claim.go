package access

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
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
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/controller/condition"
)

// Indices of Teams and UserRoles in the cache.
const (
	// ConnectionIndex finds the objects that use a connection.
	ConnectionIndex = "connection"
	// ClaimIndex finds the objects that claim a name or an address, whatever
	// their connection: its values are [console.NameKey] and [console.EmailKey].
	ClaimIndex = "claim"
)

// Indices are how the values of both come about.
var Indices = map[string]client.IndexerFunc{
	ConnectionIndex: func(obj client.Object) []string { return []string{obj.(v1alpha1.AccessObject).ConnectionName()} },
	ClaimIndex:      func(obj client.Object) []string { return []string{obj.(v1alpha1.AccessObject).Claim()} },
}

// Index has the cache keep both indices for a kind.
func Index(ctx context.Context, indexer client.FieldIndexer, kind client.Object) error {
	for name, value := range Indices {
		if err := indexer.IndexField(ctx, kind, name, value); err != nil {
			return fmt.Errorf("index %T by %s: %w", kind, name, err)
		}
	}
	return nil
}

// Owner returns who owns what the object claims in its project: the [First] of the
// contenders that are admitted. It returns nil when that is the object itself.
// barred are those that are not admitted: their claims do not count. list is an
// empty list of the objects' kind; has reports whether an object already has in the
// console what it claims.
func (s *Scope) Owner(
	ctx context.Context, list client.ObjectList, has func(v1alpha1.AccessObject) (bool, error),
) (owner v1alpha1.AccessObject, barred []v1alpha1.AccessObject, err error) {
	others, err := s.Others(ctx, list, ClaimIndex, s.Obj.Claim())
	if err != nil || len(others) == 0 {
		return nil, nil, err
	}
	contenders, barred, err := s.Admitted(ctx, others)
	if err != nil {
		return nil, nil, err
	}
	if len(contenders) > 0 {
		owner, err = First(append(contenders, s.Obj), has)
	}
	if err != nil || owner == nil || owner.GetUID() == s.Obj.GetUID() {
		return nil, barred, err
	}
	return owner, barred, nil
}

// First returns which of several objects has the right to what all of them
// claim: one that has it, before one that does not; of several, one that did not
// have to give it up; of those, the oldest.
func First(contenders []v1alpha1.AccessObject, has func(v1alpha1.AccessObject) (bool, error)) (v1alpha1.AccessObject, error) {
	type claim struct {
		obj   v1alpha1.AccessObject
		right int
	}
	claims := make([]claim, 0, len(contenders))
	for _, obj := range contenders {
		ok, err := has(obj)
		if err != nil {
			return nil, err
		}
		right := 0
		switch {
		case ok && !gaveUp(obj):
			right = 2
		case ok:
			right = 1
		}
		claims = append(claims, claim{obj, right})
	}
	return slices.MinFunc(claims, func(a, b claim) int {
		return cmp.Or(cmp.Compare(b.right, a.right), ByAge(a.obj, b.obj))
	}).obj, nil
}

// gaveUp reports whether the status says that somebody else has what the object
// claims, or that its connection does not admit it. That holds for a newer
// generation, too, until the status says otherwise.
func gaveUp(obj v1alpha1.AccessObject) bool {
	reason, _ := condition.Current(obj.Sync().Conditions, obj.GetGeneration())
	return reason == v1alpha1.ReasonNameTaken || reason == v1alpha1.ReasonNamespaceNotAllowed
}

// Admit returns the verdict on an object whose namespace may not use its
// connection, or that claims what another one owns; see [Scope.Owner] for has. From one that is
// being deleted the object takes over, if it may.
func (s *Scope) Admit(ctx context.Context, rules Rules, has func(v1alpha1.AccessObject) (bool, error)) (*condition.Verdict, error) {
	ok, err := Admits(ctx, s.Client, s.Connection, s.Name.Namespace)
	if errors.Is(err, errNamespaceUnknown) {
		return unknownNamespace(s.Name.Namespace), nil
	}
	if err != nil {
		return nil, err
	}
	if !ok {
		v := condition.Stuck(v1alpha1.ReasonNamespaceNotAllowed,
			"ConsoleConnection %q does not admit namespace %q. Ask its owner to admit the namespace in spec.allowedNamespaces, or use another connection.",
			s.Connection.Name, s.Name.Namespace)
		return &v, nil
	}
	owner, barred, err := s.Owner(ctx, rules.List(), has)
	if err != nil {
		return nil, err
	}
	if owner != nil && owner.GetDeletionTimestamp() != nil {
		if took, err := s.takeOver(ctx, rules, owner); took || err != nil {
			return nil, err
		}
	}
	if owner == nil {
		s.barred = barred
		return nil, nil
	}
	may := rules.MayTakeOver(s.Obj, owner, s.Connection)
	v := condition.Stuck(v1alpha1.ReasonNameTaken,
		"%s %s/%s owns %q on ConsoleConnection %q. Change or delete one of the two. %s",
		s.Kind, owner.GetNamespace(), owner.GetName(), s.Obj.Claim(), owner.ConnectionName(), rules.Next(s.Obj, owner, may))
	if owner.ConnectionName() != s.Obj.ConnectionName() {
		// A change of the other connection may end it without an event about this one.
		v.RetryAfter = s.Interval()
	}
	return &v, nil
}

// Supersede ends what objects stood for that the project's connections do not
// admit any more: this object takes it over, so that they begin anew when they
// are admitted again. It comes before the first call that takes it over.
func (s *Scope) Supersede(ctx context.Context, former []v1alpha1.AccessObject) error {
	for _, other := range former {
		if err := s.RememberInvitation(ctx, other); err != nil {
			return err
		}
		before := clone(other)
		other = clone(other)
		other.GiveUp()
		if equality.Semantic.DeepEqual(before, other) {
			continue
		}
		patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
		if err := s.Client.Status().Patch(ctx, other, patch); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("take over from %s %s/%s: %w", s.Kind, other.GetNamespace(), other.GetName(), err)
		}
	}
	return nil
}

// SupersedeBarred is [Scope.Supersede] for those whose claims [Scope.Admit] did
// not count.
func (s *Scope) SupersedeBarred(ctx context.Context) error { return s.Supersede(ctx, s.barred) }

// ByAge orders objects: the older first, and of one second by name.
func ByAge(a, b v1alpha1.AccessObject) int {
	x, y := a.GetCreationTimestamp(), b.GetCreationTimestamp()
	return cmp.Or(x.Compare(y.Time), strings.Compare(a.GetNamespace()+"/"+a.GetName(), b.GetNamespace()+"/"+b.GetName()))
}

// stakes are the claims that others may wait for an object to give up: its own,
// and the name of the team whose creation it has not heard the end of.
func stakes(o v1alpha1.AccessObject) []string {
	out := []string{o.Claim()}
	if t, ok := o.(*v1alpha1.Team); ok && t.Status.CreateIntent != nil {
		out = append(out, console.NameKey(t.Status.CreateIntent.Name))
	}
	return out
}

// released reports whether the operator is done with a deleted object: it stands
// for nothing any more, however long the finalizers of others keep it.
func released(o v1alpha1.AccessObject) bool {
	return o.GetDeletionTimestamp() != nil && !slices.Contains(o.GetFinalizers(), v1alpha1.Finalizer)
}

// Contenders is a watch handler that has all objects that claim the same looked at
// when an object comes, changes what it claims or stands for, begins to be deleted,
// is let go, or is gone.
func Contenders(list func(ctx context.Context, claim string, obj v1alpha1.AccessObject) []types.NamespacedName) handler.EventHandler {
	type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]
	enqueue := func(ctx context.Context, q queue, versions ...client.Object) {
		var claims []string
		for _, version := range versions {
			claims = append(claims, stakes(version.(v1alpha1.AccessObject))...)
		}
		slices.Sort(claims)
		for _, claim := range slices.Compact(claims) {
			for _, name := range list(ctx, claim, versions[0].(v1alpha1.AccessObject)) {
				q.Add(ctrl.Request{NamespacedName: name})
			}
		}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) {
			if !e.IsInInitialList {
				enqueue(ctx, q, e.Object)
			}
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			was, is := e.ObjectOld.(v1alpha1.AccessObject), e.ObjectNew.(v1alpha1.AccessObject)
			begins := was.GetDeletionTimestamp() == nil && is.GetDeletionTimestamp() != nil
			if begins || released(was) != released(is) || was.GetGeneration() != is.GetGeneration() || !equality.Semantic.DeepEqual(was.Journal(), is.Journal()) {
				enqueue(ctx, q, was, is)
			}
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { enqueue(ctx, q, e.Object) },
	}
}

// items returns the objects of a list.
func items(list client.ObjectList) []v1alpha1.AccessObject {
	var out []v1alpha1.AccessObject
	_ = meta.EachListItem(list, func(item runtime.Object) error {
		out = append(out, item.(v1alpha1.AccessObject))
		return nil
	})
	return out
}
