package access

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/controller/condition"
)

// A deletion changes nothing in the console when another object of the project
// claims the same and may take over. That one, the successor, records what the
// deleted object's status says, and the deleted object goes when it has. Both
// decide by the same rules, from the same cache.

// Rules are how objects of one kind take over from each other.
type Rules struct {
	// List returns an empty list of the kind.
	List func() client.ObjectList
	// MayTakeOver reports whether an object that is at work may take over, through
	// its connection, from one that is being deleted.
	MayTakeOver func(successor, owner v1alpha1.AccessObject, c *v1alpha1.ConsoleConnection) bool
	// Excludes reports whether another object that claims the same has something
	// of its own by that claim, so that nobody takes anything over.
	Excludes func(other, owner v1alpha1.AccessObject) bool
	// Next says what follows for obj when the owner of its claim is deleted, for
	// people; may is what MayTakeOver reports.
	Next func(obj, owner v1alpha1.AccessObject, may bool) string
}

// TeamRules are those of Teams.
var TeamRules = Rules{
	List: func() client.ObjectList { return &v1alpha1.TeamList{} },
	MayTakeOver: func(successor, owner v1alpha1.AccessObject, _ *v1alpha1.ConsoleConnection) bool {
		t, id := successor.(*v1alpha1.Team), owner.(*v1alpha1.Team).Status.ID
		begun := t.Status.CreateIntent != nil || t.Status.ID != "" && t.Status.ID != id
		return t.Spec.AdoptionPolicy == v1alpha1.AdoptionAdopt && t.Spec.Mode != v1alpha1.ModeObserve && !begun
	},
	Excludes: func(other, owner v1alpha1.AccessObject) bool {
		id := other.(*v1alpha1.Team).Status.ID
		return id != "" && id != owner.(*v1alpha1.Team).Status.ID
	},
	Next: func(obj, owner v1alpha1.AccessObject, may bool) string {
		t, other := obj.(*v1alpha1.Team), owner.(*v1alpha1.Team)
		switch {
		case t.Spec.Mode == v1alpha1.ModeObserve || t.Status.ID != "" && !may:
			return "This one takes over the name when the other is gone."
		case may:
			return "When the other is deleted, this one takes over its team, with the same id."
		case Orphans(other):
			return "When the other is deleted, its team stays in the console, and this one leaves it alone; to have it taken over, set spec.adoptionPolicy to Adopt here first."
		default:
			return "When the other is deleted, its team is deleted in the console, and this one creates another; " +
				"to have the same team taken over, set spec.adoptionPolicy to Adopt here first."
		}
	},
}

// Successor returns the object that takes over from owner, which is being deleted,
// or nil. It is the oldest of those that may, unless one has done so already.
func (s *Scope) Successor(ctx context.Context, rules Rules, owner v1alpha1.AccessObject) (v1alpha1.AccessObject, error) {
	if !owner.StandsForSomething() {
		return nil, nil
	}
	others, err := s.Others(ctx, rules.List(), ClaimIndex, owner.Claim())
	if err != nil {
		return nil, err
	}
	if owner.GetUID() != s.Obj.GetUID() {
		others = append(others, s.Obj)
	}
	admitted, _, err := s.Admitted(ctx, others)
	if err != nil {
		return nil, err
	}
	var able []v1alpha1.AccessObject
	for _, other := range admitted {
		if other.GetUID() == owner.GetUID() || other.GetDeletionTimestamp() != nil {
			continue
		}
		if rules.Excludes(other, owner) {
			return nil, nil
		}
		connection, err := s.connectionOf(ctx, other)
		if err != nil {
			return nil, err
		}
		if atWork(other, connection) && rules.MayTakeOver(other, owner, connection) {
			able = append(able, other)
		}
	}
	if len(able) == 0 {
		return nil, nil
	}
	return slices.MinFunc(able, func(a, b v1alpha1.AccessObject) int {
		if x, y := inherited(a, owner), inherited(b, owner); x != y {
			return map[bool]int{true: -1, false: 1}[x]
		}
		return ByAge(a, b)
	}), nil
}

// atWork reports whether nothing keeps an object from being looked after: it is not
// suspended, and its connection can be used.
func atWork(obj v1alpha1.AccessObject, c *v1alpha1.ConsoleConnection) bool {
	reason, _ := condition.Current(c.Status.Conditions, c.Generation)
	return !obj.Suspended() && !c.Spec.Suspend && reason != v1alpha1.ReasonConnectionNotReady
}

// inherited reports whether an object has recorded what owner stands for.
func inherited(obj, owner v1alpha1.AccessObject) bool {
	after := clone(obj)
	after.Inherit(owner)
	return equality.Semantic.DeepEqual(after, obj)
}

// HandOver reports whether an object that is being deleted goes without any change
// in the console, because another one has taken over. The outcome says to which one
// it hands over while that has not recorded it yet.
func (s *Scope) HandOver(ctx context.Context, rules Rules) (bool, *condition.Verdict, error) {
	successor, err := s.Successor(ctx, rules, s.Obj)
	if err != nil || successor == nil {
		return false, nil, err
	}
	name := client.ObjectKeyFromObject(successor)
	if !inherited(successor, s.Obj) {
		v := condition.Progressing(fmt.Sprintf("%s %s takes over %q, and nothing changes in the console. This object goes as soon as that one has recorded it.",
			s.Kind, name, s.Obj.Claim()))
		v.RetryAfter = s.Interval()
		return false, &v, nil
	}
	s.Emit(corev1.EventTypeNormal, "HandedOver", "Delete", "%s %s has taken over %q; nothing changes in the console.", s.Kind, name, s.Obj.Claim())
	return true, nil, nil
}

// takeOver records what owner, which is being deleted, stands for, if this object is
// its successor.
func (s *Scope) takeOver(ctx context.Context, rules Rules, owner v1alpha1.AccessObject) (bool, error) {
	successor, err := s.Successor(ctx, rules, owner)
	if err != nil || successor == nil || successor.GetUID() != s.Obj.GetUID() {
		return false, err
	}
	if inherited(s.Obj, owner) {
		return true, nil
	}
	if err := s.Hold(ctx); err != nil {
		return false, err
	}
	s.Obj.Inherit(owner)
	if err := s.Record(ctx); err != nil {
		return false, err
	}
	s.Changed("TookOver", "Took over %q from %s %s, which is being deleted.", s.Obj.Claim(), s.Kind, client.ObjectKeyFromObject(owner))
	return true, nil
}
