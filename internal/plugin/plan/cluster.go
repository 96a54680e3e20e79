package plan

import (
	"reflect"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/controller/access"
	"github.com/console-access/console-access-operator/internal/controller/team"
	"github.com/console-access/console-access-operator/internal/controller/userrole"
)

// owner returns the object of the cluster that has the right to what a manifest
// claims, or nil when that is the manifest's own.
func (p *planner) owner(key Key, obj v1alpha1.AccessObject) v1alpha1.AccessObject {
	self := obj.DeepCopyObject().(v1alpha1.AccessObject)
	self.SetNamespace(key.Namespace)
	self.SetCreationTimestamp(metav1.NewTime(time.Now()))
	if known := p.Cluster[key]; known != nil && known.Claim() == obj.Claim() {
		self = known
	}
	contenders := []v1alpha1.AccessObject{self}
	for other, o := range p.Cluster {
		if other != key && other.Kind == key.Kind && o.ConnectionName() == obj.ConnectionName() && o.Claim() == obj.Claim() &&
			o.GetDeletionTimestamp() == nil && !p.Refused[other.Namespace] {
			contenders = append(contenders, o)
		}
	}
	first, err := access.First(contenders, p.has)
	if err != nil || first == self {
		return nil
	}
	return first
}

// has reports whether an object has in the console what it claims.
func (p *planner) has(obj v1alpha1.AccessObject) (bool, error) {
	if _, ok := obj.(*v1alpha1.Team); ok {
		return team.Has(obj, func(id, name string) (bool, error) {
			return slices.ContainsFunc(p.named(name), func(t *console.Team) bool { return t.ID == id }), nil
		})
	}
	return userrole.Has(obj)
}

// keepDrift takes the action from a change that applying does not ask for: the
// object is in the cluster as the manifest has it, and was in sync, so that the
// difference is drift, which the connection does not correct.
func (p *planner) keepDrift(c *Change, obj v1alpha1.AccessObject) {
	known := p.Cluster[Key{c.Kind, c.Namespace, c.Name}]
	if c.Action == None || known == nil || known.Sync().SyncedGeneration != known.GetGeneration() || !sameSpec(known, obj) {
		return
	}
	switch p.Connection.Spec.Drift.Policy {
	case v1alpha1.DriftReport:
		c.Action = None
		c.problem(v1alpha1.ReasonDriftDetected, "The console differs, and nothing is changed because the connection's drift policy is Report.")
	case v1alpha1.DriftIgnore:
		c.Action, c.Fields = None, nil
	}
}

// sameSpec reports whether applying a manifest leaves the spec as it is.
func sameSpec(known, obj v1alpha1.AccessObject) bool {
	switch known := known.(type) {
	case *v1alpha1.Team:
		return reflect.DeepEqual(known.Spec, obj.(*v1alpha1.Team).Spec)
	case *v1alpha1.UserRole:
		return reflect.DeepEqual(known.Spec, obj.(*v1alpha1.UserRole).Spec)
	}
	return false
}
