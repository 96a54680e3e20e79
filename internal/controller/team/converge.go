package team

import (
	"context"
	"errors"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/controller/access"
	"github.com/console-access/console-access-operator/internal/controller/condition"
	"github.com/console-access/console-access-operator/internal/quota"
)

// What refused calls are remembered as.
const (
	reading  = "read"
	updating = "update"
	// revoking is an update that only takes access away.
	revoking = "revoke"
	deleting = "delete"
)

// converge compares the team with the spec, and writes the difference away: at
// most twice, when the console does not keep what it was sent.
func (s *team) converge(ctx context.Context, seen console.Observation[console.Team]) (condition.Verdict, error) {
	wrote, refreshed := s.Memo.Attempts > 0 && s.obj.Status.ID != "", false
	// unread is the refusal to show a team whose members are known from before.
	var unread *condition.Verdict
	for {
		if seen.Presence != console.Present {
			return *s.missed(seen), nil
		}
		want, err := s.desired(&seen.Value)
		if err != nil {
			return condition.Verdict{}, err
		}
		if !refreshed && s.needsMembers(want, seen) {
			refreshed = true
			if seen, unread, err = s.refetch(ctx, seen.Value.ID, s.readLane()); err != nil || unread != nil && !seen.Value.MembersKnown {
				return condition.Of(unread), err
			}
			continue
		}
		differences := want.Diff(&seen.Value)
		if v := s.settled(want, seen, differences, wrote, unread); v != nil {
			return *v, nil
		}
		write, v, err := s.writable(ctx, want, seen, differences)
		if v != nil || err != nil {
			return condition.Of(v), err
		}
		if !refreshed && s.mayRefresh(write.want, seen) {
			refreshed = true
			if seen, unread, err = s.refetch(ctx, seen.Value.ID, quota.Change); err != nil {
				return condition.Verdict{}, err
			}
			continue
		}
		if unread != nil && !s.listsAll(seen) {
			// It would put people back, or out, who came or went since.
			return *unread, nil
		}
		answer, v, err := s.update(ctx, write.doing, write.want, seen.Value, write.differences)
		if v != nil || err != nil {
			return condition.Of(v), err
		}
		seen, wrote, unread = answer, s.Memo.Attempts > 0, nil
	}
}

// settled returns the verdict on a team that needs no write, or is not to be
// written. unread is the refusal to show it, if there is one.
func (s *team) settled(
	want console.DesiredTeam, seen console.Observation[console.Team], differences []console.Difference, wrote bool, unread *condition.Verdict,
) *condition.Verdict {
	if len(differences) > 0 {
		return s.Correct(s.obj.Spec.Mode, differences)
	}
	if unread != nil {
		return unread
	}
	v := s.matched(want, seen, wrote)
	return &v
}

// A write is an update: the definition that is sent, and what it changes.
type write struct {
	want        console.DesiredTeam
	differences []console.Difference
	doing       string
}

// writable returns the update that may be sent, or the verdict when none may.
func (s *team) writable(
	ctx context.Context, want console.DesiredTeam, seen console.Observation[console.Team], differences []console.Difference,
) (write, *condition.Verdict, error) {
	v, err := s.mayWrite(ctx, differences)
	if v == nil || err != nil {
		return write{want, differences, updating}, nil, err
	}
	part, ok := revocation(want, &seen.Value, differences)
	if !ok || s.obj.Status.ID == "" || s.Memo.Refused(revoking) != nil {
		return write{}, v, nil
	}
	// What must not be written, or is refused, holds up no removal.
	return write{part, part.Diff(&seen.Value), revoking}, nil, nil
}

// listsAll reports whether an update holds everybody whom the team has by the spec,
// so that it rests on no reading.
func (s *team) listsAll(seen console.Observation[console.Team]) bool {
	return seen.Value.MembersKnown && s.obj.Spec.Members != nil && s.obj.Spec.Admins != nil
}

// refetch reads the team by its id. A verdict says that the console refuses to show a
// team that it lists, which is then returned as it is listed; the console is asked again
// after an interval, or when a person wants it.
func (s *team) refetch(ctx context.Context, id string, lane quota.Lane) (seen console.Observation[console.Team], refused *condition.Verdict, err error) {
	if v := s.Memo.Refused(reading); v != nil && !s.Requested(s.obj.Status.LastHandledReconcileAt) {
		return s.Link.Project.Team(id), v, nil
	}
	began := time.Now()
	seen, err = s.Link.Project.FetchTeam(ctx, s.Caller(lane), id)
	if console.Refused(err) {
		v := condition.Rejected(err, s.Interval(), "The console lists this team but refuses to show it",
			"Look at the team in the console: what listings lack, such as its members, can be neither compared nor changed until it does")
		s.Memo.Refuse(reading, v)
		return s.Link.Project.Team(id), &v, nil
	}
	if err == nil && seen.Presence == console.Present {
		now := metav1.Now().Rfc3339Copy()
		s.obj.Status.LastVerifiedTime = &now
		s.plan.checked = began
		s.Link.Project.Checked(s.Key(), began)
	}
	return seen, nil, err
}

