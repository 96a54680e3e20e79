package harness

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
)

const (
	// patience is how long anything that is to happen may take. It is generous:
	// a test that passes does not wait for it.
	patience  = 2 * time.Minute
	pollPause = 100 * time.Millisecond
)

// Eventually waits until check returns nil. If it never does the test fails
// with its last error, and with all that is known of the test's objects.
func (e *Env) Eventually(what string, check func() error) {
	e.T.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	ticker := time.NewTicker(pollPause)
	defer ticker.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-ticker.C:
		case <-deadline.C:
			e.Fatalf("%s: not after %v: %v", what, patience, err)
		}
	}
}

// WaitUntil waits until a condition holds.
func (e *Env) WaitUntil(what string, holds func() bool) {
	e.T.Helper()
	e.Eventually(what, func() error {
		if !holds() {
			return fmt.Errorf("it does not hold")
		}
		return nil
	})
}

// Consistently fails the test if check returns an error at any time within d.
func (e *Env) Consistently(what string, d time.Duration, check func() error) {
	e.T.Helper()
	end := time.NewTimer(d)
	defer end.Stop()
	ticker := time.NewTicker(pollPause)
	defer ticker.Stop()
	for {
		if err := check(); err != nil {
			e.Fatalf("%s: %v", what, err)
		}
		select {
		case <-ticker.C:
		case <-end.C:
			return
		}
	}
}

// statusOf is what all kinds' statuses have in common.
func statusOf(obj client.Object) *v1alpha1.SyncStatus {
	switch obj := obj.(type) {
	case v1alpha1.AccessObject:
		return obj.Sync()
	case *v1alpha1.ConsoleConnection:
		return &obj.Status.SyncStatus
	}
	panic(fmt.Sprintf("%T has no conditions", obj))
}

// Ready returns the object's Ready condition as last read, if it speaks of the
// current generation, and else a condition without a reason.
func Ready(obj client.Object) metav1.Condition {
	c := meta.FindStatusCondition(statusOf(obj).Conditions, v1alpha1.ReadyCondition)
	if c == nil || c.ObservedGeneration != obj.GetGeneration() {
		return metav1.Condition{}
	}
	return *c
}

// WaitReady waits until each object is Ready in its current generation.
func (e *Env) WaitReady(objects ...client.Object) {
	e.T.Helper()
	for _, obj := range objects {
		e.WaitReason(obj, v1alpha1.ReasonSynced)
	}
}

// WaitReason waits until the object's Ready condition has a reason, in its
// current generation, and returns that condition. What else kstatus asks of
// the conditions is checked on the way.
func (e *Env) WaitReason(obj client.Object, reason string) metav1.Condition {
	e.T.Helper()
	e.Eventually(fmt.Sprintf("wait for %s of %T %s", reason, obj, obj.GetName()), func() error {
		if !e.Refresh(obj) {
			return fmt.Errorf("it is gone")
		}
		if c := Ready(obj); c.Reason != reason {
			return fmt.Errorf("it is %q: %s", c.Reason, c.Message)
		}
		return nil
	})
	c := Ready(obj)
	if (c.Status == metav1.ConditionTrue) != (reason == v1alpha1.ReasonSynced) {
		e.Fatalf("%T %s has Ready %s with the reason %s", obj, obj.GetName(), c.Status, c.Reason)
	}
	for _, kind := range []string{v1alpha1.ReconcilingCondition, v1alpha1.StalledCondition} {
		other := meta.FindStatusCondition(statusOf(obj).Conditions, kind)
		if other != nil && (other.Status != metav1.ConditionTrue || c.Status == metav1.ConditionTrue) {
			e.Fatalf("%T %s has %s %s beside Ready %s", obj, obj.GetName(), kind, other.Status, c.Status)
		}
	}
	return c
}

// WaitMessage is WaitReason that also waits for the message to contain each text.
func (e *Env) WaitMessage(obj client.Object, reason string, texts ...string) {
	e.T.Helper()
	e.Eventually(fmt.Sprintf("wait for the message of %T %s", obj, obj.GetName()), func() error {
		c := e.WaitReason(obj, reason)
		for _, text := range texts {
			if !strings.Contains(c.Message, text) {
				return fmt.Errorf("it does not contain %q: %s", text, c.Message)
			}
		}
		return nil
	})
}

// WaitGone waits until the objects no longer exist.
func (e *Env) WaitGone(objects ...client.Object) {
	e.T.Helper()
	for _, obj := range objects {
		e.WaitUntil(fmt.Sprintf("wait for the end of %T %s", obj, obj.GetName()), func() bool { return !e.Refresh(obj) })
	}
}

// Compared waits until the console was listed, and compared with the specs, n
// more times: what does not happen then would have had the occasion.
func (e *Env) Compared(n int) {
	e.T.Helper()
	mark := e.Mark()
	// The effects of a listing are certainly there when the next has begun.
	e.WaitUntil(fmt.Sprintf("wait for %d comparisons with the console", n), func() bool {
		return len(e.Since(mark, consolesim.ListTeams)) > n && len(e.Since(mark, consolesim.ListUsers)) > n
	})
}
