package access

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/controller/condition"
	"github.com/console-access/console-access-operator/internal/metrics"
	"github.com/console-access/console-access-operator/internal/quota"
)

// A deskBench counts what is written to Kubernetes.
type deskBench struct {
	*Desk
	patches, statuses int
	recorder          *events.FakeRecorder
}

var name = types.NamespacedName{Namespace: "tenant", Name: "x"}

func newDesk(t *testing.T, change func(*v1alpha1.Team)) *deskBench {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	b := &deskBench{recorder: events.NewFakeRecorder(100)}
	team := &v1alpha1.Team{ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name, UID: "1", Generation: 1}}
	if change != nil {
		change(team)
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(team).WithStatusSubresource(&v1alpha1.Team{}).
		WithInterceptorFuncs(interceptor.Funcs{
			Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, p client.Patch, o ...client.PatchOption) error {
				b.patches++
				defer answered(obj)
				return c.Patch(ctx, obj, p, o...)
			},
			SubResourcePatch: func(ctx context.Context, c client.Client, sub string, obj client.Object, p client.Patch, o ...client.SubResourcePatchOption) error {
				b.statuses++
				defer answered(obj)
				return c.SubResource(sub).Patch(ctx, obj, p, o...)
			},
		}).Build()
	b.Desk = &Desk{Client: c, Links: &Registry{}, Events: b.recorder, Queue: &Queue{}, Memory: &Memory{}, Kind: "Team",
		Metrics: metrics.New(prometheus.NewRegistry())}
	return b
}

// answered adds what a server's answer holds, and a stripped cache does not.
func answered(obj client.Object) {
	obj.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: "operator", Operation: metav1.ManagedFieldsOperationUpdate}})
	obj.GetObjectKind().SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("Team"))
}

// open reads the object as a cache does that strips managed fields.
func (b *deskBench) open(t *testing.T) *Scope {
	t.Helper()
	team := b.read(t)
	team.ManagedFields = nil
	s, _ := b.Open(team)
	if s == nil {
		t.Fatal("what was just read is stale")
	}
	return s
}

func (b *deskBench) read(t *testing.T) *v1alpha1.Team {
	t.Helper()
	team := &v1alpha1.Team{}
	if err := b.Client.Get(t.Context(), name, team); err != nil {
		t.Fatal(err)
	}
	return team
}

func (b *deskBench) ready(t *testing.T) metav1.Condition {
	t.Helper()
	for _, c := range b.read(t).Status.Conditions {
		if c.Type == v1alpha1.ReadyCondition {
			return c
		}
	}
	return metav1.Condition{}
}

func (b *deskBench) finish(t *testing.T, s *Scope, v condition.Verdict, err error) time.Duration {
	t.Helper()
	result, failed := s.Finish(t.Context(), v, err)
	if failed != nil {
		t.Fatal(failed)
	}
	return result.RequeueAfter
}

