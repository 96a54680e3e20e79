package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/controller/condition"
	"github.com/console-access/console-access-operator/internal/metrics"
	"github.com/console-access/console-access-operator/internal/quota"
)

// stalePause is how long to wait for the cache to show our own last write, at
// first; it doubles up to maxStalePause.
const (
	stalePause    = 10 * time.Millisecond
	maxStalePause = 640 * time.Millisecond
)

// A Lag is how often in a row the cache did not show our own last write, or
// whatever else we were told is there.
type Lag int

// Pause is the result of a reconciliation that saw an old object.
func (l *Lag) Pause() ctrl.Result {
	pause := maxStalePause
	if shift := *l; shift < 6 {
		pause = stalePause << shift
		*l++
	}
	return ctrl.Result{RequeueAfter: pause}
}

// A Desk is what the reconciler of one kind works with.
type Desk struct {
	Client client.Client
	Links  *Registry
	Events events.EventRecorder
	Queue  *Queue
	Memory *Memory
	// Kind is the objects' kind, part of their keys in the quota.
	Kind    string
	Metrics *metrics.Metrics
}

// A Scope is one reconciliation of one object.
type Scope struct {
	*Desk
	Obj  v1alpha1.AccessObject
	Memo *Memo
	Name types.NamespacedName

	// Connection and Link are set by [Scope.Resolve].
	Connection *v1alpha1.ConsoleConnection
	Link       *Link

	saved v1alpha1.AccessObject
	// peers are those of the object's connection, once they are needed.
	peers Peers
	// barred are the objects that claim the same and that [Scope.Admit] did not count.
	barred []v1alpha1.AccessObject
	lane   quota.Lane
	// writes: what waits for its turn, if anything does, is a write.
	writes bool
}

// Outlive returns a context that ends when ctx times out but not when the
// process is told to stop: a call under way is brought to its end, and its
// outcome is written down, rather than be cut in the middle.
func Outlive(ctx context.Context) (context.Context, context.CancelFunc) {
	outliving := context.WithoutCancel(ctx)
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithDeadline(outliving, deadline)
	}
	return outliving, func() {}
}

// Open begins the reconciliation of obj as read from the cache. It returns nil,
// and when to try again, while the cache does not show our own last write.
func (d *Desk) Open(obj v1alpha1.AccessObject) (*Scope, ctrl.Result) {
	name := types.NamespacedName{Namespace: obj.GetNamespace(), Name: obj.GetName()}
	memo := d.Memory.Of(name, obj.GetUID())
	if memo.stale(obj.GetResourceVersion()) || memo.released && slices.Contains(obj.GetFinalizers(), v1alpha1.Finalizer) {
		return nil, memo.lag.Pause()
	}
	if memo.Generation != obj.GetGeneration() {
		memo.Reset()
		memo.Generation = obj.GetGeneration()
		memo.Seen = time.Time{}
		if obj.Sync().SyncedGeneration != obj.GetGeneration() && obj.GetDeletionTimestamp().IsZero() {
			memo.Seen = time.Now()
		}
		if reason, current := condition.Current(obj.Sync().Conditions, obj.GetGeneration()); current && reason == v1alpha1.ReasonDriftDetected {
			// A process before this one gave up on it until the next interval.
			memo.Attempts, memo.LastWrite = MaxAttempts, time.Now()
		}
	}
	return &Scope{Desk: d, Obj: obj, Memo: memo, Name: name, saved: clone(obj)}, ctrl.Result{}
}

// Gone forgets an object that no longer exists.
func (d *Desk) Gone(name types.NamespacedName) {
	d.Memory.Forget(name)
	d.letGo(name)
}

// letGo gives up the object's places in every quota and brake.
func (d *Desk) letGo(name types.NamespacedName) {
	key := d.key(name)
	d.Links.each(func(l *Link) {
		l.Project.Forget(key)
		l.Brake.Drop(key)
	})
}

func (d *Desk) key(name types.NamespacedName) string { return keyOf(d.Kind, name) }

// TeamKind is the kind whose deletions a brake may hold.
const TeamKind = "Team"

func keyOf(kind string, name types.NamespacedName) string { return kind + "/" + name.String() }

// Key names the object in the quota.
func (s *Scope) Key() string { return s.key(s.Name) }

// Caller is in whose name the object's calls pay the quota.
func (s *Scope) Caller(lane quota.Lane) console.Caller {
	s.lane = lane
	return console.Caller{Key: s.Key(), Turn: s.Name.Namespace, Lane: lane, Notify: s.Wake(PriorityTurn)}
}

// Writer is Caller for a write.
func (s *Scope) Writer(lane quota.Lane) console.Caller {
	s.writes = true
	return s.Caller(lane)
}

