package userrole

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/controller/access"
)

// identity is what is to be known of the person when the object is restored without
// its status: the role found first or, of somebody who is not in the project, when
// they were invited, or are about to be.
func (s *role) identity() *access.Identity {
	status, spec := &s.obj.Status, &s.obj.Spec
	id := &access.Identity{Email: s.obj.Claim(), PreviousRole: status.PreviousRole, InvitedAt: status.InvitedAt}
	known, own, ok := s.Annotated()
	ok = ok && own
	seen := s.Link.Project.User(string(spec.Email))
	switch {
	case spec.Mode == v1alpha1.ModeObserve:
		id.InvitedAt = nil
	case seen.Presence == console.Present:
		id.InvitedAt = nil
		if id.PreviousRole == "" {
			id.PreviousRole = seen.Value.Role
		}
	case id.InvitedAt == nil && spec.WhenMissing == v1alpha1.WhenMissingInvite:
		id.InvitedAt = known.InvitedAt
		if !ok || id.InvitedAt == nil {
			now := metav1.NewTime(time.Now()).Rfc3339Copy()
			id.InvitedAt = &now
		}
	}
	// What differs by little, or means nothing any more, is not worth a write.
	joined := seen.Presence == console.Present && known.PreviousRole == id.PreviousRole
	near := known.InvitedAt != nil && id.InvitedAt != nil && id.InvitedAt.Sub(known.InvitedAt.Time).Abs() < time.Hour
	if ok && (joined || near) {
		id.InvitedAt = known.InvitedAt
	}
	return id
}

// restore records what the annotation of an object says that was restored without
// its status. That comes before the annotation is written anew.
func (s *role) restore(ctx context.Context) error {
	id, ok := s.Restored()
	status := &s.obj.Status
	if !ok || id.Email != s.obj.Claim() || status.PreviousRole != "" || status.InvitedAt != nil {
		return nil
	}
	if s.Link.Project.User(string(s.obj.Spec.Email)).Presence == console.Present {
		status.PreviousRole = id.PreviousRole
	} else {
		status.InvitedAt = id.InvitedAt
	}
	return s.Record(ctx)
}
