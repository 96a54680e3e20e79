// Package team reconciles Teams: teams of a console project, their members,
// admins and settings.
package team

import (
	"context"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/controller/access"
	"github.com/console-access/console-access-operator/internal/controller/condition"
	"github.com/console-access/console-access-operator/internal/quota"
)

// +kubebuilder:rbac:groups=console-access.dev,resources=teams,verbs=list;watch;patch
// +kubebuilder:rbac:groups=console-access.dev,resources=teams/status,verbs=patch

// A Reconciler makes the console hold what Teams say.
type Reconciler struct {
	access.Desk
	plans plans
}

// A team is one reconciliation of one Team.
type team struct {
	*access.Scope
	obj   *v1alpha1.Team
	plan  *plan
	plans *plans
}

// Reconcile compares a Team with what is known of the console, and writes the
// difference away. It makes no call when there is none.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	ctx, cancel := access.Outlive(ctx)
	defer cancel()
	obj := &v1alpha1.Team{}
	if err := r.Client.Get(ctx, req.NamespacedName, obj); err != nil {
		if apierrors.IsNotFound(err) {
			r.Gone(req.NamespacedName)
			r.plans.forget(req.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	scope, again := r.Open(obj)
	if scope == nil {
		return again, nil
	}
	s := &team{Scope: scope, obj: obj, plan: r.plans.of(req.NamespacedName, obj), plans: &r.plans}
	if !obj.DeletionTimestamp.IsZero() {
		return s.delete(ctx)
	}
	v, err := s.sync(ctx)
	return s.Finish(ctx, v, err)
}

func (s *team) sync(ctx context.Context) (condition.Verdict, error) {
	if s.obj.Spec.Suspend {
		return condition.Suspended("spec.suspend is true; set it to false to go on."), nil
	}
	if v, err := s.Resolve(ctx); v != nil || err != nil {
		return condition.Of(v), err
	}
	if v, err := s.settleIntent(ctx); v != nil || err != nil {
		return condition.Of(v), err
	}
	if v, err := s.Admit(ctx, access.TeamRules, s.has); v != nil || err != nil {
		return condition.Of(v), err
	}
	if s.synced() && s.Connection.Spec.Drift.Policy == v1alpha1.DriftIgnore && s.obj.Spec.Mode != v1alpha1.ModeObserve {
		s.Link.Project.UnplanCheck(s.Key())
		s.MarkRequested(&s.obj.Status.LastHandledReconcileAt)
		return s.inSync(false, s.stays(nil, false)), nil
	}
	if err := s.Link.Project.ReadTeams(s.Caller(s.readLane()), s.Since()); err != nil {
		return condition.Verdict{}, err
	}
	if err := s.restore(ctx); err != nil {
		return condition.Verdict{}, err
	}
	if err := s.HoldAs(ctx, s.identity()); err != nil {
		return condition.Verdict{}, err
	}
	seen, v, err := s.find(ctx)
	if v != nil || err != nil {
		return condition.Of(v), err
	}
	s.MarkRequested(&s.obj.Status.LastHandledReconcileAt)
	if seen == nil {
		return s.create(ctx)
	}
	return s.converge(ctx, *seen)
}

// Has reports whether a Team stands for the team that has its name in the
// console, or was about to make it. A Team that was renamed since it was synced
// has what the console shows: isNamed reports whether the team with an id has a name
// there.
func Has(obj v1alpha1.AccessObject, isNamed func(id, name string) (bool, error)) (bool, error) {
	t := obj.(*v1alpha1.Team)
	status := &t.Status
	switch {
	case status.CreateIntent != nil && status.CreateIntent.Name == t.ConsoleName():
		return true, nil
	case status.ID == "":
		return false, nil
	case status.SyncedGeneration == t.Generation:
		return true, nil
	}
	return isNamed(status.ID, t.ConsoleName())
}

// has is [Has] by the project's view.
func (s *team) has(obj v1alpha1.AccessObject) (bool, error) {
	return Has(obj, func(id, name string) (bool, error) {
		if err := s.Link.Project.ReadTeams(s.Caller(s.readLane()), time.Time{}); err != nil {
			return false, err
		}
		teams := s.Link.Project.TeamsNamed(name)
		return slices.ContainsFunc(teams, func(t console.Team) bool { return t.ID == id }), nil
	})
}

// synced reports whether the console was known to hold this generation.
func (s *team) synced() bool { return s.obj.Status.SyncedGeneration == s.obj.Generation }

// readLane is the lane for reads: what was true before only needs checking.
func (s *team) readLane() quota.Lane {
	if s.synced() {
		return quota.Drift
	}
	return quota.Change
}

// find returns the team in the console that this object stands for, nothing
// when there is none and it may be created, or the verdict on why neither.
func (s *team) find(ctx context.Context) (*console.Observation[console.Team], *condition.Verdict, error) {
	status := &s.obj.Status
	if status.ID != "" {
		if v, err := s.yield(ctx); v != nil || err != nil {
			return nil, v, err
		}
		return s.findByID(ctx)
	}
	if status.CreateIntent != nil {
		return s.resolveIntent(ctx)
	}
	named := s.Link.Project.TeamsNamed(s.obj.ConsoleName())
	if len(named) == 0 {
		return nil, nil, s.confirmAbsence()
	}
	s.plan.lackedSince = time.Time{}
	return s.adopt(ctx, named)
}

// findByID is find for a team whose id is recorded.
func (s *team) findByID(ctx context.Context) (*console.Observation[console.Team], *condition.Verdict, error) {
	status := &s.obj.Status
	s.Link.Project.NoteExternalID(status.ID)
	seen, lane := s.Link.Project.Team(status.ID), s.readLane()
	requested := s.Requested(status.LastHandledReconcileAt)
	if requested || seen.Unconfirmed {
		lane = quota.Change
	}
	if requested || seen.Unconfirmed || seen.Presence == console.NotListed {
		var refused *condition.Verdict
		var err error
		if seen, refused, err = s.refetch(ctx, status.ID, lane); err != nil {
			return nil, nil, err
		}
		if refused != nil {
			// It is listed, and compared with what is known all the same.
			status.LastHandledReconcileAt = s.obj.Annotations[v1alpha1.ReconcileRequestedAtAnnotation]
			if seen.Presence != console.Present || seen.Unconfirmed {
				return nil, refused, nil
			}
		}
	}
	if seen.Presence == console.Present && !seen.Unconfirmed {
		return &seen, nil, nil
	}
	return nil, s.missed(seen), nil
}

// confirmAbsence returns an error while the listings do not prove that no team has
// the name: an item may have moved between their pages unseen, and creating it anew
// would double it.
func (s *team) confirmAbsence() error {
	project := s.Link.Project
	s.plan.lacks(project.TeamsRead().StartedAt)
	since := s.plan.lackedSince
	if named := project.LastNamed(s.obj.ConsoleName()); !named.Before(since) {
		since = named.Add(1)
	}
	return project.ConfirmNoTeam(s.Caller(quota.Change), since)
}

// claimants returns the other Teams of the project that stand for the team of the
// console with an id, whatever that team is called just now; admitted are those
// that may use their connections, barred the rest.
func (s *team) claimants(ctx context.Context, id string) (admitted, barred []v1alpha1.AccessObject, err error) {
	others, err := s.Others(ctx, &v1alpha1.TeamList{}, idIndex, id)
	if err != nil {
		return nil, nil, err
	}
	return s.Admitted(ctx, others)
}

// yield gives up the team that the status names when another Team has the right
// to it, as when two connections turn out to lead to one project. What the spec
// asks for is then brought about anew.
func (s *team) yield(ctx context.Context) (*condition.Verdict, error) {
	others, _, err := s.claimants(ctx, s.obj.Status.ID)
	others = slices.DeleteFunc(others, func(o v1alpha1.AccessObject) bool { return o.GetDeletionTimestamp() != nil })
	if err != nil || len(others) == 0 {
		return nil, err
	}
	owner, err := access.First(append(others, s.obj), func(v1alpha1.AccessObject) (bool, error) { return true, nil })
	if err != nil || owner.GetUID() == s.obj.UID {
		return nil, err
	}
	v := condition.Progressing(fmt.Sprintf("Team %s stands for the console's team with id %s, so this object does no more.",
		client.ObjectKeyFromObject(owner), s.obj.Status.ID))
	v.RetryAfter = time.Millisecond
	s.obj.GiveUp()
	return &v, s.Record(ctx)
}

// unshownPause is how long to wait before a team that reads do not show, and
// that may just have been created, is looked up again.
const unshownPause = 5 * time.Second

// missed is the verdict on a team that is not known to be there.
func (s *team) missed(seen console.Observation[console.Team]) *condition.Verdict {
	if seen.Presence == console.Absent {
		return s.vanished()
	}
	again := condition.Progressing("The console does not show the team, which may be because of a recent write; it is looked up again before that is believed.")
	again.RetryAfter = unshownPause
	return &again
}

// vanished deals with a team that is certainly no longer in the console.
func (s *team) vanished() *condition.Verdict {
	gone := []console.Difference{{Field: "name", Want: s.obj.ConsoleName()}}
	if v := s.Correct(s.obj.Spec.Mode, gone); v != nil {
		return v
	}
	s.obj.Status.ID, s.obj.Status.Adopted = "", false
	again := condition.Progressing("The team is no longer in the console; it is created again.")
	again.RetryAfter = time.Millisecond
	return &again
}

// adopt decides about teams of our name that we did not make.
func (s *team) adopt(ctx context.Context, named []console.Team) (*console.Observation[console.Team], *condition.Verdict, error) {
	name := s.obj.ConsoleName()
	only := named[0]
	if s.obj.Spec.Mode == v1alpha1.ModeObserve && len(named) == 1 {
		// Comparing takes nothing over.
		seen := console.Observation[console.Team]{Presence: console.Present, Value: only}
		if only.ID != "" {
			seen = s.Link.Project.Team(only.ID)
		}
		return &seen, nil, nil
	}
	switch {
	case s.obj.Spec.AdoptionPolicy != v1alpha1.AdoptionAdopt:
		v := condition.Stuck(v1alpha1.ReasonAlreadyExists,
			"The console already has a team named %q, which this object did not create; it is left alone. To take it over set spec.adoptionPolicy to Adopt, else choose another name.", name)
		return nil, &v, nil
	case len(named) > 1:
		v := condition.Stuck(v1alpha1.ReasonAlreadyExists,
			"The console has %d teams named %q, so none can be adopted. Rename or delete all but one of them in the console.", len(named), name)
		return nil, &v, nil
	case only.ID == "":
		v := condition.Stuck(v1alpha1.ReasonAlreadyExists,
			"The console has a team named %q but does not tell its id, so it cannot be adopted. Delete it in the console to have it created anew.", name)
		return nil, &v, nil
	}
	if v, err := s.awaitCreators(ctx); v != nil || err != nil {
		return nil, v, err
	}
	others, barred, err := s.claimants(ctx, only.ID)
	if err != nil {
		return nil, nil, err
	}
	if len(others) > 0 {
		v := condition.Stuck(v1alpha1.ReasonNameTaken,
			"Team %s stands for the console's team with id %s, which is named %q just now, so it cannot be adopted. Rename one of the two, or delete the other Team.",
			client.ObjectKeyFromObject(others[0]), only.ID, name)
		v.RetryAfter = s.Interval()
		return nil, &v, nil
	}
	if err := s.Supersede(ctx, barred); err != nil {
		return nil, nil, err
	}
	s.obj.Status.ID, s.obj.Status.Adopted = only.ID, true
	if err := s.Record(ctx); err != nil {
		return nil, nil, err
	}
	s.Changed("Adopted", "Adopted the team %q with id %s.", name, only.ID)
	seen := s.Link.Project.Team(only.ID)
	return &seen, nil, nil
}
