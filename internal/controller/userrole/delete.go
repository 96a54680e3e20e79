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
		return s.Release(ctx)
	}
	v, err := s.dismiss(ctx)
	if err == nil && v == nil {
		err = s.RememberInvitation(ctx, s.obj)
	}
	if err == nil && v == nil {
		return s.Release(ctx)
	}
	return s.Finish(ctx, condition.Of(v), err)
}

// dismiss returns nothing when there is nothing left to do in the console.
func (s *role) dismiss(ctx context.Context) (*condition.Verdict, error) {
	role, left, v, err := s.leave(ctx)
	if left || v != nil || err != nil {
		return v, err
	}
	if v, err := s.resolveForDeletion(ctx); v != nil || err != nil {
		return v, err
	}
	if letGo, v, err := s.LetGo(ctx); letGo || v != nil || err != nil {
		return v, err
	}
	if s.guarded("") != nil {
		return nil, nil
	}
	if s.Memo.Began.IsZero() {
		s.Memo.Began = time.Now()
	}
	seen, err := s.lookAgain(ctx, role)
	if err != nil {
		return nil, err
	}
	email := string(s.obj.Spec.Email)
	if seen.Presence != console.Present || console.SameRole(seen.Value.Role, role) {
		return nil, nil
	}
	if v := s.guarded(seen.Value.Role); v != nil {
		s.Emit(corev1.EventTypeWarning, v.Reason, "Delete", "%s keeps the role %q: %s", email, console.Shown(seen.Value.Role), v.Message)
		return nil, nil
	}
	if !s.mayEndWith(seen.Value.Role, role) {
		s.Emit(corev1.EventTypeWarning, v1alpha1.ReasonRoleNotAllowed, "Delete",
			"%s keeps the role %q: a deletion through ConsoleConnection %q may not grant %q.", email, console.Shown(seen.Value.Role), s.Connection.Name, console.Shown(role))
		return nil, nil
	}
	return s.setFinalRole(ctx, seen.Value, role)
}

// leave reports whether the role is left as it is; else it returns the one to set.
func (s *role) leave(ctx context.Context) (role string, left bool, v *condition.Verdict, err error) {
	if access.ForcedOrphan(s.obj) {
		return "", true, nil, nil
	}
	if done, v, err := s.HandOver(ctx, rules); done || v != nil || err != nil {
		return "", done, v, err
	}
	role, ok := s.finalRole()
	if !ok {
		return "", true, nil, nil
	}
	return role, false, access.UnclearOrphan(s.obj, "let this object go and leave the role as it is", "set the role that deletionPolicy says"), nil
}

// setFinalRole sets the role that the deletion leaves the person with.
func (s *role) setFinalRole(ctx context.Context, seen console.User, role string) (*condition.Verdict, error) {
	change := []console.Difference{{Field: "role", Want: role, Have: console.Shown(seen.Role), Revokes: true}}
	if v := s.Memo.Refused(updating); v != nil {
		return v, nil
	}
	answer, err := s.write(ctx, seen, role, change)
	if console.ClassOf(err) == console.NotFound && s.Memo.Refused(updating) != nil {
		// It goes on when it is known that the person is there, or gone.
		return s.dismiss(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("%s the role: %w", s.obj.Spec.DeletionPolicy, err)
	}
	if answer.Email == "" {
		v := s.lastAdmin("Make somebody else Admin first, or set spec.deletionPolicy to Orphan to leave them Admin.")
		return &v, nil
	}
	return nil, nil
}

// lookAgain returns the person as a reading shows them that began after the
// deletion was asked for. That they have the role already, or are no Admin whom
// the process before this one may have made one, is concluded only from a reading
// that shows what that process did. A listing of one page costs no more than the
// person does, and serves all who are deleted at once.
func (s *role) lookAgain(ctx context.Context, role string) (seen console.Observation[console.User], err error) {
	project, by, since := s.Link.Project, s.Caller(quota.Revoke), time.Time{}
	if project.UsersRead().Pages <= 1 {
		since = s.Memo.Began
	}
	if err := project.ReadUsers(by, since); err != nil {
		return seen, err
	}
	email := string(s.obj.Spec.Email)
	seen, err = project.UserSince(ctx, by, email, s.Memo.Began)
	if err != nil || seen.Presence == console.Present && !console.SameRole(seen.Value.Role, role) &&
		(console.IsAdmin(seen.Value.Role) || !s.wasAdmin() && !console.IsAdmin(string(s.obj.Spec.Role))) {
		return seen, err
	}
	if shown := project.OthersShown(); seen.At.Before(shown) {
		return project.UserSince(ctx, by, email, shown)
	}
	return seen, nil
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
