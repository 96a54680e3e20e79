package access

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/controller/condition"
)

// Deletions returns the Teams of a connection whose team in the console is to be
// deleted.
func (d *Desk) Deletions(ctx context.Context, connection *v1alpha1.ConsoleConnection) ([]Deletion, error) {
	list := &v1alpha1.TeamList{}
	if err := d.Client.List(ctx, list, client.MatchingFields{ConnectionIndex: connection.Name}); err != nil {
		return nil, fmt.Errorf("list the Teams of ConsoleConnection %q: %w", connection.Name, err)
	}
	var out []Deletion
	for i := range list.Items {
		t := &list.Items[i]
		if t.DeletionTimestamp.IsZero() || !slices.Contains(t.Finalizers, v1alpha1.Finalizer) || Orphans(t) {
			continue
		}
		ok, err := Admits(ctx, d.Client, connection, t.Namespace)
		if err != nil && !errors.Is(err, errNamespaceUnknown) {
			return nil, err
		}
		if !ok && err == nil {
			continue
		}
		successor, err := (&Scope{Desk: d, Obj: t}).Successor(ctx, TeamRules, t)
		if err != nil {
			return nil, err
		}
		if successor != nil {
			continue
		}
		out = append(out, Deletion{Key: keyOf(TeamKind, client.ObjectKeyFromObject(t)), Since: t.DeletionTimestamp.Time, Held: IsHeld(t)})
	}
	return out, nil
}

// Orphans reports whether the deletion of a Team leaves the team in the console.
func Orphans(t *v1alpha1.Team) bool {
	spec, status := &t.Spec, &t.Status
	switch {
	case ForcedOrphan(t), spec.Mode == v1alpha1.ModeObserve:
		return true
	case status.ID == "" && status.CreateIntent == nil:
		return true
	case spec.DeletionPolicy == "":
		return status.Adopted
	default:
		return spec.DeletionPolicy == v1alpha1.TeamOrphan
	}
}

// LetGo reports whether an object that is being deleted is let go without any
// change in the console, because its connection does not admit its namespace: a
// deletion then neither grants nor deletes anything. The outcome says why that is
// not known yet.
func (s *Scope) LetGo(ctx context.Context) (bool, *condition.Verdict, error) {
	if _, err := metav1.LabelSelectorAsSelector(s.Connection.Spec.AllowedNamespaces.Selector); err != nil {
		v := condition.Waiting(v1alpha1.ReasonConnectionNotReady,
			"The selector in spec.allowedNamespaces of ConsoleConnection %q cannot be used: %v. Correct it.", s.Connection.Name, err)
		return false, &v, nil
	}
	ok, err := Admits(ctx, s.Client, s.Connection, s.Name.Namespace)
	switch {
	case errors.Is(err, errNamespaceUnknown):
		return false, unknownNamespace(s.Name.Namespace), nil
	case ok || err != nil:
		return false, nil, err
	}
	s.Emit(corev1.EventTypeWarning, v1alpha1.ReasonNamespaceNotAllowed, "Delete",
		"ConsoleConnection %q does not admit namespace %q, so this deletion changes nothing in the console: %q stays there as it is.",
		s.Connection.Name, s.Name.Namespace, s.Obj.Claim())
	return true, nil, nil
}

// ForcedOrphan reports whether a person wants the object gone without any call.
func ForcedOrphan(obj client.Object) bool {
	return obj.GetAnnotations()[v1alpha1.ForceOrphanAnnotation] == "true"
}

// UnclearOrphan returns the outcome for a deleted object whose annotation
// [v1alpha1.ForceOrphanAnnotation] has a value that means nothing: it may have been
// meant to keep what the deletion takes away. keeps is what "true" leads to, drops
// what happens without it.
func UnclearOrphan(obj client.Object, keeps, drops string) *condition.Verdict {
	value, ok := obj.GetAnnotations()[v1alpha1.ForceOrphanAnnotation]
	if !ok || value == "true" || value == "false" {
		return nil
	}
	v := condition.Stuck(v1alpha1.ReasonInvalidAnnotation,
		"The annotation %s is %.40q, which means nothing, so the deletion waits. Set it to \"true\" to %s, or remove it to %s.",
		v1alpha1.ForceOrphanAnnotation, value, keeps, drops)
	return &v
}

// IsHeld reports whether an object's status says that its deletion is held.
func IsHeld(obj v1alpha1.AccessObject) bool {
	reason, _ := condition.Current(obj.Sync().Conditions, obj.GetGeneration())
	return reason == v1alpha1.ReasonDeletionHeld
}
