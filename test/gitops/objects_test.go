package gitops

import (
	"encoding/json"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/controller/condition"
	"github.com/console-access/console-access-operator/internal/quota"
)

// kinds are the operator's kinds.
var kinds = []string{"ConsoleConnection", "Team", "UserRole"}

// newObject returns an object of a kind, of its second generation, and what all
// statuses have.
func newObject(kind string) (client.Object, *v1alpha1.SyncStatus) {
	about := metav1.ObjectMeta{Name: "growth", Namespace: "growth", Generation: 2, Finalizers: []string{v1alpha1.Finalizer}}
	switch kind {
	case "ConsoleConnection":
		about.Namespace = ""
		c := &v1alpha1.ConsoleConnection{ObjectMeta: about}
		return c, &c.Status.SyncStatus
	case "Team":
		o := &v1alpha1.Team{ObjectMeta: about}
		return o, o.Sync()
	case "UserRole":
		o := &v1alpha1.UserRole{ObjectMeta: about}
		return o, o.Sync()
	}
	panic("there is no kind " + kind)
}

// record returns an object whose status tells of a verdict on its generation,
// by the operator's own code.
func record(kind string, v verdict, changes ...func(client.Object)) *unstructured.Unstructured {
	obj, sync := newObject(kind)
	condition.Set(&sync.Conditions, obj.GetGeneration(), condition.Verdict{State: v.state, Reason: v.reason, Message: message(v)})
	sync.ObservedGeneration = obj.GetGeneration()
	for _, change := range changes {
		change(obj)
	}
	return unstructuredOf(kind, obj)
}

// unstructuredOf returns the object as the API server would.
func unstructuredOf(kind string, obj client.Object) *unstructured.Unstructured {
	obj.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{
		Group: v1alpha1.GroupVersion.Group, Version: v1alpha1.GroupVersion.Version, Kind: kind,
	})
	text, err := json.Marshal(obj)
	if err != nil {
		panic(err)
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(text); err != nil {
		panic(err)
	}
	return u
}

// edited is an object whose spec was changed since the operator looked at it.
func edited(obj client.Object) { obj.SetGeneration(obj.GetGeneration() + 1) }

// deleting is an object that the operator has looked at since it was deleted.
func deleting(obj client.Object) {
	obj.SetDeletionTimestamp(&metav1.Time{Time: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)})
}

// message is what the operator says with a verdict: its own text where that
// depends on the failure alone.
func message(v verdict) string {
	failures := []error{console.ErrReading, &quota.WaitError{Reason: quota.ReasonQuota, Ahead: 3, At: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}}
	for _, class := range []console.Class{console.Invalid, console.Unauthorized, console.Forbidden, console.Unavailable} {
		failures = append(failures, &console.Error{Class: class, Op: "update team", Status: 400, Message: "\"no\" such metric\n"})
	}
	for _, err := range failures {
		told, ok := condition.FromError(err, 10*time.Minute)
		if ok && told.Reason == v.reason && told.State == v.state {
			return told.Message
		}
	}
	return fmt.Sprintf("What is to be said about %s.", v.reason)
}
