package team

import (
	"context"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/controller/condition"
	"github.com/console-access/console-access-operator/internal/quota"
)

// lookups are when, after an attempt whose answer was lost, the listing is read
// again to see what came of it. The console may still bring the team about, or
// not show it yet, so that a team is not known to be absent before the last.
var lookups = []time.Duration{3 * time.Second, 10 * time.Second, 30 * time.Second}

const creating = "create"

// create makes the team. The intent is recorded in the object right before the
// request is sent, so that whatever happens then, a team of this name that
// appears is known to be ours, and none is made twice.
func (s *team) create(ctx context.Context) (condition.Verdict, error) {
	name := s.obj.ConsoleName()
	if v := s.Correct(s.obj.Spec.Mode, []console.Difference{{Field: "name", Want: name}}); v != nil {
		return *v, nil
	}
	if v := s.Memo.Refused(creating); v != nil {
		return *v, nil
	}
	want, err := s.desired(nil)
	if err != nil {
		return condition.Verdict{}, err
	}
	definition := want.Merge(nil)
	status := &s.obj.Status
	sending := console.BeforeSend(ctx, func() error {
		s.plan.lacked = 0
		status.CreateIntent = &v1alpha1.CreateIntent{Name: name, Time: metav1.NowMicro()}
		return s.Record(ctx)
	})
	began := time.Now()
	made, err := s.Link.Project.CreateTeam(sending, s.Writer(quota.Change), definition)
	s.plan.intentEnded = time.Now()
	if class := console.ClassOf(err); err != nil {
		if class == console.Ambiguous {
			return condition.Verdict{}, err
		}
		status.CreateIntent = nil
		if class == console.Invalid {
			return s.refusedCreate(began, err)
		}
		return condition.Verdict{}, err
	}
	s.Wrote()
	s.Changed("Created", "Created the team %q in the console.", name)
	if made.ID == "" {
		return s.sync(ctx)
	}
	status.ID, status.Adopted, status.CreateIntent = made.ID, false, nil
	return s.converge(ctx, s.Link.Project.Team(made.ID))
}

// refusedCreate deals with a definition that the console does not accept. An
// address it names as unknown is held back; a team of that name may have
// appeared since the listing was read, so that is read again.
func (s *team) refusedCreate(began time.Time, err error) (condition.Verdict, error) {
	if s.holdBack(err) {
		v := condition.Progressing("The console refused an address; the team is created without it.")
		v.RetryAfter = time.Millisecond
		return v, nil
	}
	v, _ := condition.FromError(err, s.Interval())
	s.Memo.Refuse(creating, v)
	_ = s.Link.Project.ReadTeams(s.Caller(quota.Change), began)
	return v, nil
}

// resolveIntent finds out what became of an attempt to create the team.
func (s *team) resolveIntent(ctx context.Context) (*console.Observation[console.Team], *condition.Verdict, error) {
	status := &s.obj.Status
	if s.plan.intentEnded.IsZero() {
		// The attempt was made by a process before this one; it has ended by now.
		s.plan.intentEnded = time.Now()
	}
	since, next := s.plan.intentEnded, time.Time{}
	for _, pause := range lookups {
		if at := s.plan.intentEnded.Add(pause); time.Now().After(at) {
			since = at
		} else if next.IsZero() {
			next = at
		}
	}
	if err := s.Link.Project.ReadTeams(s.Caller(quota.Change), since); err != nil {
		return nil, nil, err
	}
	named := s.Link.Project.TeamsNamed(status.CreateIntent.Name)
	named = slices.DeleteFunc(named, func(t console.Team) bool { return slices.Contains(status.CreateIntent.KnownIDs, t.ID) })
	for len(named) > 0 && named[0].ID != "" {
		other, err := s.claimant(ctx, named[0].ID)
		if err != nil {
			return nil, nil, err
		}
		if other == "" {
			break
		}
		named = named[1:]
	}
	switch {
	case len(named) > 0 && named[0].ID != "":
		status.ID, status.Adopted, status.CreateIntent = named[0].ID, false, nil
		if err := s.Record(ctx); err != nil {
			return nil, nil, err
		}
		seen := s.Link.Project.Team(named[0].ID)
		return &seen, nil, nil
	case len(named) > 0:
		// The console tells no ids: the intent stays, as the proof that a team
		// of this name is ours.
		return &console.Observation[console.Team]{Presence: console.Present, Value: named[0]}, nil, nil
	case !next.IsZero():
		v := condition.Progressing("The console did not say whether the team was created; it is looked up before anything is sent again.")
		v.RetryAfter = time.Until(next) + time.Millisecond
		return nil, &v, nil
	}
	if err := s.lacks(); err != nil {
		return nil, nil, err
	}
	status.CreateIntent = nil
	return nil, nil, s.Record(ctx)
}
