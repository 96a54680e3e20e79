package connection

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/controller/access"
	"github.com/console-access/console-access-operator/internal/controller/condition"
	"github.com/console-access/console-access-operator/internal/quota"
)

// The least time between two writes of how the quota stands: while somebody
// waits for a turn, and while used tokens merely come back.
const (
	quotaPause = 5 * time.Second
	idlePause  = 30 * time.Second
)

// finish writes the verdict, the counts and the quota into the status, if that
// changes it.
func (r *Reconciler) finish(ctx context.Context, c *v1alpha1.ConsoleConnection, v condition.Verdict, again time.Duration) (ctrl.Result, error) {
	if r.stopping() || ctx.Err() != nil {
		// What is true of the console did not change by the end of this process.
		return ctrl.Result{}, nil //nolint:nilerr // the end of this process is no failure
	}
	st := r.state(c.Name)
	// What was read may have been changed on the way here; only the rest is ours.
	before := &v1alpha1.ConsoleConnection{}
	if err := r.Client.Get(ctx, client.ObjectKeyFromObject(c), before); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if access.Older(before, st.version) {
		return st.lag.Pause(), nil
	}
	st.lag = 0
	after := before.DeepCopy()
	status := &after.Status
	status.LastHandledReconcileAt = c.Status.LastHandledReconcileAt
	condition.Set(&status.Conditions, c.Generation, v)
	status.ObservedGeneration = c.Generation
	if v.State == condition.Ready && status.SyncedGeneration != c.Generation {
		now := metav1.Now().Rfc3339Copy()
		status.LastSyncTime, status.SyncedGeneration = &now, c.Generation
	}
	if st.link != nil {
		onTime(c, st.link, status)
	}
	pause := quotaPause
	said := !equality.Semantic.DeepEqual(before.Status, *status)
	if st.link != nil {
		r.count(status, st.link)
		var moving bool
		if moving, pause = r.quota(status, st); moving && (again == 0 || again > pause) {
			again = pause
		}
		said = said || refusing(before.Status.Quota) != refusing(status.Quota)
	} else if status.Quota != nil {
		// Whoever draws from a quota again, with another key, has to know which.
		status.Quota = &v1alpha1.QuotaStatus{Group: status.Quota.Group}
	}
	if equality.Semantic.DeepEqual(before.Status, *status) || !said && time.Since(st.told) < pause {
		return ctrl.Result{RequeueAfter: max(again, 0)}, nil
	}
	st.told = time.Now()
	if err := r.Client.Status().Patch(ctx, after, client.MergeFrom(before)); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(fmt.Errorf("save the status: %w", err))
	}
	st.version = after.ResourceVersion
	return ctrl.Result{RequeueAfter: max(again, 0)}, nil
}

// count tells what the listings hold.
func (r *Reconciler) count(status *v1alpha1.ConsoleConnectionStatus, link *access.Link) {
	users, admins, teams := link.Project.Counts()
	if read := link.Project.UsersRead().StartedAt; !read.IsZero() {
		status.Users, status.Admins = ptr(int32(users)), ptr(int32(admins))
		status.UsersReadAt = ptr(metav1.NewTime(read).Rfc3339Copy())
	}
	if read := link.Project.TeamsRead().StartedAt; !read.IsZero() {
		status.Teams = ptr(int32(teams))
		status.TeamsReadAt = ptr(metav1.NewTime(read).Rfc3339Copy())
	}
	held, approved := link.Brake.Standing()
	status.HeldDeletes, status.ApprovedDeletes = int32(held), int32(approved)
}

// A refusal is what a quota's status says of answers 429.
type refusal struct {
	until   time.Time
	guesses bool
}

func refusing(q *v1alpha1.QuotaStatus) (out refusal) {
	if q == nil {
		return out
	}
	if q.ClosedUntil != nil {
		out.until = q.ClosedUntil.UTC()
	}
	out.guesses = slices.ContainsFunc(q.Windows, func(w v1alpha1.QuotaWindowStatus) bool { return w.Guess != nil })
	return out
}