// Wake returns a function that has the object looked at again.
func (s *Scope) Wake(priority int) func() {
	queue, name := s.Queue, s.Name
	return func() { queue.Add(name, priority) }
}

// Resolve finds the object's connection; a verdict says why it cannot be used.
func (s *Scope) Resolve(ctx context.Context) (*condition.Verdict, error) {
	connection, link, v, err := Resolve(ctx, s.Client, s.Links, s.Obj)
	s.Connection, s.Link = connection, link
	if former := s.Memo.link; former != nil && former != link && (link == nil || former.Project != link.Project) {
		former.Project.Forget(s.Key())
	}
	s.Memo.link = link
	return v, err
}

// rest gives up what the object waits for in the project, as far as its verdict says
// that it does not: listings would be read for it over and over.
func (s *Scope) rest(v condition.Verdict) {
	if s.Memo.link == nil {
		return
	}
	switch v.Reason {
	case v1alpha1.ReasonUserNotFound, v1alpha1.ReasonInvited:
	case v1alpha1.ReasonSuspended, v1alpha1.ReasonConnectionNotReady, v1alpha1.ReasonNamespaceNotAllowed, v1alpha1.ReasonNameTaken:
		s.Memo.link.Project.Forget(s.Key())
	default:
		s.Memo.link.Project.Await(s.Key(), nil, nil)
	}
}

// Interval is how often the console is compared with the spec.
func (s *Scope) Interval() time.Duration {
	if s.Connection == nil {
		return defaultInterval
	}
	return Interval(s.Connection)
}

// Emit records an event about the object.
func (s *Scope) Emit(kind, reason, action, format string, args ...any) {
	s.Events.Eventf(s.Obj, nil, kind, reason, action, "%s", shorten(fmt.Sprintf(format, args...)))
}

// Changed records that something was changed in the console.
func (s *Scope) Changed(reason, format string, args ...any) {
	s.Emit(corev1.EventTypeNormal, reason, "Write", format, args...)
}

// maxNote is the API's limit on the note of an event, in bytes.
const maxNote = 1024

func shorten(note string) string {
	if len(note) <= maxNote {
		return note
	}
	return string([]rune(note)[:maxNote/4]) + "…"
}

// Hold sets the finalizer. It comes before the first call to the console.
func (s *Scope) Hold(ctx context.Context) error {
	return s.finalize(ctx, controllerutil.AddFinalizer, "set the finalizer")
}

// Release takes the finalizer away: the object may go. While the finalizers of
// others keep it, its status says so.
func (s *Scope) Release(ctx context.Context) (ctrl.Result, error) {
	err := s.finalize(ctx, controllerutil.RemoveFinalizer, "remove the finalizer")
	if client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, err
	}
	// The memo stays until the cache shows that the object is gone, lest an old
	// copy of it is dismissed a second time. Its version cannot tell: the answer
	// to a write that ends an object bears the version from before.
	s.Memo.released = true
	s.letGo(s.Name)
	if err != nil || len(s.Obj.GetFinalizers()) == 0 {
		return ctrl.Result{}, nil //nolint:nilerr // it is gone already
	}
	return s.Finish(ctx, condition.Released(v1alpha1.ReasonProgressing), nil)
}

func (s *Scope) finalize(ctx context.Context, change func(client.Object, string) bool, doing string) error {
	target := clone(s.saved)
	if !change(target.(client.Object), v1alpha1.Finalizer) {
		return nil
	}
	patch := client.MergeFromWithOptions(clone(s.saved).(client.Object), client.MergeFromWithOptimisticLock{})
	if err := s.Client.Patch(ctx, target.(client.Object), patch); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	s.Obj.SetFinalizers(target.GetFinalizers())
	s.Obj.SetAnnotations(target.GetAnnotations())
	s.wrote(target)
	return nil
}

// Record saves the object's status as it is now, and fails if anybody changed
// the object since it was read: what must be known before a call to the
// console is recorded with it.
func (s *Scope) Record(ctx context.Context) error {
	return s.save(ctx, client.MergeFromWithOptimisticLock{})
}

func (s *Scope) save(ctx context.Context, options ...client.MergeFromOption) error {
	if equality.Semantic.DeepEqual(s.saved, s.Obj) {
		return nil
	}
	target := clone(s.Obj)
	patch := client.MergeFromWithOptions(s.saved.(client.Object), options...)
	if err := s.Client.Status().Patch(ctx, target.(client.Object), patch); err != nil {
		return fmt.Errorf("save the status: %w", err)
	}
	s.wrote(target)
	return nil
}

// wrote notes what Kubernetes now holds.
func (s *Scope) wrote(target v1alpha1.AccessObject) {
	s.Obj.SetResourceVersion(target.GetResourceVersion())
	// What differs between a cached and an answered object alone is no change.
	s.Obj.SetManagedFields(target.GetManagedFields())
	s.Obj.GetObjectKind().SetGroupVersionKind(target.GetObjectKind().GroupVersionKind())
	s.saved = target
	s.Memory.wrote(s.Memo, target.GetResourceVersion())
}

