// Package rollout sums up how far the operator is: what is Ready, what waits,
// what is stuck, and when all that moves by itself will have arrived.
package rollout

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/controller/condition"
	"github.com/console-access/console-access-operator/internal/plugin/manifest"
)

// A Report is how things stand.
type Report struct {
	Connections []Connection `json:"connections"`
	Objects     Counts       `json:"objects"`
	// Waiting counts the waiting objects by reason, Stuck lists the others that
	// are not Ready.
	Waiting []Reason `json:"waiting"`
	Stuck   []Object `json:"stuck"`
	// ExpectedEnd is when the last object that moves by itself is expected to
	// have had its turn; unset when none moves, or nothing can be said.
	ExpectedEnd *time.Time `json:"expectedEnd,omitempty"`
}

// Counts counts Teams and UserRoles.
type Counts struct {
	Total int `json:"total"`
	Ready int `json:"ready"`
	// Waiting: the operator, or a person who has yet to join, goes on by itself.
	Waiting int `json:"waiting"`
	// Moving are those of the waiting that only wait for the operator.
	Moving int `json:"moving"`
	// Stuck: somebody has to change something.
	Stuck     int `json:"stuck"`
	Suspended int `json:"suspended"`
}

// A Connection is how a ConsoleConnection stands.
type Connection struct {
	Name    string                `json:"name"`
	Ready   string                `json:"ready"`
	Reason  string                `json:"reason"`
	Message string                `json:"message,omitempty"`
	Quota   *v1alpha1.QuotaStatus `json:"quota,omitempty"`
	Users   *int32                `json:"users,omitempty"`
	Teams   *int32                `json:"teams,omitempty"`
	// HeldDeletes is how many deletions of teams wait for a person's approval.
	HeldDeletes int32 `json:"heldDeletes,omitempty"`
}

// A Reason is why a number of objects wait.
type Reason struct {
	Reason  string `json:"reason"`
	Objects int    `json:"objects"`
	// Example is the message of one of them.
	Example string `json:"example,omitempty"`
}

// An Object is one Team or UserRole.
type Object struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Reason    string `json:"reason"`
	Message   string `json:"message"`
}

// Percent is how much of what is not suspended is Ready.
func (c Counts) Percent() int {
	all := c.Total - c.Suspended
	if all == 0 {
		return 100
	}
	return 100 * c.Ready / all
}

// notSeen is the reason of an object whose present spec the operator has not
// looked at yet.
const notSeen = "NotSeenYet"

// moves reports whether what waits for that reason needs nobody but the
// operator.
func moves(reason string) bool {
	switch reason {
	case notSeen, v1alpha1.ReasonProgressing, v1alpha1.ReasonRateLimited, v1alpha1.ReasonConsoleUnavailable:
		return true
	}
	return false
}