// quota tells how the rate limit stands. It reports whether that is about to
// change by itself, and how long to wait before that is told.
func (r *Reconciler) quota(status *v1alpha1.ConsoleConnectionStatus, st *state) (moving bool, pause time.Duration) {
	stats := st.link.Project.Limiter().Stats()
	told := &v1alpha1.QuotaStatus{Group: st.group, Waiting: v1alpha1.LaneCounts{
		Revoke: int32(stats.Waiting[quota.Revoke]),
		Change: int32(stats.Waiting[quota.Change]),
		Drift:  int32(stats.Waiting[quota.Drift]),
	}}
	pause = idlePause
	none := v1alpha1.LaneCounts{}
	if told.Waiting != none || status.Quota != nil && status.Quota.Waiting != none || !stats.ClosedUntil.IsZero() {
		moving, pause = true, quotaPause
	}
	var summary []string
	for _, w := range stats.Windows {
		moving = moving || w.Used > 0
		window := v1alpha1.QuotaWindowStatus{Per: metav1.Duration{Duration: w.Per}, Limit: int32(w.Limit), Used: int32(w.Used)}
		if !w.FreesAt.IsZero() {
			window.FreesAt = ptr(metav1.NewTime(w.FreesAt).Rfc3339Copy())
		}
		use := fmt.Sprintf("%d/%d per %s", w.Used, w.Limit, short(w.Per))
		if w.Capacity < w.Limit {
			moving, window.Guess = true, ptr(int32(w.Capacity))
			use += fmt.Sprintf(" (guess %d)", w.Capacity)
		}
		told.Windows = append(told.Windows, window)
		summary = append(summary, use)
	}
	told.Summary = strings.Join(summary, ", ")
	if !stats.ClosedUntil.IsZero() {
		told.ClosedUntil = ptr(metav1.NewTime(stats.ClosedUntil).Rfc3339Copy())
	}
	if !stats.ProbeAt.IsZero() && told.Waiting != none {
		told.ProbeAt = ptr(metav1.NewTime(stats.ProbeAt).Rfc3339Copy())
	}
	status.Quota = told
	return moving, pause
}

// short writes a duration without its trailing zero units: 15m, not 15m0s.
func short(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// dismiss lets a deleted connection go when nothing uses it any more.
func (r *Reconciler) dismiss(ctx context.Context, c *v1alpha1.ConsoleConnection) (gone bool, v condition.Verdict, err error) {
	if !controllerutil.ContainsFinalizer(c, v1alpha1.Finalizer) {
		r.unlink(c.Name)
		return true, v, nil
	}
	if !access.ForcedOrphan(c) {
		users, err := r.users(ctx, c.Name)
		if err != nil {
			return false, v, err
		}
		if len(users) > 0 {
			if v := access.UnclearOrphan(c, "let this connection go while objects use it", "keep it until none does"); v != nil {
				return false, *v, nil
			}
			return false, condition.Stuck(v1alpha1.ReasonInUse,
				"%d objects still use this connection: %s. Delete them first, or annotate this connection with %s=true to let it go without them.",
				len(users), condition.SomeOf(users, maxNamed), v1alpha1.ForceOrphanAnnotation), nil
		}
	}
	r.unlink(c.Name)
	before := c.DeepCopy()
	controllerutil.RemoveFinalizer(c, v1alpha1.Finalizer)
	if err := r.Client.Patch(ctx, c, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return true, v, client.IgnoreNotFound(fmt.Errorf("remove the finalizer: %w", err))
	}
	r.state(c.Name).version = c.ResourceVersion
	return true, v, nil
}

// users names, sorted, the objects that need the connection to be deleted.
func (r *Reconciler) users(ctx context.Context, connection string) ([]string, error) {
	var names []string
	add := func(kind string, obj client.Object) {
		if controllerutil.ContainsFinalizer(obj, v1alpha1.Finalizer) {
			names = append(names, kind+" "+client.ObjectKeyFromObject(obj).String())
		}
	}
	teams, roles := &v1alpha1.TeamList{}, &v1alpha1.UserRoleList{}
	for _, list := range []client.ObjectList{teams, roles} {
		if err := r.Client.List(ctx, list, client.MatchingFields{access.ConnectionIndex: connection}); err != nil {
			return nil, fmt.Errorf("list the objects that use ConsoleConnection %q: %w", connection, err)
		}
	}
	for i := range teams.Items {
		add("Team", &teams.Items[i])
	}
	for i := range roles.Items {
		add("UserRole", &roles.Items[i])
	}
	slices.Sort(names)
	return names, nil
}

// maxNamed is how many objects a message names.
const maxNamed = 5

func ptr[T any](v T) *T { return &v }