// Finish ends the reconciliation: it writes the verdict, or that of err, into
// the status, if that changes it. What it says of what was done is not written
// over what another process has recorded since, which may have been elected
// while this one was halted in the middle.
func (s *Scope) Finish(ctx context.Context, v condition.Verdict, err error) (ctrl.Result, error) {
	_, queued := errors.AsType[*quota.WaitError](err)
	waits := queued || errors.Is(err, console.ErrReading)
	if s.Link != nil && !waits {
		s.Link.Project.Settle(s.Key())
	}
	s.noteWait(queued)
	if errors.Is(err, quota.ErrClosed) {
		// The process is stopping, or the connection is being opened anew: what is
		// true did not change by that.
		return ctrl.Result{RequeueAfter: time.Second}, nil
	}
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return s.Memo.lag.Pause(), nil
	}
	s.Memo.lag = 0
	if err != nil {
		told, ok := condition.FromError(err, s.Interval())
		if !ok {
			return ctrl.Result{}, err
		}
		if !waits {
			log.FromContext(ctx).Info("the console could not be used", "reason", told.Reason, "error", err.Error())
		}
		v = told
		s.Memo.slowDown(err, &v, s.Interval())
	}
	generation := s.Obj.GetGeneration()
	failed := console.ClassOf(err) != ""
	if _, current := condition.Current(s.Obj.Sync().Conditions, generation); waits && !failed && current && !s.dueToSay(queued) {
		return ctrl.Result{RequeueAfter: v.RetryAfter}, nil
	}
	if !waits {
		s.rest(v)
	}
	if v.Reason != v1alpha1.ReasonDriftDetected {
		*s.Obj.Differences() = nil
	}
	status := s.Obj.Sync()
	condition.Set(&status.Conditions, generation, v)
	status.ObservedGeneration = generation
	var options []client.MergeFromOption
	if !equality.Semantic.DeepEqual(s.saved.Journal(), s.Obj.Journal()) {
		options = append(options, client.MergeFromWithOptimisticLock{})
	}
	switch err := s.save(ctx, options...); {
	case apierrors.IsConflict(err):
		return s.Memo.lag.Pause(), nil
	case err != nil:
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	return ctrl.Result{RequeueAfter: s.retryAfter(v)}, nil
}

// retryAfter is when an object is looked at again that nothing else may wake: where
// drift is ignored, no listing is read of which it could learn that something ended
// what stalls it.
func (s *Scope) retryAfter(v condition.Verdict) time.Duration {
	if v.RetryAfter == 0 && v.State == condition.Stalled && s.ignoresDrift() {
		return s.Interval()
	}
	return v.RetryAfter
}

// noteWait measures how long the object's call waited for its turn.
func (s *Scope) noteWait(queued bool) {
	switch {
	case queued && s.Memo.Queued.IsZero():
		s.Memo.Queued = time.Now()
	case !queued && !s.Memo.Queued.IsZero():
		s.Metrics.Waited(s.lane, time.Since(s.Memo.Queued))
		s.Memo.Queued = time.Time{}
	}
}

// dueToSay reports whether an object whose status already speaks of this
// generation should say that it waits: when a write of its own waits, and not
// when something is merely read again. What somebody else has to change stays
// true until the read has told otherwise.
func (s *Scope) dueToSay(queued bool) bool {
	stalled := meta.IsStatusConditionTrue(s.Obj.Sync().Conditions, v1alpha1.StalledCondition)
	return queued && !s.Memo.Began.IsZero() && (s.writes || !stalled)
}

// Synced notes in the status that the console holds what the spec says.
func (s *Scope) Synced(wrote bool) {
	if s.Memo.Drifted && wrote {
		s.Metrics.DriftCorrected(s.Kind)
	}
	if !s.Memo.Seen.IsZero() {
		s.Metrics.Ready(s.Kind, time.Since(s.Memo.Seen))
		s.Memo.Seen = time.Time{}
	}
	s.Memo.Reset()
	status := s.Obj.Sync()
	if wrote || status.SyncedGeneration != s.Obj.GetGeneration() || status.LastSyncTime == nil {
		now := metav1.Now().Rfc3339Copy()
		status.LastSyncTime = &now
		status.SyncedGeneration = s.Obj.GetGeneration()
	}
}

// Finalized reports whether the object has our finalizer.
func (s *Scope) Finalized() bool { return slices.Contains(s.Obj.GetFinalizers(), v1alpha1.Finalizer) }

func clone(obj v1alpha1.AccessObject) v1alpha1.AccessObject {
	return obj.DeepCopyObject().(v1alpha1.AccessObject)
}
