package team

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/controller/access"
	"github.com/console-access/console-access-operator/internal/controller/condition"
	"github.com/console-access/console-access-operator/internal/quota"
)

// lookups are when, after an attempt whose answer was lost, the listing is read
// again to see what came of it. The console may still bring the team about, or
// not show it yet, so that a team is not known to be absent before the last.
var lookups = []time.Duration{3 * time.Second, 10 * time.Second, 30 * time.Second}

// rivalry is how long after an intent is first heard of that another process
// may have recorded what came of it is shown: a request ends within half a
// minute, and its last lookup is as long after that.
var rivalry = 30*time.Second + lookups[len(lookups)-1]

const lookingUp = "The console did not say whether the team was created; it is looked up before anything is sent again."

// settleIntent finds out what became of a former attempt to create the team. It
// comes before all that others have a say in: who waits for what this object
// was creating must not be waited for in turn. A synced object has nothing to
// settle: its intent is the proof that a team without an id is its own.
func (s *team) settleIntent(ctx context.Context) (*condition.Verdict, error) {
	if s.obj.Status.CreateIntent == nil || s.obj.Status.ID != "" || s.synced() {
		return nil, nil
	}
	if err := s.Hold(ctx); err != nil {
		return nil, err
	}
	_, v, err := s.resolveIntent(ctx)
	return v, err
}

// resolveIntent finds out what became of an attempt to create the team.
func (s *team) resolveIntent(ctx context.Context) (*console.Observation[console.Team], *condition.Verdict, error) {
	status := &s.obj.Status
	if recorded := status.CreateIntent.Time.UnixMicro(); s.plan.intentEnded.IsZero() || s.plan.intent != recorded {
		s.plan.attempted(recorded, true)
	}
	rank, shown, err := s.rank(ctx)
	if err != nil {
		return nil, nil, err
	}
	now := time.Now()
	since, _ := s.plan.lookup(now)
	if left := time.Until(shown); left > 0 {
		v := condition.Progressing(lookingUp)
		v.RetryAfter = left + time.Millisecond
		return nil, &v, nil
	}
	if shown.After(since) {
		since = shown
	}
	if err := s.Link.Project.ReadTeams(s.Caller(quota.Change), since); err != nil {
		return nil, nil, err
	}
	found, err := s.unclaimed(ctx)
	if err != nil {
		return nil, nil, err
	}
	found = found[min(rank, len(found)):]
	switch {
	case len(found) > 0 && found[0].ID != "":
		status.ID, status.Adopted, status.CreateIntent = found[0].ID, false, nil
		if err := s.Record(ctx); err != nil {
			return nil, nil, err
		}
		seen := s.Link.Project.Team(found[0].ID)
		return &seen, nil, nil
	case len(found) > 0:
		// The console tells no ids: the intent stays, as the proof that a team
		// of this name is ours.
		return &console.Observation[console.Team]{Presence: console.Present, Value: found[0]}, nil, nil
	}
	s.plan.lacks(s.Link.Project.TeamsRead().StartedAt)
	if _, next := s.plan.lookup(now); !next.IsZero() {
		v := condition.Progressing(lookingUp)
		v.RetryAfter = max(time.Until(next), 0) + time.Millisecond
		return nil, &v, nil
	}
	// The first listing that lacks the team only raises the doubt: a deletion and a
	// creation between two pages can hide a team from one whose total adds up.
	if err := s.Link.Project.ConfirmNoTeam(s.Caller(quota.Change), s.plan.lackedSince.Add(1)); err != nil {
		return nil, nil, err
	}
	status.CreateIntent = nil
	return nil, nil, s.Record(ctx)
}

// unclaimed returns the teams of the intent's name that nobody else stands for.
func (s *team) unclaimed(ctx context.Context) ([]console.Team, error) {
	intent := s.obj.Status.CreateIntent
	var out []console.Team
	for _, named := range s.Link.Project.TeamsNamed(intent.Name) {
		var others []v1alpha1.AccessObject
		if named.ID != "" {
			var err error
			// Also those that are not admitted: what they stand for is not new.
			if others, err = s.Others(ctx, &v1alpha1.TeamList{}, idIndex, named.ID); err != nil {
				return nil, err
			}
		}
		if len(others) == 0 && !slices.Contains(intent.KnownIDs, named.ID) {
			out = append(out, named)
		}
	}
	return out, nil
}

// rank settles among several Teams that each may have created a team of one
// name, which caches that lag, or two processes, can lead to. Nobody can tell
// whose a team is that appears, so all wait until shown, when everything that
// was sent must show, and then each takes as many places after the first as
// there are older ones.
func (s *team) rank(ctx context.Context) (rank int, shown time.Time, err error) {
	rivals, err := s.creators(ctx, s.obj.Status.CreateIntent.Name)
	if err != nil || len(rivals) == 0 {
		s.plan.rivals = nil
		return 0, time.Time{}, err
	}
	known := map[string]time.Time{}
	for _, rival := range rivals {
		if access.ByAge(rival, s.obj) < 0 {
			rank++
		}
		// The clock of the process that noted the time may be wrong; when this one
		// first heard of it is not.
		key := fmt.Sprint(rival.UID, rival.Status.CreateIntent.Time)
		seen, ok := s.plan.rivals[key]
		if !ok {
			seen = time.Now()
		}
		known[key] = seen
		if end := seen.Add(rivalry); end.After(shown) {
			shown = end
		}
	}
	s.plan.rivals = known
	return rank, shown, nil
}

// creators returns the other Teams that may have created a team of a name and
// do not know yet, the oldest first. Whether the connection still admits them
// makes no difference: the request was sent.
func (s *team) creators(ctx context.Context, name string) ([]*v1alpha1.Team, error) {
	others, err := s.Others(ctx, &v1alpha1.TeamList{}, intentIndex, console.NameKey(name))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(others, access.ByAge)
	out := make([]*v1alpha1.Team, 0, len(others))
	for _, other := range others {
		out = append(out, other.(*v1alpha1.Team))
	}
	return out, nil
}

// awaitCreators returns the verdict while another Team that was renamed since
// may have created a team of our name: whatever appears might be either's. It
// is for what is about to be sent; nobody waits with the settling of an intent.
func (s *team) awaitCreators(ctx context.Context) (*condition.Verdict, error) {
	name := s.obj.ConsoleName()
	creators, err := s.creators(ctx, name)
	if err != nil || len(creators) == 0 {
		return nil, err
	}
	return s.awaits(name, creators[0]), nil
}

func (s *team) awaits(name string, other *v1alpha1.Team) *condition.Verdict {
	next := "This one goes on by itself when it is; if that takes more than some minutes, see that Team's status."
	if other.Spec.Suspend {
		next = "Nobody looks it up, as that Team is suspended: set its spec.suspend to false, or delete it."
	}
	v := condition.Progressing(fmt.Sprintf("Team %s/%s may have created a team named %q, and it is not known yet what came of it. %s",
		other.Namespace, other.Name, name, next))
	v.RetryAfter = s.Interval()
	return &v
}
