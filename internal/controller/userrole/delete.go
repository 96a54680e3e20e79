package userrole

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/controller/access"
	"github.com/console-access/console-access-operator/internal/controller/condition"
	"github.com/console-access/console-access-operator/internal/quota"
)

// delete does what the deletionPolicy says, and lets the object go. While it
// cannot, the verdict says why.
func (s *role) delete(ctx context.Context) (ctrl.Result, error) {
	if !s.Finalized() {
		s.Gone(s.Name)
		return ctrl.Result{}, nil
	}
	v, err := s.dismiss(ctx)
	if err == nil && v == nil {
		return ctrl.Result{}, s.Release(ctx)
	}
	return s.Finish(ctx, condition.Of(v), err)
}

// dismiss returns nothing when there is nothing left to do in the console.
func (s *role) dismiss(ctx context.Context) (*condition.Verdict, error) {
	role, ok := s.finalRole()
	if !ok || access.ForcedOrphan(s.obj) {
		return nil, nil
	}
	if v, err := s.resolveForDeletion(ctx); v != nil || err != nil {
		return v, err
	}
	owner, err := s.Owner(ctx, access.Claims{List: &v1alpha1.UserRoleList{}, Has: has, Admits: func(string) (bool, error) { return true, nil }})
	if err != nil || owner != nil || s.protected() {
		return nil, err
	}
	if err := s.Link.Project.ReadUsers(s.Caller(quota.Revoke), time.Time{}); err != nil {
		return nil, err
	}
	email := string(s.obj.Spec.Email)
	seen := s.Link.Project.User(email)
	if seen.Unconfirmed || seen.Presence == console.NotListed {
		if seen, err = s.Link.Project.FetchUser(ctx, s.Caller(quota.Revoke), email); err != nil {
			return nil, err
		}
	}
	if seen.Presence != console.Present || console.SameRole(seen.Value.Role, role) {
		return nil, nil
	}
	if !s.mayGrant(role) && !console.Lowers(seen.Value.Role, role) {
		// A deletion is no way around the roles that may be granted.
		s.Emit(corev1.EventTypeWarning, v1alpha1.ReasonRoleNotAllowed, "Delete",
			"%s keeps the role %q: ConsoleConnection %q does not let UserRoles grant %q.", email, seen.Value.Role, s.Connection.Name, role)
		return nil, nil
	}
	if s.Memo.Began.IsZero() {
		s.Memo.Began = time.Now()
	}
	change := []console.Difference{{Field: "role", Want: role, Have: console.Shown(seen.Value.Role), Revokes: true}}
	answer, err := s.write(ctx, seen.Value, role, change)
	if err != nil {
		return nil, fmt.Errorf("%s the role: %w", s.obj.Spec.DeletionPolicy, err)
	}
	if answer.Email == "" {
		v := s.lastAdmin("Make somebody else Admin first, or set spec.deletionPolicy to Orphan to leave them Admin.")
		return &v, nil
	}
	return nil, nil
}

// resolveForDeletion resolves the connection; the verdict on one that is not ready says how
// to delete the object without it.
func (s *role) resolveForDeletion(ctx context.Context) (*condition.Verdict, error) {
	v, err := s.Resolve(ctx)
	if v != nil && v.Reason == v1alpha1.ReasonConnectionNotReady {
		v.Message += " To let this object go and leave the role as it is, annotate it with " + v1alpha1.ForceOrphanAnnotation + "=true."
	}
	return v, err
}

// finalRole is the role that the deletion leaves the person with. It is false
// when the role is left alone: by policy, because this object only observed, or
// because it never came to know, let alone change, the person.
func (s *role) finalRole() (string, bool) {
	spec, status := &s.obj.Spec, &s.obj.Status
	if spec.Mode == v1alpha1.ModeObserve || status.PreviousRole == "" {
		return "", false
	}
	switch spec.DeletionPolicy {
	case v1alpha1.UserRoleRestore:
		return status.PreviousRole, true
	case v1alpha1.UserRoleDowngrade:
		if spec.DowngradeTo == "" {
			return console.RoleReadOnly, true
		}
		return string(spec.DowngradeTo), true
	default:
		return "", false
	}
}