// Make sums up. Objects of connections that are not given count all the same.
func Make(now time.Time, connections []v1alpha1.ConsoleConnection, objects []v1alpha1.AccessObject) *Report {
	r := &Report{Connections: []Connection{}, Waiting: []Reason{}, Stuck: []Object{}}
	moving := map[string]*queue{}
	for _, obj := range objects {
		r.add(obj, moving)
	}
	slices.SortFunc(r.Waiting, func(a, b Reason) int {
		return cmp.Or(cmp.Compare(b.Objects, a.Objects), strings.Compare(a.Reason, b.Reason))
	})
	slices.SortFunc(r.Stuck, func(a, b Object) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	for i := range connections {
		c := &connections[i]
		r.Connections = append(r.Connections, summary(c))
		if q := moving[c.Name]; q != nil {
			end := q.end(now, c.Status.Quota)
			if r.ExpectedEnd == nil || end.After(*r.ExpectedEnd) {
				r.ExpectedEnd = &end
			}
		}
	}
	return r
}

func (r *Report) add(obj v1alpha1.AccessObject, moving map[string]*queue) {
	r.Objects.Total++
	ready := meta.FindStatusCondition(obj.Sync().Conditions, v1alpha1.ReadyCondition)
	current := ready != nil && ready.ObservedGeneration == obj.GetGeneration()
	reason, message := notSeen, "The operator has not looked at it yet."
	if current {
		reason, message = ready.Reason, ready.Message
	}
	deleting := obj.GetDeletionTimestamp() != nil
	switch {
	case current && ready.Status == metav1.ConditionTrue && !deleting:
		r.Objects.Ready++
	case current && meta.IsStatusConditionTrue(obj.Sync().Conditions, v1alpha1.StalledCondition):
		r.Objects.Stuck++
		r.Stuck = append(r.Stuck, Object{
			Kind: manifest.KindOf(obj.(client.Object)), Namespace: obj.GetNamespace(), Name: obj.GetName(), Reason: reason, Message: message,
		})
	case reason == v1alpha1.ReasonSuspended:
		r.Objects.Suspended++
	default:
		r.Objects.Waiting++
		r.wait(reason, message)
		done := deleting && !slices.Contains(obj.GetFinalizers(), v1alpha1.Finalizer)
		if (moves(reason) || deleting) && !done {
			r.Objects.Moving++
			q := moving[obj.ConnectionName()]
			if q == nil {
				q = &queue{}
				moving[obj.ConnectionName()] = q
			}
			q.add(message)
		}
	}
}

func (r *Report) wait(reason, message string) {
	i := slices.IndexFunc(r.Waiting, func(w Reason) bool { return w.Reason == reason })
	if i < 0 {
		r.Waiting = append(r.Waiting, Reason{Reason: reason, Example: message})
		i = len(r.Waiting) - 1
	}
	r.Waiting[i].Objects++
	// The same example every time, whatever the order of the objects.
	r.Waiting[i].Example = min(r.Waiting[i].Example, message)
}

func summary(c *v1alpha1.ConsoleConnection) Connection {
	out := Connection{
		Name: c.Name, Ready: string(metav1.ConditionUnknown), Reason: notSeen,
		Quota: c.Status.Quota, Users: c.Status.Users, Teams: c.Status.Teams, HeldDeletes: c.Status.HeldDeletes,
	}
	if ready := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ReadyCondition); ready != nil && ready.ObservedGeneration == c.Generation {
		out.Ready, out.Reason, out.Message = string(ready.Status), ready.Reason, ready.Message
	}
	return out
}

// A queue is what moves on one connection.
type queue struct {
	objects int
	// last is the latest turn that an object was told.
	last time.Time
}

func (q *queue) add(message string) {
	q.objects++
	if at, ok := condition.Turn(message); ok && at.After(q.last) {
		q.last = at
	}
}

// end is when the last of the queue is expected to have had its turn: the
// latest that the operator told one of them, and no sooner than the quota
// permits so many calls.
func (q *queue) end(now time.Time, quota *v1alpha1.QuotaStatus) time.Time {
	end := Estimate(now, q.objects, quota)
	if q.last.After(end) {
		end = q.last
	}
	return end.Truncate(time.Second)
}

// Estimate is when a number of calls, one for each object, can have been made.
func Estimate(now time.Time, calls int, quota *v1alpha1.QuotaStatus) time.Time {
	end := now
	if quota == nil {
		return end
	}
	later := func(at time.Time) {
		if at.After(end) {
			end = at
		}
	}
	if quota.ClosedUntil != nil {
		later(quota.ClosedUntil.Time)
	}
	begin := end
	for _, w := range quota.Windows {
		rest := calls - int(w.Limit-w.Used)
		if rest <= 0 || w.Limit <= 0 {
			continue
		}
		at := begin
		if w.FreesAt != nil && w.FreesAt.After(at) {
			at = w.FreesAt.Time
		}
		later(at.Add(time.Duration(float64(w.Per.Duration) * float64(rest-1) / float64(w.Limit))))
	}
	return end
}
