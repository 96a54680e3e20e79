package rollout

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/controller/condition"
	"github.com/console-access/console-access-operator/internal/quota"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// with is a Team of generation 2 with a verdict on a generation.
func with(name string, generation int64, v condition.Verdict) *v1alpha1.Team {
	t := &v1alpha1.Team{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: name, Generation: 2}}
	condition.Set(&t.Status.Conditions, generation, v)
	return t
}

func waiting(at time.Time) condition.Verdict {
	v, _ := condition.FromError(&quota.WaitError{Reason: quota.ReasonQuota, At: at}, time.Minute)
	return v
}

func TestMake(t *testing.T) {
	objects := []v1alpha1.AccessObject{
		with("a", 2, condition.Synced("")),
		with("b", 1, condition.Synced("")), // of an older spec
		&v1alpha1.Team{ObjectMeta: metav1.ObjectMeta{Name: "c"}},
		with("d", 2, waiting(now.Add(time.Minute))),
		with("e", 2, waiting(now.Add(2*time.Minute))),
		with("f", 2, condition.Waiting(v1alpha1.ReasonUserNotFound, "nobody")),
		with("g", 2, condition.Stuck(v1alpha1.ReasonRejected, "no such metric")),
		with("h", 2, condition.Suspended("")),
	}
	connection := v1alpha1.ConsoleConnection{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
	r := Make(now, []v1alpha1.ConsoleConnection{connection}, objects)
	if want := (Counts{Total: 8, Ready: 1, Waiting: 5, Moving: 4, Stuck: 1, Suspended: 1}); r.Objects != want {
		t.Errorf("the counts are %+v, want %+v", r.Objects, want)
	}
	if got, want := fmt.Sprint(r.Stuck), "[{Team n g Rejected no such metric}]"; got != want {
		t.Errorf("stuck are %s, want %s", got, want)
	}
	var reasons []string
	for _, w := range r.Waiting {
		reasons = append(reasons, fmt.Sprintf("%s %d", w.Reason, w.Objects))
	}
	if got, want := fmt.Sprint(reasons), "[NotSeenYet 2 RateLimited 2 UserNotFound 1]"; got != want {
		t.Errorf("waiting for %s, want %s", got, want)
	}
	if r.ExpectedEnd == nil || !r.ExpectedEnd.Equal(now.Add(2*time.Minute)) {
		t.Errorf("the end is expected at %v, want the latest turn", r.ExpectedEnd)
	}
	if got := r.Objects.Percent(); got != 100/7 {
		t.Errorf("%d%% are Ready", got)
	}
}

func TestNothingMoves(t *testing.T) {
	released := with("r", 2, condition.Released(v1alpha1.ReasonProgressing))
	released.DeletionTimestamp, released.Finalizers = &metav1.Time{Time: now}, []string{"example.com/keep"}
	r := Make(now, []v1alpha1.ConsoleConnection{{ObjectMeta: metav1.ObjectMeta{Name: "default"}}}, []v1alpha1.AccessObject{
		with("a", 2, condition.Synced("")), with("f", 2, condition.Waiting(v1alpha1.ReasonInvited, "")), released,
	})
	if r.ExpectedEnd != nil {
		t.Errorf("an end is expected at %v though only a person is waited for", r.ExpectedEnd)
	}
}

func TestEstimate(t *testing.T) {
	window := func(limit, used int32, per time.Duration, frees time.Time) v1alpha1.QuotaWindowStatus {
		w := v1alpha1.QuotaWindowStatus{Limit: limit, Used: used, Per: metav1.Duration{Duration: per}}
		if !frees.IsZero() {
			w.FreesAt = &metav1.Time{Time: frees}
		}
		return w
	}
	for _, tt := range []struct {
		title string
		calls int
		quota *v1alpha1.QuotaStatus
		want  time.Duration
	}{
		{"no quota known", 100, nil, 0},
		{"there is room", 90, &v1alpha1.QuotaStatus{Windows: []v1alpha1.QuotaWindowStatus{window(90, 0, 10*time.Second, time.Time{})}}, 0},
		{"one window more", 180, &v1alpha1.QuotaStatus{Windows: []v1alpha1.QuotaWindowStatus{window(90, 0, 10*time.Second, time.Time{})}}, 10 * time.Second},
		{"the tighter window", 900, &v1alpha1.QuotaStatus{Windows: []v1alpha1.QuotaWindowStatus{
			window(90, 0, 10*time.Second, time.Time{}), window(810, 0, 15*time.Minute, time.Time{})}}, 100 * time.Second},
		{"all used", 1, &v1alpha1.QuotaStatus{Windows: []v1alpha1.QuotaWindowStatus{window(90, 90, 10*time.Second, now.Add(7*time.Second))}}, 7 * time.Second},
		{"the gate is closed", 1, &v1alpha1.QuotaStatus{ClosedUntil: &metav1.Time{Time: now.Add(time.Minute)}}, time.Minute},
	} {
		got := Estimate(now, tt.calls, tt.quota).Sub(now)
		if diff := (got - tt.want).Abs(); diff > 2*time.Second {
			t.Errorf("%s: %v, want about %v", tt.title, got, tt.want)
		}
	}
}
