package team

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/controller/condition"
	"github.com/console-access/console-access-operator/internal/quota"
)

const creating = "create"

// errReserved stops a request that gives a team a name while another Team's for
// the same name is so recent that the cache may not show it yet.
var errReserved = errors.New("another Team is taking that name")

// reservedPause is how long the cache is given to show it.
const reservedPause = time.Second

// create makes the team. The intent is recorded in the object right before the
// request is sent, so that whatever happens then, a team of this name that
// appears is known to be ours, and none is made twice.
func (s *team) create(ctx context.Context) (condition.Verdict, error) {
	name := s.obj.ConsoleName()
	if v := s.Correct(s.obj.Spec.Mode, []console.Difference{{Field: "name", Want: name}}); v != nil {
		return *v, nil
	}
	if v, err := s.awaitCreators(ctx); v != nil || err != nil {
		return condition.Of(v), err
	}
	if v, err := s.awaitReserved(ctx); v != nil || err != nil {
		return condition.Of(v), err
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
		if err := s.reserve(ctx); err != nil {
			return err
		}
		s.plan.lackedSince = time.Time{}
		status.CreateIntent = &v1alpha1.CreateIntent{
			Name: name, Time: metav1.NowMicro(), KnownIDs: s.Link.Project.FormerlyNamed(name),
		}
		return s.Record(ctx)
	})
	began := time.Now()
	made, err := s.Link.Project.CreateTeam(sending, s.Writer(quota.Change), definition)
	if status.CreateIntent != nil {
		s.plan.attempted(status.CreateIntent.Time.UnixMicro(), false)
	}
	if errors.Is(err, errReserved) {
		return s.reserved(), nil
	}
	if class := console.ClassOf(err); err != nil {
		if class == console.Ambiguous {
			return condition.Verdict{}, err
		}
		status.CreateIntent = nil
		s.plans.settle(s.plan)
		if console.Refused(err) {
			return s.refusedCreate(began, want, err)
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

// awaitReserved returns the verdict, or the error, while a request of another Team
// may give the name to a team without the view of the project showing it.
func (s *team) awaitReserved(ctx context.Context) (*condition.Verdict, error) {
	key, err := s.nameKey(ctx)
	if err != nil {
		return nil, err
	}
	switch end := s.plans.reservedFor(key, s.plan); {
	case end.IsZero():
		return nil, nil
	case time.Now().Before(end):
		v := s.reserved()
		return &v, nil
	default:
		return nil, s.Link.Project.ReadTeams(s.Caller(quota.Change), end)
	}
}

// reserve keeps the team's name for the request that is about to be sent.
func (s *team) reserve(ctx context.Context) error {
	key, err := s.nameKey(ctx)
	if err != nil {
		return err
	}
	if !s.plans.reserve(key, s.plan) {
		return errReserved
	}
	return nil
}

// nameKey identifies the team's name among those of all projects.
func (s *team) nameKey(ctx context.Context) (string, error) {
	peers, err := s.Peers(ctx)
	if err != nil {
		return "", err
	}
	return peers.Key() + "\x00" + console.NameKey(s.obj.ConsoleName()), nil
}

// reserved is the verdict while the name is kept for another Team.
func (s *team) reserved() condition.Verdict {
	v := condition.Progressing(fmt.Sprintf("Another Team is giving its team the name %q just now; this one goes on by itself.", s.obj.ConsoleName()))
	v.RetryAfter = reservedPause
	return v
}

// refusedCreate deals with a definition that the console does not accept. An
// address it names is held back; a team of that name may have
// appeared since the listing was read, so that is read again.
func (s *team) refusedCreate(began time.Time, want console.DesiredTeam, err error) (condition.Verdict, error) {
	if s.holdBack(err, want, nil) {
		v := condition.Progressing("The console refused an address; the team is created without it.")
		v.RetryAfter = time.Millisecond
		return v, nil
	}
	v, _ := condition.FromError(err, s.Interval())
	s.Memo.Refuse(creating, v)
	_ = s.Link.Project.ReadTeams(s.Caller(quota.Change), began)
	return v, nil
}
