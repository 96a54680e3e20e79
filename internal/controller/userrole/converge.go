package userrole

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/controller/access"
	"github.com/console-access/console-access-operator/internal/controller/condition"
	"github.com/console-access/console-access-operator/internal/quota"
)

// What refused writes are remembered as.
const (
	updating = "update"
	inviting = "invite"
)

// observe finds the person. A verdict says why there is nobody to compare with.
func (s *role) observe(ctx context.Context) (console.User, *condition.Verdict, error) {
	email := string(s.obj.Spec.Email)
	project := s.Link.Project
	seen, lane := project.User(email), s.readLane()
	wanted := seen.Unconfirmed || s.Requested(s.obj.Status.LastHandledReconcileAt)
	if wanted {
		lane = quota.Change
	}
	// Nobody is invited on the word of a listing alone.
	if wanted || seen.Presence == console.NotListed && (!s.knownMissing() || s.invites() && s.mayInvite()) {
		var err error
		if seen, err = project.FetchUser(ctx, s.Caller(lane), email); err != nil {
			return console.User{}, nil, err
		}
	}
	if s.wasAdmin() && seen.Presence == console.Present && !console.IsAdmin(seen.Value.Role) {
		// Or they would be demoted as if they were none.
		var err error
		if seen, err = project.UserSince(ctx, s.Caller(lane), email, project.OthersShown()); err != nil {
			return console.User{}, nil, err
		}
	}
	s.MarkRequested(&s.obj.Status.LastHandledReconcileAt)
	if seen.Presence == console.Present {
		return seen.Value, nil, s.ForgetInvitation(ctx)
	}
	s.obj.Status.Role, s.obj.Status.UserID = "", ""
	project.Await(s.Key(), []string{email}, s.Wake(access.PriorityRelease))
	if s.invites() {
		v, err := s.invite(ctx)
		return console.User{}, &v, err
	}
	v := condition.Waiting(v1alpha1.ReasonUserNotFound,
		"%s is not in the console project. Invite them there, or set spec.whenMissing to Invite; the role is set when they appear.", email)
	return console.User{}, &v, nil
}

// wasAdmin reports whether the person was Admin when last seen for this object,
// be it by another process.
func (s *role) wasAdmin() bool { return console.IsAdmin(s.obj.Status.Role) }

// knownMissing reports whether the console was already asked for this person
// by name and did not have them, so that every further listing that lacks them
// need not be confirmed again.
func (s *role) knownMissing() bool {
	if !s.Link.Project.UsersRead().Complete {
		return false
	}
	reason, _ := condition.Current(s.obj.Status.Conditions, s.obj.Generation)
	return reason == v1alpha1.ReasonUserNotFound || reason == v1alpha1.ReasonInvited
}

// invites reports whether the person is to be invited while they are missing.
func (s *role) invites() bool {
	return s.obj.Spec.WhenMissing == v1alpha1.WhenMissingInvite && s.obj.Spec.Mode != v1alpha1.ModeObserve
}

// mayInvite reports whether no invitation was sent, or the last one is too old.
func (s *role) mayInvite() bool {
	invited := s.obj.Status.InvitedAt
	return invited == nil || time.Since(invited.Time) >= access.InviteAgainAfter
}

// invite asks the person into the project, once in seven days, however many objects
// come and go for them.
func (s *role) invite(ctx context.Context) (condition.Verdict, error) {
	email, status := string(s.obj.Spec.Email), &s.obj.Status
	if status.InvitedAt == nil {
		last, err := s.LastInvitation(ctx)
		if err != nil {
			return condition.Verdict{}, err
		}
		status.InvitedAt = last
	}
	if s.mayInvite() {
		if v := s.guarded(""); v != nil {
			return *v, nil
		}
		if v := s.Memo.Refused(inviting); v != nil {
			return *v, nil
		}
		if err := s.sendInvitation(ctx); err != nil {
			return condition.Verdict{}, err
		}
	}
	again := status.InvitedAt.Add(access.InviteAgainAfter)
	v := condition.Waiting(v1alpha1.ReasonInvited,
		"%s was invited and has not joined the console project yet. They find the invitation in the console after logging in; it is repeated after %s.",
		email, again.UTC().Format(time.RFC3339))
	v.RetryAfter = time.Until(again) + time.Second
	return v, nil
}

// sendInvitation invites the person. A refusal is remembered.
func (s *role) sendInvitation(ctx context.Context) error {
	email, status := string(s.obj.Spec.Email), &s.obj.Status
	before := status.InvitedAt
	// Recorded before it is sent: a crash may lose an invitation, which a
	// person can repeat, but never doubles one.
	ctx = console.BeforeSend(ctx, func() error {
		now := metav1.Now().Rfc3339Copy()
		status.InvitedAt = &now
		return s.Record(ctx)
	})
	// Spelled as updates spell it: the console takes no other.
	role := console.DocumentedRole(string(s.obj.Spec.Role))
	err := s.Link.Project.Invite(ctx, s.Writer(quota.Change), console.Invitation{Role: role, Emails: []string{email}})
	if class := console.ClassOf(err); err != nil && class != console.Ambiguous {
		status.InvitedAt = before
		if v, ok := condition.FromError(err, s.Interval()); ok && v.State == condition.Stalled {
			s.Memo.Refuse(inviting, v)
		}
		return err
	}
	s.Changed(v1alpha1.ReasonInvited, "Invited %s with the role %q.", email, role)
	return nil
}

