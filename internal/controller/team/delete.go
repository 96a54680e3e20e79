package team

import (
	"context"
	"slices"
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
func (s *team) delete(ctx context.Context) (ctrl.Result, error) {
	if !s.Finalized() {
		return s.Release(ctx)
	}
	v, err := s.remove(ctx)
	if err == nil && v == nil {
		return s.Release(ctx)
	}
	return s.Finish(ctx, condition.Of(v), err)
}

// remove returns nothing when there is nothing left to do in the console.
func (s *team) remove(ctx context.Context) (*condition.Verdict, error) {
	if left, v, err := s.leave(ctx); left || v != nil || err != nil {
		return v, err
	}
	if v, err := s.resolveForDeletion(ctx); v != nil || err != nil {
		return v, err
	}
	if letGo, v, err := s.LetGo(ctx); letGo || v != nil || err != nil {
		return v, err
	}
	if s.obj.Status.ID == "" {
		if v, err := s.settleBeforeDeletion(ctx); v != nil || err != nil || s.obj.Status.ID == "" {
			return v, err
		}
		// The object has come to stand for a team, which another one may take over.
		return s.remove(ctx)
	}
	if s.plan.deleted == s.obj.Status.ID {
		return nil, nil // and the finalizer could not be taken away
	}
	if taken, err := s.takenOver(ctx); taken || err != nil {
		return nil, err
	}
	if v := s.Memo.Refused(deleting); v != nil {
		return v, nil
	}
	if v := s.brake(); v != nil {
		return v, nil
	}
	if s.Memo.Began.IsZero() {
		s.Memo.Began = time.Now()
	}
	return s.send(ctx)
}

// leave reports whether the team stays in the console, so that nothing is left to
// do there.
func (s *team) leave(ctx context.Context) (bool, *condition.Verdict, error) {
	if access.ForcedOrphan(s.obj) {
		return true, nil, nil
	}
	if done, v, err := s.HandOver(ctx, access.TeamRules); done || v != nil || err != nil {
		return done, v, err
	}
	if access.Orphans(s.obj) {
		return true, nil, nil
	}
	return false, access.UnclearOrphan(s.obj, "let this object go and leave the team in the console", "delete the team"), nil
}

// resolveForDeletion resolves the connection; the verdict on one that is not ready
// says how to delete the object without it.
func (s *team) resolveForDeletion(ctx context.Context) (*condition.Verdict, error) {
	v, err := s.Resolve(ctx)
	if v != nil && v.Reason == v1alpha1.ReasonConnectionNotReady {
		v.Message += " To let this object go and leave the team in the console, annotate it with " + v1alpha1.ForceOrphanAnnotation + "=true."
	}
	if v != nil && access.IsHeld(s.obj) {
		// Only a person's approval ends this, not a restart or an outage.
		v.State, v.Reason = condition.Stalled, v1alpha1.ReasonDeletionHeld
		v.Message = "This deletion is held until a person approves it. " + v.Message
	}
	return v, err
}

// settleBeforeDeletion finds out which team, if any, the object has created. It
// returns the verdict on why that is not known yet.
func (s *team) settleBeforeDeletion(ctx context.Context) (*condition.Verdict, error) {
	_, v, err := s.resolveIntent(ctx)
	if v != nil || err != nil || s.obj.Status.ID != "" || s.obj.Status.CreateIntent == nil {
		return v, err
	}
	// The name it was created by: the spec may have another one by now, so that no
	// listing wakes this object.
	unknown := condition.Stuck(v1alpha1.ReasonRejected,
		"The console does not tell the id of the team %q, so it cannot be deleted. Delete it in the console by hand, then annotate this object with %s=true.",
		s.obj.Status.CreateIntent.Name, v1alpha1.ForceOrphanAnnotation)
	unknown.RetryAfter = s.Interval()
	return &unknown, nil
}

// send deletes the team, and returns the verdict on a refusal.
func (s *team) send(ctx context.Context) (*condition.Verdict, error) {
	sending := console.BeforeSend(ctx, func() error { return s.Link.Brake.Sending(ctx, s.Key()) })
	if err := s.Link.Project.DeleteTeam(sending, s.Writer(quota.Revoke), s.obj.Status.ID); err != nil {
		if !console.Refused(err) {
			return nil, err
		}
		v := condition.Rejected(err, s.Interval(), "The console lists this team but refuses to delete it",
			"Delete it in the console by hand, or annotate this object with "+v1alpha1.ForceOrphanAnnotation+"=true to leave it there")
		s.Memo.Refuse(deleting, v)
		return &v, nil
	}
	s.plan.deleted = s.obj.Status.ID
	s.Changed("Deleted", "Deleted the team %q, id %s, in the console.", s.obj.ConsoleName(), s.obj.Status.ID)
	return nil, nil
}

// takenOver reports whether another Team, that stays, stands for the team now.
func (s *team) takenOver(ctx context.Context) (bool, error) {
	others, _, err := s.claimants(ctx, s.obj.Status.ID)
	return slices.ContainsFunc(others, func(o v1alpha1.AccessObject) bool { return o.GetDeletionTimestamp() == nil }), err
}

// brake returns the verdict on a deletion that a person has to approve.
func (s *team) brake() *condition.Verdict {
	wasHeld := access.IsHeld(s.obj)
	asked := access.Deletion{Key: s.Key(), Since: s.obj.DeletionTimestamp.Time, Held: wasHeld, Release: s.Wake(access.PriorityRelease)}
	if s.Link.Brake.Pass(asked) {
		return nil
	}
	limit, per := s.Link.Brake.Limit()
	v := condition.Stuck(v1alpha1.ReasonDeletionHeld,
		"More than %d teams are to be deleted within %s, so the rest are held. If that is meant, annotate ConsoleConnection %q with %s=all, or a number.",
		limit, per, s.Connection.Name, v1alpha1.ApproveDeletesAnnotation)
	if !wasHeld {
		s.Emit(corev1.EventTypeWarning, v1alpha1.ReasonDeletionHeld, "Delete", "%s", v.Message)
	}
	return &v
}
