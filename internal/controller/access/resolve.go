package access

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/controller/condition"
)

// defaultInterval is the drift interval of a connection that names none.
const defaultInterval = 10 * time.Minute

// Interval is how often the console is compared with the specs.
func Interval(c *v1alpha1.ConsoleConnection) time.Duration {
	if d := c.Spec.Drift.Interval.Duration; d > 0 {
		return d
	}
	return defaultInterval
}

// Resolve finds the connection an object goes through and the link behind it.
// While that cannot be used it returns the verdict that says why; the object
// is reconciled again when its connection changes. Whether the connection
// admits the object is for [Admits] to say: a deletion does not ask.
func Resolve(ctx context.Context, c client.Reader, links *Registry, obj v1alpha1.AccessObject) (*v1alpha1.ConsoleConnection, *Link, *condition.Verdict, error) {
	name := obj.ConnectionName()
	connection := &v1alpha1.ConsoleConnection{}
	if err := c.Get(ctx, types.NamespacedName{Name: name}, connection); err != nil {
		if !apierrors.IsNotFound(err) {
			return nil, nil, nil, fmt.Errorf("read ConsoleConnection %q: %w", name, err)
		}
		v := condition.Waiting(v1alpha1.ReasonConnectionNotReady,
			"There is no ConsoleConnection %q. Create it, or name another one in spec.connectionRef.", name)
		return nil, nil, &v, nil
	}
	if connection.Spec.Suspend {
		v := condition.Suspended(fmt.Sprintf("ConsoleConnection %q is suspended; set its spec.suspend to false to go on.", name))
		return connection, nil, &v, nil
	}
	link := links.Get(name)
	if link == nil {
		why := "it has not been looked at yet"
		if c := meta.FindStatusCondition(connection.Status.Conditions, v1alpha1.ReadyCondition); c != nil {
			if c.Reason != v1alpha1.ReasonConnectionNotReady {
				// This process has just started, and the link will come: nothing
				// has changed that an object's status should tell.
				return connection, nil, nil, fmt.Errorf("open ConsoleConnection %q: %w", name, console.ErrReading)
			}
			why = c.Message
		}
		v := notUsable(name, why)
		return connection, nil, &v, nil
	}
	if refused := link.Recognition.Refused(); refused != nil {
		v := notUsable(name, refused.Message)
		return connection, link, &v, nil
	}
	return connection, link, nil, link.Recognition.pending(name)
}

func notUsable(connection, why string) condition.Verdict {
	return condition.Waiting(v1alpha1.ReasonConnectionNotReady, "ConsoleConnection %q cannot be used: %s", connection, why)
}

// errNamespaceUnknown says that the cache does not have a namespace yet, which may
// be newer than the object in it.
var errNamespaceUnknown = errors.New("the namespace is not known yet")

// Admits reports whether a connection may be used from a namespace. What the cache
// does not have is neither admitted nor refused.
func Admits(ctx context.Context, c client.Reader, connection *v1alpha1.ConsoleConnection, namespace string) (bool, error) {
	allowed := connection.Spec.AllowedNamespaces
	if allowed.From != v1alpha1.NamespacesFromSelector {
		return true, nil
	}
	if allowed.Selector == nil {
		return false, nil
	}
	selector, err := metav1.LabelSelectorAsSelector(allowed.Selector)
	if err != nil {
		return false, nil //nolint:nilerr // a selector that means nothing admits nobody
	}
	ns := &corev1.Namespace{}
	switch err := c.Get(ctx, types.NamespacedName{Name: namespace}, ns); {
	case apierrors.IsNotFound(err):
		return false, fmt.Errorf("namespace %q: %w", namespace, errNamespaceUnknown)
	case err != nil:
		return false, fmt.Errorf("read namespace %q: %w", namespace, err)
	}
	return selector.Matches(labels.Set(ns.Labels)), nil
}

// namespacePause is how long the cache is given to show a namespace.
const namespacePause = time.Second

// unknownNamespace is the outcome for an object whose namespace the cache lacks.
func unknownNamespace(namespace string) *condition.Verdict {
	v := condition.Progressing(fmt.Sprintf("The operator does not know namespace %q yet; it looks again in a moment.", namespace))
	v.RetryAfter = namespacePause
	return &v
}

// Since is when a listing must have begun that the object is compared with. What
// is to be brought about for the first time may meet what somebody else has made,
// such as a team of that name: a listing from long before anybody asked for it,
// such as from before an outage, is too old. How long it waits for its turn then
// makes no difference, lest a roll-out reads the same over and over. With drift
// ignored, nothing else would ever read a listing again for what is not Ready.
func (s *Scope) Since() time.Time {
	ready := condition.IsReady(s.Obj.Sync().Conditions, s.Obj.GetGeneration())
	switch {
	case s.ignoresDrift() && !ready:
		return time.Now().Add(-s.Interval())
	case s.Obj.Sync().SyncedGeneration == s.Obj.GetGeneration():
		return time.Time{}
	case s.Memo.Seen.IsZero():
		return time.Time{}
	}
	return s.Memo.Seen.Add(-max(s.Interval(), time.Minute))
}

func (s *Scope) ignoresDrift() bool {
	return s.Connection != nil && s.Connection.Spec.Drift.Policy == v1alpha1.DriftIgnore
}
