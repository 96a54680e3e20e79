package access

import (
	"context"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/controller/condition"
)

// Deletions returns the Teams of a connection whose team in the console is to be
// deleted.
func Deletions(ctx context.Context, c client.Reader, connection string) ([]Deletion, error) {
	list := &v1alpha1.TeamList{}
	if err := c.List(ctx, list, client.MatchingFields{ConnectionIndex: connection}); err != nil {
		return nil, fmt.Errorf("list the Teams of ConsoleConnection %q: %w", connection, err)
	}
	var out []Deletion
	for i := range list.Items {
		t := &list.Items[i]
		if t.DeletionTimestamp.IsZero() || !slices.Contains(t.Finalizers, v1alpha1.Finalizer) || Orphans(t) {
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

// ForcedOrphan reports whether a person wants the object gone without any call.
func ForcedOrphan(obj client.Object) bool {
	return obj.GetAnnotations()[v1alpha1.ForceOrphanAnnotation] == "true"
}

// IsHeld reports whether an object's status says that its deletion is held.
func IsHeld(obj v1alpha1.AccessObject) bool {
	reason, _ := condition.Current(obj.Sync().Conditions, obj.GetGeneration())
	return reason == v1alpha1.ReasonDeletionHeld
}