// needsMembers reports whether the members must be read before the team can be
// compared: at first sync when the listing lacks them, and later when it is the
// team's turn, once an interval.
func (s *team) needsMembers(want console.DesiredTeam, seen console.Observation[console.Team]) bool {
	project := s.Link.Project
	if !want.ManagesMembers() || seen.Value.ID == "" {
		project.UnplanCheck(s.Key())
		return false
	}
	first := !s.synced() && !seen.Value.MembersKnown
	if project.ListsMembers() {
		project.UnplanCheck(s.Key())
		return first
	}
	last := seen.At
	if s.plan.checked.After(last) {
		last = s.plan.checked
	}
	if verified := s.obj.Status.LastVerifiedTime; last.IsZero() && verified != nil {
		last = verified.Time
	}
	return project.PlanCheck(s.Key(), last, s.Interval(), s.Wake(access.PriorityDrift)) || first
}

// maxNamed is how many people a message names.
const maxNamed = 20

// matched is the verdict on a team that is as it can be.
func (s *team) matched(want console.DesiredTeam, seen console.Observation[console.Team], wrote bool) condition.Verdict {
	if seen.Value.ID == "" && want.ManagesMembers() && !seen.Value.MembersKnown {
		return s.unidentified()
	}
	specified := Specified(s.obj)
	notAdded, notRemoved := KeepProtected(&specified, &seen.Value, s.Connection.Spec.ProtectedUsers)
	missing, refused := s.unfit(specified, &seen.Value)
	s.Link.Project.Await(s.Key(), missing, s.Wake(access.PriorityRelease))
	if len(refused) > 0 {
		return s.withoutRefused(missing, refused)
	}
	if len(missing) > 0 {
		s.Memo.Reset()
		return condition.Waiting(v1alpha1.ReasonUserNotFound,
			"Not in the console project: %s. All else is applied; they are added when they appear. Invite them, or remove them from the spec.",
			condition.SomeOf(missing, maxNamed))
	}
	if len(notAdded) > 0 {
		return s.protects(notAdded)
	}
	return s.inSync(wrote, s.stays(notRemoved, seen.Value.MembersKnown))
}

// inSync is the verdict that the console holds what the spec says.
func (s *team) inSync(wrote bool, message string) condition.Verdict {
	s.Synced(wrote)
	return condition.Synced(message)
}

// unidentified is the verdict on a team whose id the console does not tell, so
// that it can be neither changed nor read by itself.
func (s *team) unidentified() condition.Verdict {
	v := condition.Stuck(v1alpha1.ReasonRejected,
		"The console does not tell the id of the team %q, so it cannot be changed, nor can its members be read if its listings lack them. "+
			"Change it in the console by hand, or wait until the console tells the id.", s.obj.ConsoleName())
	v.RetryAfter = s.Interval()
	return v
}

// mayWrite returns the verdict on an update that must not be sent.
func (s *team) mayWrite(ctx context.Context, differences []console.Difference) (*condition.Verdict, error) {
	if s.obj.Status.ID == "" {
		v := s.unidentified()
		return &v, nil
	}
	renames := renames(differences)
	if renames {
		if v, err := s.awaitReserved(ctx); v != nil || err != nil {
			return v, err
		}
	}
	for _, other := range s.Link.Project.TeamsNamed(s.obj.ConsoleName()) {
		if renames && other.ID != s.obj.Status.ID {
			v := condition.Stuck(v1alpha1.ReasonAlreadyExists,
				"The console already has another team named %q, so this team cannot be given that name. Rename or delete the other one, or choose another name.", s.obj.ConsoleName())
			return &v, nil
		}
	}
	if renames {
		if v, err := s.awaitCreators(ctx); v != nil || err != nil {
			return v, err
		}
	}
	return s.Memo.Refused(updating), nil
}

func renames(differences []console.Difference) bool {
	return slices.ContainsFunc(differences, func(d console.Difference) bool { return d.Field == "name" })
}

// update sends the whole merged definition. A refusal is no error: it is remembered,
// as what was being done or of the people it names, and the team is as it was.
func (s *team) update(
	ctx context.Context, doing string, want console.DesiredTeam, have console.Team, differences []console.Difference,
) (seen console.Observation[console.Team], v *condition.Verdict, err error) {
	began := time.Now()
	id := s.obj.Status.ID
	by := s.Writer(lane(access.Revokes(differences)))
	definition := want.Merge(&have)
	if len(s.Connection.Spec.ProtectedUsers) > 0 {
		// Who is in it must be known, or protected people could be removed.
		definition.MembersKnown = have.MembersKnown
	}
	if renames(differences) {
		ctx = console.BeforeSend(ctx, func() error { return s.reserve(ctx) })
	}
	_, err = s.Link.Project.UpdateTeam(ctx, by, id, definition)
	switch class := console.ClassOf(err); {
	case errors.Is(err, errReserved):
		again := s.reserved()
		return seen, &again, nil
	case class == console.Ambiguous:
		s.plans.leaveOpen(s.plan)
	case err != nil:
		s.plans.settle(s.plan)
	}
	if console.Refused(err) {
		if !s.holdBack(err, want, &have) {
			refused, _ := condition.FromError(err, s.Interval())
			s.Memo.Refuse(doing, refused)
			if console.ClassOf(err) == console.NotFound {
				// It goes on when it is known that the team is there, or gone.
				if seen, v, err = s.refetch(ctx, id, quota.Change); v != nil {
					v = &refused
				}
				return seen, v, err
			}
			// It may be refused because the team is gone: the next listing tells.
			_ = s.Link.Project.ReadTeams(s.Caller(quota.Change), began)
		}
		return s.Link.Project.Team(id), nil, nil
	}
	if err != nil {
		return seen, nil, err
	}
	s.Wrote()
	s.Changed("Updated", "Changed the team %q in the console: %s.", s.obj.ConsoleName(), access.DescribeChange(differences))
	return s.Link.Project.Team(id), nil, nil
}