func TestStatusIsWrittenOnlyWhenItChanges(t *testing.T) {
	b := newDesk(t, nil)
	for range 3 {
		s := b.open(t)
		if err := s.Hold(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.Synced(false)
		b.finish(t, s, condition.Synced("In sync."), nil)
	}
	if b.patches != 1 || b.statuses != 1 {
		t.Errorf("%d patches and %d of the status in three reconciliations, want one each", b.patches, b.statuses)
	}
	s := b.open(t)
	s.Obj.Sync().SyncedGeneration = 5
	for range 2 {
		if err := s.Record(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if b.statuses != 2 {
		t.Errorf("%d patches of the status after it was recorded twice, want one more", b.statuses)
	}
}

func TestWaitingKeepsTheVerdict(t *testing.T) {
	wait := fmt.Errorf("get team: %w", &quota.WaitError{Ahead: 2, At: time.Unix(0, 0), Reason: quota.ReasonQuota})
	failing := fmt.Errorf("%w again after: %w", console.ErrReading, &console.Error{Class: console.Unavailable, Op: "list teams", Status: 503})
	tests := []struct {
		name    string
		err     error
		current bool
		began   bool
		stalled bool
		writes  bool
		want    string
	}{
		{"a check waits", wait, true, false, false, false, v1alpha1.ReasonSynced},
		{"a write waits", wait, true, true, false, true, v1alpha1.ReasonRateLimited},
		{"the read before a write waits", wait, true, true, false, false, v1alpha1.ReasonRateLimited},
		{"the first call waits", wait, false, false, false, false, v1alpha1.ReasonRateLimited},
		{"something is read again", console.ErrReading, true, false, false, false, v1alpha1.ReasonSynced},
		{"the first reading", console.ErrReading, false, false, false, false, v1alpha1.ReasonProgressing},
		{"a reading that fails", failing, true, false, false, false, v1alpha1.ReasonConsoleUnavailable},
		{"a check of what is stalled waits", wait, true, true, true, false, v1alpha1.ReasonNameTaken},
		{"a write of what was stalled waits", wait, true, true, true, true, v1alpha1.ReasonRateLimited},
		{"a reading fails of what is stalled", failing, true, true, true, false, v1alpha1.ReasonConsoleUnavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newDesk(t, nil)
			if tt.current {
				v := condition.Synced("In sync.")
				if tt.stalled {
					v = condition.Stuck(v1alpha1.ReasonNameTaken, "Somebody else's.")
				}
				b.finish(t, b.open(t), v, nil)
			}
			s := b.open(t)
			if tt.began {
				s.Memo.Began = time.Now()
			}
			if tt.writes {
				s.Writer(quota.Change)
			}
			if again := b.finish(t, s, condition.Verdict{}, tt.err); again != 0 {
				t.Errorf("looked at again after %v although it will be told", again)
			}
			if got := b.ready(t); got.Reason != tt.want {
				t.Errorf("%s: %s, want %s", got.Reason, got.Message, tt.want)
			}
		})
	}
}

func TestFinishWithErrors(t *testing.T) {
	group := schema.GroupResource{Resource: "teams"}
	for _, err := range []error{apierrors.NewConflict(group, "x", errors.New("changed")), apierrors.NewNotFound(group, "x")} {
		b := newDesk(t, nil)
		// The cache is given more time each time, until all is well.
		pauses := []time.Duration{stalePause, 2 * stalePause, 4 * stalePause, 8 * stalePause, 16 * stalePause, 32 * stalePause, maxStalePause, maxStalePause}
		for range 2 {
			for _, want := range pauses {
				if again := b.finish(t, b.open(t), condition.Verdict{}, fmt.Errorf("save: %w", err)); again != want {
					t.Errorf("%v: again after %v, want %v", err, again, want)
				}
			}
			b.finish(t, b.open(t), condition.Synced("In sync."), nil)
		}
		if b.statuses != 1 {
			t.Errorf("%v: %d patches, want the one of success", err, b.statuses)
		}
	}
	b := newDesk(t, nil)
	other := errors.New("the API server is down")
	if _, err := b.open(t).Finish(t.Context(), condition.Verdict{}, other); !errors.Is(err, other) || b.statuses != 0 {
		t.Errorf("an error that is not the console's: %v", err)
	}
	again := b.finish(t, b.open(t), condition.Verdict{}, &console.Error{Class: console.Invalid, Op: "update team", Message: "no"})
	if again != defaultInterval || b.ready(t).Reason != v1alpha1.ReasonRejected {
		t.Errorf("a refusal: again after %v, %+v", again, b.ready(t))
	}
}

// What something on the way answers in place of the console, to one object alone,
// costs less and less, and never waits longer than an interval.
func TestForeignAnswersSlowDown(t *testing.T) {
	b := newDesk(t, nil)
	foreign := &console.Error{Class: console.Ambiguous, Op: "update team", Status: 404}
	var total time.Duration
	for range 20 {
		total += b.finish(t, b.open(t), condition.Verdict{}, foreign)
		// To wait for the next try does not begin anew.
		b.finish(t, b.open(t), condition.Verdict{}, fmt.Errorf("update team: %w", console.ErrReading))
	}
	if last := b.finish(t, b.open(t), condition.Verdict{}, foreign); last != defaultInterval || total < 10*defaultInterval {
		t.Errorf("twenty tries within %v, the next after %v", total, last)
	}
	if again := b.finish(t, b.open(t), condition.Verdict{}, &console.Error{Class: console.Ambiguous, Op: "update team", Status: 502}); again > 5*time.Second {
		t.Errorf("after a 502, which the circuit breaker knows, again after %v", again)
	}
	b.open(t).Memo.Reset()
	if again := b.finish(t, b.open(t), condition.Verdict{}, foreign); again > 5*time.Second {
		t.Errorf("a new episode begins with %v", again)
	}
}

func TestConflictsAreNotOverwritten(t *testing.T) {
	b := newDesk(t, nil)
	s := b.open(t)
	changed := b.read(t)
	changed.Labels = map[string]string{"by": "somebody"}
	if err := b.Client.Update(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	s.Obj.Sync().SyncedGeneration = 1
	if err := s.Record(t.Context()); !apierrors.IsConflict(err) {
		t.Errorf("recorded over somebody's change: %v", err)
	}
	if err := s.Hold(t.Context()); !apierrors.IsConflict(err) {
		t.Errorf("the finalizer was set over somebody's change: %v", err)
	}
	// The verdict itself is ours alone.
	b.finish(t, s, condition.Synced("In sync."), nil)
	if b.ready(t).Reason != v1alpha1.ReasonSynced || b.read(t).Labels["by"] != "somebody" {
		t.Errorf("after the verdict: %+v", b.read(t))
	}
}

// A process that was halted in the middle writes its verdict when another one
// leads: what that one has recorded stays.
func TestVerdictLeavesTheJournalOfOthers(t *testing.T) {
	b := newDesk(t, nil)
	if err := b.Client.Status().Update(t.Context(), intending(b.read(t), "former")); err != nil {
		t.Fatal(err)
	}
	s := b.open(t)
	if err := b.Client.Status().Update(t.Context(), intending(b.read(t), "new")); err != nil {
		t.Fatal(err)
	}
	s.Obj.(*v1alpha1.Team).Status.CreateIntent = nil
	if again := b.finish(t, s, condition.Synced("In sync."), nil); again != stalePause {
		t.Errorf("looked at again after %v, want %v", again, stalePause)
	}
	if intent := b.read(t).Status.CreateIntent; intent == nil || intent.Name != "new" {
		t.Errorf("the intent is %+v, want the one recorded last", intent)
	}
	s = b.open(t)
	s.Obj.(*v1alpha1.Team).Status.CreateIntent = nil
	b.finish(t, s, condition.Synced("In sync."), nil)
	if intent := b.read(t).Status.CreateIntent; intent != nil {
		t.Errorf("the intent %+v is still there", intent)
	}
}

func intending(team *v1alpha1.Team, name string) *v1alpha1.Team {
	team.Status.CreateIntent = &v1alpha1.CreateIntent{Name: name, Time: metav1.NowMicro()}
	return team
}

// The cache shows an object as it was before our last write, also after it was
// released: it is not looked at.
func TestOldCopies(t *testing.T) {
	b := newDesk(t, func(team *v1alpha1.Team) { team.Finalizers = []string{"test/keep", v1alpha1.Finalizer} })
	old := b.read(t)
	b.finish(t, b.open(t), condition.Synced("In sync."), nil)
	if s, _ := b.Open(old.DeepCopy()); s != nil {
		t.Error("a copy from before the status was written is looked at")
	}
	before := b.read(t)
	s := b.open(t)
	if !s.Finalized() {
		t.Fatal("the finalizer is missing")
	}
	if _, err := s.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s, _ := b.Open(before); s != nil {
		t.Error("a released object is dismissed again")
	}
	if b.open(t).Finalized() {
		t.Error("the finalizer is still there")
	}
	if err := b.Client.Delete(t.Context(), b.read(t)); err != nil {
		t.Fatal(err)
	}
}

func TestMemoFollowsTheGeneration(t *testing.T) {
	b := newDesk(t, nil)
	s := b.open(t)
	s.Memo.Attempts, s.Memo.Began = 2, time.Now()
	if b.open(t).Memo.Attempts != 2 || s.Memo.Seen.IsZero() {
		t.Error("the memo was lost between reconciliations")
	}
	team := b.read(t)
	team.Generation = 2
	if s, _ := b.Open(team); s.Memo.Attempts != 0 || !s.Memo.Began.IsZero() {
		t.Error("attempts for one generation count for the next")
	}
	// A process before this one gave up until the next interval.
	b = newDesk(t, nil)
	b.finish(t, b.open(t), condition.Stuck(v1alpha1.ReasonDriftDetected, "differs"), nil)
	b.Memory = &Memory{}
	if s := b.open(t); s.Memo.Attempts != MaxAttempts || s.Memo.LastWrite.IsZero() {
		t.Error("a restart tries at once what was given up")
	}
}

func TestNotesAreCut(t *testing.T) {
	for _, note := range []string{strings.Repeat("a", maxNote), strings.Repeat("a", maxNote+1), strings.Repeat("€", 400), "x" + strings.Repeat("\U0001F600", 300)} {
		got := shorten(note)
		if len(got) > maxNote+3 || !utf8.ValidString(got) || len(note) <= maxNote && got != note {
			t.Errorf("%d bytes cut to %d", len(note), len(got))
		}
	}
}