// converge compares the person with the spec, and writes the difference away:
// at most twice, when the console does not keep what it was sent.
func (s *role) converge(ctx context.Context, user console.User) (condition.Verdict, error) {
	wrote := false
	for {
		s.note(user)
		differences := Differences(s.obj, user)
		if s.settled(differences) {
			s.Synced(wrote)
			return condition.Synced("The console has this person with the role \"" + string(s.obj.Spec.Role) + "\"."), nil
		}
		if v := s.Correct(s.obj.Spec.Mode, differences); v != nil {
			return *v, nil
		}
		if v := s.guarded(user.Role); v != nil {
			return *v, nil
		}
		if v := s.Memo.Refused(updating); v != nil {
			return *v, nil
		}
		var err error
		if user, err = s.write(ctx, user, string(s.obj.Spec.Role), differences); err != nil {
			if console.ClassOf(err) == console.NotFound && s.Memo.Refused(updating) != nil {
				// It goes on when it is known that the person is there, or gone.
				return s.sync(ctx)
			}
			return condition.Verdict{}, err
		}
		if user.Email == "" {
			return s.lastAdmin("Make somebody else Admin first."), nil
		}
		wrote = true
	}
}

// settled reports whether nothing has to be done about the differences.
func (s *role) settled(differences []console.Difference) bool {
	if len(differences) == 0 {
		return true
	}
	return s.Connection.Spec.Drift.Policy == v1alpha1.DriftIgnore &&
		s.obj.Status.SyncedGeneration == s.obj.Generation && s.obj.Spec.Mode != v1alpha1.ModeObserve
}

// note takes over what the status tells of the person.
func (s *role) note(user console.User) {
	s.obj.Status.UserID, s.obj.Status.Role = user.ID, user.Role
	s.obj.Status.InvitedAt = nil
	if s.obj.Status.PreviousRole == "" {
		s.obj.Status.PreviousRole, s.found = user.Role, true
	}
}

// Differences compares a person in the console with the spec. A name that the
// spec does not set is not compared.
func Differences(obj *v1alpha1.UserRole, user console.User) []console.Difference {
	var out []console.Difference
	want := string(obj.Spec.Role)
	if !console.SameRole(want, user.Role) {
		out = append(out, console.Difference{Field: "role", Want: want, Have: console.Shown(user.Role), Revokes: console.Lowers(user.Role, want)})
	}
	for _, name := range []struct {
		field string
		want  *string
		have  string
	}{{"firstName", obj.Spec.FirstName, user.FirstName}, {"lastName", obj.Spec.LastName, user.LastName}} {
		if name.want != nil && *name.want != name.have {
			out = append(out, console.Difference{Field: name.field, Want: console.Shown(*name.want), Have: console.Shown(name.have)})
		}
	}
	return out
}

// write sends one update. It returns a zero user, and no error, when that
// would leave the project without an Admin.
func (s *role) write(ctx context.Context, user console.User, role string, differences []console.Difference) (console.User, error) {
	lane := quota.Change
	if access.Revokes(differences) {
		lane = quota.Revoke
	}
	if console.IsAdmin(user.Role) && !console.IsAdmin(role) {
		remains, end, err := s.Link.Project.BeginDemotion(ctx, s.Caller(lane), user.Email, s.Memo.Began)
		if err != nil || !remains {
			return console.User{}, err
		}
		defer end()
	}
	role = console.DocumentedRole(role)
	change := console.UserChange{}
	for _, d := range differences {
		switch d.Field {
		case "role":
			change.Role = &role
		case "firstName":
			change.FirstName = s.obj.Spec.FirstName
		case "lastName":
			change.LastName = s.obj.Spec.LastName
		}
	}
	// The role found must be known before it is overwritten, or Restore could
	// not put it back after a crash.
	if s.found {
		ctx = console.BeforeSend(ctx, func() error { return s.Record(ctx) })
	}
	answer, err := s.Link.Project.UpdateUser(ctx, s.Writer(lane), user.Email, change)
	if err != nil {
		if v, ok := condition.FromError(err, s.Interval()); ok && v.State == condition.Stalled {
			s.Memo.Refuse(updating, v)
		}
		return console.User{}, err
	}
	s.Wrote()
	s.Changed("Updated", "Changed %s in the console: %s.", s.obj.Spec.Email, access.DescribeChange(differences))
	return answer, nil
}

func (s *role) lastAdmin(todo string) condition.Verdict {
	v := condition.Stuck(v1alpha1.ReasonLastAdmin,
		"%s is the project's last Admin and stays Admin. %s", s.obj.Spec.Email, todo)
	v.RetryAfter = s.Interval()
	return v
}
