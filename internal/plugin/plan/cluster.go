package plan

import (
	"reflect"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/controller/access"
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
	switch obj := obj.(type) {
	case *v1alpha1.Team:
		intent := obj.Status.CreateIntent
		return intent != nil && intent.Name == obj.ConsoleName() ||
			obj.Status.ID != "" && (obj.Status.SyncedGeneration == obj.Generation || p.isNamed(obj.Status.ID, obj.Claim())), nil
	case *v1alpha1.UserRole:
		return obj.Status.SyncedGeneration > 0 || obj.Status.InvitedAt != nil, nil
	}
	return false, nil
}

func (p *planner) isNamed(id, name string) bool {
	for _, t := range p.named(name) {
		if t.ID == id {
			return true
		}
	}
	return false
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
