package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
)

// reported is how many of the newest requests, events and log entries a report
// shows.
const reported = 60

// Fatalf ends the test with a report of its objects, events, requests and log.
func (e *Env) Fatalf(format string, args ...any) {
	e.T.Helper()
	e.T.Fatalf("%s\n%s", fmt.Sprintf(format, args...), e.report())
}

func (e *Env) report() string {
	var b strings.Builder
	for _, list := range []client.ObjectList{&v1alpha1.ConsoleConnectionList{}, &v1alpha1.TeamList{}, &v1alpha1.UserRoleList{}} {
		e.reportObjects(&b, list)
	}
	fmt.Fprintf(&b, "events:\n")
	for _, event := range tail(e.events()) {
		fmt.Fprintf(&b, "  %s %s %s/%s %s: %s\n", event.EventTime.Format(time.StampMilli), event.Type,
			event.Regarding.Kind, event.Regarding.Name, event.Reason, event.Note)
	}
	b.WriteString(e.requestReport())
	fmt.Fprintf(&b, "log:\n")
	for _, line := range tail(e.Operator.Log.Containing(e.Namespace)) {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	return b.String()
}

func (e *Env) reportObjects(b *strings.Builder, list client.ObjectList) {
	if err := e.cluster.client.List(context.Background(), list, e.ours()); err != nil {
		fmt.Fprintf(b, "objects: %v\n", err)
		return
	}
	_ = meta.EachListItem(list, func(item runtime.Object) error {
		obj := item.(client.Object)
		if obj.GetNamespace() != e.Namespace && obj.GetName() != e.Namespace {
			return nil
		}
		fmt.Fprintf(b, "%T %s (generation %d, deleted %v, finalizers %v):\n", obj, obj.GetName(),
			obj.GetGeneration(), obj.GetDeletionTimestamp() != nil, obj.GetFinalizers())
		for _, c := range statusOf(obj).Conditions {
			fmt.Fprintf(b, "  %s=%s %s (generation %d): %s\n", c.Type, c.Status, c.Reason, c.ObservedGeneration, c.Message)
		}
		if access, ok := obj.(v1alpha1.AccessObject); ok {
			diff, _ := json.Marshal(*access.Differences())
			fmt.Fprintf(b, "  diff: %s\n", diff)
		}
		return nil
	})
}

func (e *Env) requestReport() string {
	var b strings.Builder
	fmt.Fprintf(&b, "requests to the console:\n")
	for _, r := range tail(e.Sim.Requests()) {
		fmt.Fprintf(&b, "  %d %s %s %s -> %d %s %.300s\n", r.Number, r.Received.Format(time.StampMilli), r.Method, r.Path, r.Status, r.Fault, r.Body)
	}
	return b.String()
}

func tail[T any](list []T) []T { return list[max(0, len(list)-reported):] }

// events returns what was told of the test's objects, oldest first.
func (e *Env) events() []eventsv1.Event {
	var out []eventsv1.Event
	for _, namespace := range append([]string{metav1.NamespaceDefault}, e.spaces...) {
		list := &eventsv1.EventList{}
		if err := e.cluster.client.List(context.Background(), list, client.InNamespace(namespace)); err != nil {
			return out
		}
		for _, event := range list.Items {
			if namespace != metav1.NamespaceDefault || event.Regarding.Name == e.Namespace {
				out = append(out, event)
			}
		}
	}
	return out
}

// WaitEvent waits for an event about an object with a reason and a text.
func (e *Env) WaitEvent(obj client.Object, reason, text string) {
	e.T.Helper()
	e.WaitUntil(fmt.Sprintf("wait for the event %s of %s with %q", reason, obj.GetName(), text), func() bool {
		for _, event := range e.events() {
			if event.Regarding.UID == obj.GetUID() && event.Reason == reason && strings.Contains(event.Note, text) {
				return true
			}
		}
		return false
	})
}
