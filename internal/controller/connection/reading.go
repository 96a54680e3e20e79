package connection

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/controller/access"
	"github.com/console-access/console-access-operator/internal/controller/condition"
	"github.com/console-access/console-access-operator/internal/quota"
)

// How often listings are read while somebody waits for a person to appear.
const (
	awaitPause        = 30 * time.Second
	awaitPausePerPage = 10 * time.Second
)

// read has users and teams listed when that is due, and judges how it went.
func (r *Reconciler) read(ctx context.Context, c *v1alpha1.ConsoleConnection, st *state) (condition.Verdict, time.Duration, error) {
	project := st.link.Project
	by := console.Caller{Key: "ConsoleConnection/" + c.Name, Lane: quota.Drift, Notify: r.wake(c.Name)}
	r.request(c, st)
	users, teams := project.UsersRead(), project.TeamsRead()
	unread := users.StartedAt.IsZero() || teams.StartedAt.IsZero()
	oldest := users.StartedAt
	if teams.StartedAt.Before(oldest) {
		oldest = teams.StartedAt
	}
	again := r.schedule(c, st, oldest, unread)
	err := errors.Join(project.ReadUsers(by, st.since), project.ReadTeams(by, st.since))
	if refused := project.Refused(); refused != nil {
		err = refused
	}
	st.log(ctx, err)
	if !failing(err) {
		v, unknown := r.recognize(ctx, c, st, by)
		switch {
		case v != nil:
			return *v, again, nil
		case unknown != nil && !errors.Is(unknown, console.ErrReading):
			return condition.Verdict{}, 0, unknown
		case err == nil:
			err = unknown
		}
	}
	ready := answering(project.Limiter().Stats())
	// A new process reads for the first time what a former one knew already.
	known := !unread || condition.IsReady(c.Status.Conditions, c.Generation)
	if err == nil || errors.Is(err, console.ErrReading) && known && !failing(err) {
		return ready, again, nil
	}
	v, _ := condition.FromError(err, access.Interval(c))
	if failed, ok := console.AsError(err); ok && failed.Err != nil && v.Reason == v1alpha1.ReasonConsoleUnavailable {
		// Told once, here, rather than by every object.
		v.Message += fmt.Sprintf(" The cause: %v.", failed.Err)
	}
	return v, again, nil
}

// schedule returns when to look again. When the listings are due, it asks for new
// ones.
func (r *Reconciler) schedule(c *v1alpha1.ConsoleConnection, st *state, oldest time.Time, unread bool) time.Duration {
	if c.Spec.Drift.Policy == v1alpha1.DriftIgnore && st.link.Project.Awaiting() == 0 && st.link.Recognition.Done() {
		return access.Interval(c)
	}
	pause := r.pause(c, st.link)
	due := oldest.Add(pause)
	if again := time.Until(due); again > 0 {
		return again
	}
	// What began not long before, or is under way, will do: one listing may be in
	// while the other is still being read, and another connection to the project
	// may have asked for it.
	if recent := due.Add(-pause / 2); !unread && st.since.Before(recent) {
		st.since = recent
	}
	return pause
}

// answering is the verdict while users and teams are known: what the quota says of
// the console's answers.
func answering(stats quota.Stats) condition.Verdict {
	guesses := slices.ContainsFunc(stats.Windows, func(w quota.WindowStats) bool { return w.Capacity < w.Limit })
	switch {
	case !stats.ClosedUntil.IsZero() && stats.Breaker == quota.BreakerClosed:
		return condition.Synced("The console's users and teams are known. It has asked to slow down (429), so no call is made before status.quota.closedUntil.")
	case guesses:
		return condition.Synced("The console answers; its users and teams are known. It has refused calls (429), " +
			"so somebody else seems to use its limit: calls beyond the guess in status.quota.windows are tried one at a time.")
	}
	return condition.Synced("The console answers; its users and teams are known.")
}

// request begins, once, the check of everything that a person asked for by
// annotation: both listings, and the teams that are read one by one.
func (r *Reconciler) request(c *v1alpha1.ConsoleConnection, st *state) {
	requested := c.Annotations[v1alpha1.ReconcileRequestedAtAnnotation]
	if requested == "" || requested == c.Status.LastHandledReconcileAt {
		return
	}
	c.Status.LastHandledReconcileAt = requested
	if requested == st.requested {
		return
	}
	st.requested, st.since = requested, time.Now()
	st.link.Project.CheckAll()
}

// log tells of a failure to read the listings when it begins, changes its class
// or ends; not of every attempt.
func (st *state) log(ctx context.Context, err error) {
	class := console.ClassOf(err)
	if class == st.failure || class == "" && err != nil {
		return
	}
	st.failure = class
	if err != nil {
		log.FromContext(ctx).Info("the console's users and teams cannot be read", "class", class, "error", err.Error())
		return
	}
	log.FromContext(ctx).Info("the console's users and teams are read again")
}

// failing reports whether an error holds a failed call, beside readings that
// are merely under way.
func failing(err error) bool { return console.ClassOf(err) != "" }

// pause is the time between two readings of the listings: the drift interval,
// or less while somebody waits for a person to appear, or all for the project to be
// recognized, and it costs little.
func (r *Reconciler) pause(c *v1alpha1.ConsoleConnection, link *access.Link) time.Duration {
	interval, project := access.Interval(c), link.Project
	if project.Awaiting() == 0 && link.Recognition.Done() {
		return interval
	}
	pages := project.UsersRead().Pages + project.TeamsRead().Pages
	return min(interval, max(awaitPause, time.Duration(pages)*awaitPausePerPage))
}
