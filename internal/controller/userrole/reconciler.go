// Package userrole reconciles UserRoles: the role, and optionally the name,
// that a person has in a console project.
package userrole

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/controller/access"
	"github.com/console-access/console-access-operator/internal/controller/condition"
	"github.com/console-access/console-access-operator/internal/quota"
)

// +kubebuilder:rbac:groups=console-access.dev,resources=userroles,verbs=list;watch;patch
// +kubebuilder:rbac:groups=console-access.dev,resources=userroles/status,verbs=patch

// A Reconciler makes the console hold what UserRoles say.
type Reconciler struct {
	access.Desk
}

// A role is one reconciliation of one UserRole.
type role struct {
	*access.Scope
	obj *v1alpha1.UserRole
	// found: the role that was found at first is not recorded yet.
	found bool
}

// Reconcile compares a UserRole with what is known of the person, and writes
// the difference away. It makes no call when there is none.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	ctx, cancel := access.Outlive(ctx)
	defer cancel()
	obj := &v1alpha1.UserRole{}
	if err := r.Client.Get(ctx, req.NamespacedName, obj); err != nil {
		if apierrors.IsNotFound(err) {
			r.Gone(req.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	scope, again := r.Open(obj)
	if scope == nil {
		return again, nil
	}
	s := &role{Scope: scope, obj: obj}
	if !obj.DeletionTimestamp.IsZero() {
		return s.delete(ctx)
	}
	v, err := s.sync(ctx)
	return s.Finish(ctx, v, err)
}

func (s *role) sync(ctx context.Context) (condition.Verdict, error) {
	if s.obj.Spec.Suspend {
		return condition.Suspended("spec.suspend is true; set it to false to go on."), nil
	}
	if v, err := s.Resolve(ctx); v != nil || err != nil {
		return condition.Of(v), err
	}
	if v, err := s.admit(ctx); v != nil || err != nil {
		return condition.Of(v), err
	}
	// Whoever waits in the quota to be read first pays as a person's change;
	// what was true before a restart only needs to be looked at again.
	if err := s.Link.Project.ReadUsers(s.Caller(s.readLane()), s.Since()); err != nil {
		return condition.Verdict{}, err
	}
	if err := s.restore(ctx); err != nil {
		return condition.Verdict{}, err
	}
	if err := s.HoldAs(ctx, s.identity()); err != nil {
		return condition.Verdict{}, err
	}
	if s.obj.Spec.Mode != v1alpha1.ModeObserve {
		if err := s.SupersedeBarred(ctx); err != nil {
			return condition.Verdict{}, err
		}
	}
	user, v, err := s.observe(ctx)
	if v != nil || err != nil {
		return condition.Of(v), err
	}
	return s.converge(ctx, user)
}

func (s *role) readLane() quota.Lane {
	if s.obj.Status.SyncedGeneration == s.obj.Generation {
		return quota.Drift
	}
	return quota.Change
}

// admit applies the rules that need nothing of the console.
func (s *role) admit(ctx context.Context) (*condition.Verdict, error) {
	if v, err := s.Admit(ctx, rules, Has); v != nil || err != nil {
		return v, err
	}
	if problem := RoleProblem(s.Connection, string(s.obj.Spec.Role)); problem != "" {
		v := condition.Stuck(v1alpha1.ReasonRoleNotAllowed, "%s", problem)
		return &v, nil
	}
	return nil, nil
}

// rules are how UserRoles take over from each other: each that may grant its role.
var rules = access.Rules{
	List: func() client.ObjectList { return &v1alpha1.UserRoleList{} },
	MayTakeOver: func(successor, _ v1alpha1.AccessObject, c *v1alpha1.ConsoleConnection) bool {
		spec := &successor.(*v1alpha1.UserRole).Spec
		return spec.Mode != v1alpha1.ModeObserve && RoleProblem(c, string(spec.Role)) == ""
	},
	Excludes: func(_, _ v1alpha1.AccessObject) bool { return false },
	Next: func(_, _ v1alpha1.AccessObject, may bool) string {
		if may {
			return "When the other is deleted, this one takes over the person, and the role changes only if this one wants another."
		}
		return "When the other is deleted, its deletionPolicy is followed, as this one may change nothing."
	},
}

// Has reports whether a UserRole has come to manage its person, who may only have
// been invited yet.
func Has(obj v1alpha1.AccessObject) (bool, error) {
	status := &obj.(*v1alpha1.UserRole).Status
	return status.SyncedGeneration > 0 || status.InvitedAt != nil, nil
}
