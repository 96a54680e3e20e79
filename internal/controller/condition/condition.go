// Package condition turns what a reconciler found out into the conditions that
// people and tools read. Messages depend on facts alone, so that a status that
// says the same is the same, byte by byte.
package condition

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/quota"
)

// State says who has to do something next.
type State int

const (
	// Working waits for the operator, which continues by itself.
	Working State = iota
	// Ready waits for nobody.
	Ready
	// Stalled waits for somebody who can change the spec, the connection or the console.
	Stalled
	// Paused waits for nobody, because a user asked for the pause.
	Paused
)

// A Verdict is the outcome of a reconciliation, as it is told to people.
type Verdict struct {
	State   State
	Reason  string
	Message string
	// RetryAfter is when to look again without being asked to; 0: only when
	// something happens.
	RetryAfter time.Duration
}

// Synced is the verdict that the console holds what the spec says.
func Synced(message string) Verdict {
	return Verdict{State: Ready, Reason: v1alpha1.ReasonSynced, Message: message}
}

// Progressing is the verdict that work is under way.
func Progressing(message string) Verdict {
	return Verdict{State: Working, Reason: v1alpha1.ReasonProgressing, Message: message}
}

// Stuck is the verdict that somebody has to change something first.
func Stuck(reason, format string, args ...any) Verdict {
	return Verdict{State: Stalled, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Rejected is the verdict on a call that the console refused, in its own words. what
// is refused and todo is what to do about it; the same is tried again after interval.
func Rejected(err error, interval time.Duration, what, todo string) Verdict {
	said := err.Error()
	if failed, ok := console.AsError(err); ok {
		said = failed.Op
		switch {
		case failed.Message != "":
			said += ": " + failed.Message
		case failed.Class == console.Invalid && failed.Err != nil:
			// What was not even sent is explained by its cause.
			said += ": " + failed.Err.Error()
		}
	}
	v := Stuck(v1alpha1.ReasonRejected, "%s (%s). %s; the same is tried again every %s.", what, said, todo, interval)
	v.RetryAfter = interval
	return v
}

// Waiting is the verdict that something is missing that will come by itself.
func Waiting(reason, format string, args ...any) Verdict {
	return Verdict{State: Working, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Released is the verdict on a deleted object that the operator is done with, and
// that the finalizers of others keep.
func Released(reason string) Verdict {
	return Waiting(reason, "It was deleted, and the operator does nothing more for it. It goes when others have removed their finalizers, which metadata.finalizers names.")
}

// Suspended is the verdict that somebody wished nothing to be done.
func Suspended(message string) Verdict {
	return Verdict{State: Paused, Reason: v1alpha1.ReasonSuspended, Message: message}
}

// Of returns the verdict behind v, or none; it is for those who return a
// verdict or an error.
func Of(v *Verdict) Verdict {
	if v == nil {
		return Verdict{}
	}
	return *v
}

// Set writes the verdict into conditions: Ready always, Reconciling and Stalled
// only while they are True.
func Set(conditions *[]metav1.Condition, generation int64, v Verdict) {
	ready := metav1.ConditionFalse
	if v.State == Ready {
		ready = metav1.ConditionTrue
	}
	set := func(kind string, status metav1.ConditionStatus) {
		meta.SetStatusCondition(conditions, metav1.Condition{
			Type: kind, Status: status, Reason: v.Reason, Message: v.Message, ObservedGeneration: generation,
		})
	}
	set(v1alpha1.ReadyCondition, ready)
	for kind, on := range map[string]bool{
		v1alpha1.ReconcilingCondition: v.State == Working,
		v1alpha1.StalledCondition:     v.State == Stalled,
	} {
		if on {
			set(kind, metav1.ConditionTrue)
		} else {
			meta.RemoveStatusCondition(conditions, kind)
		}
	}
}

// SomeOf names the first few in a sentence, and counts the rest: a message has
// an end, and a reader too.
func SomeOf(names []string, most int) string {
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// Current returns the reason of the Ready condition, and whether it speaks of
// that generation.
func Current(conditions []metav1.Condition, generation int64) (reason string, current bool) {
	c := meta.FindStatusCondition(conditions, v1alpha1.ReadyCondition)
	if c == nil {
		return "", false
	}
	return c.Reason, c.ObservedGeneration == generation
}

// IsReady reports whether the Ready condition is True for that generation.
func IsReady(conditions []metav1.Condition, generation int64) bool {
	c := meta.FindStatusCondition(conditions, v1alpha1.ReadyCondition)
	return c != nil && c.Status == metav1.ConditionTrue && c.ObservedGeneration == generation
}

// Pauses before an object whose call failed is looked at again.
const (
	unavailablePause = 5 * time.Second
	throttledPause   = 10 * time.Millisecond
)

// FromError is the verdict on a failed attempt. interval is how often the
// console is compared with the specs: what the console refuses is not sent
// again before that. ok is false for an error that is not the console's or the
// quota's, such as a conflict in Kubernetes.
func FromError(err error, interval time.Duration) (v Verdict, ok bool) {
	if wait, is := errors.AsType[*quota.WaitError](err); is {
		return fromWait(wait), true
	}
	if failed, is := console.AsError(err); is {
		v := fromConsole(failed, interval)
		if errors.Is(err, console.ErrReading) {
			// Whoever waits for a reading is told when it has ended.
			v.RetryAfter = 0
		}
		return v, true
	}
	if errors.Is(err, console.ErrReading) {
		return Progressing("The console's users and teams are being read; nothing needs to be done."), true
	}
	return Verdict{}, false
}

func fromWait(wait *quota.WaitError) Verdict {
	at := wait.At.UTC().Round(time.Second).Format(time.RFC3339)
	switch wait.Reason {
	case quota.ReasonUnavailable:
		return Waiting(v1alpha1.ReasonConsoleUnavailable,
			"The console keeps failing, so it is tried with one call at a time until it answers; the next is due at %s.", at)
	case quota.ReasonThrottled:
		return Waiting(v1alpha1.ReasonRateLimited,
			"The console asked to slow down; %s, and this one's turn is expected at %s.", ahead(wait.Ahead), at)
	case quota.ReasonGuess:
		return Waiting(v1alpha1.ReasonRateLimited,
			"The console has refused calls, so others seem to use up its limit; "+
				"one call at a time tries whether it takes more, %s, and this one's turn is expected at %s.", ahead(wait.Ahead), at)
	case quota.ReasonRecord:
		return Waiting(v1alpha1.ReasonRateLimited,
			"The record of requests is being saved; %s, and this one's turn is expected at %s.", ahead(wait.Ahead), at)
	case quota.ReasonAnswers:
		return Waiting(v1alpha1.ReasonRateLimited,
			"The console has not answered the calls under way yet; %s, and this one's turn is expected at %s.", ahead(wait.Ahead), at)
	default:
		return Waiting(v1alpha1.ReasonRateLimited,
			"The rate limit is used up; %s, and this one's turn is expected at %s.", ahead(wait.Ahead), at)
	}
}

// turn finds the time in the messages of fromWait.
var turn = regexp.MustCompile(`turn is expected at (\S+)\.$`)

// Turn returns when the turn of an object is expected whose call waits in the
// quota, from the message of its condition.
func Turn(message string) (at time.Time, ok bool) {
	found := turn.FindStringSubmatch(message)
	if found == nil {
		return time.Time{}, false
	}
	at, err := time.Parse(time.RFC3339, found[1])
	return at, err == nil
}

func ahead(n int) string {
	if n == 1 {
		return "1 call waits ahead"
	}
	return fmt.Sprintf("%d calls wait ahead", n)
}

func fromConsole(e *console.Error, interval time.Duration) Verdict {
	said := e.Op
	if e.Message != "" {
		said += ": " + e.Message
	}
	switch e.Class {
	case console.Invalid, console.NotFound:
		return Rejected(e, interval, "The console refused the request", "Change the spec so that it accepts it")
	case console.Unauthorized:
		v := Stuck(v1alpha1.ReasonUnauthorized,
			"The console does not accept the connection's API key. Put a valid Console API key into the Secret that apiKeySecretRef names.")
		v.RetryAfter = interval
		return v
	case console.Forbidden:
		v := Stuck(v1alpha1.ReasonForbidden,
			"The connection's API key may not do this (%s). Use a key with the permission; the same is tried again every %s.", said, interval)
		v.RetryAfter = interval
		return v
	case console.Throttled:
		v := Waiting(v1alpha1.ReasonRateLimited, "The console asked to slow down; the call is made again when it may be.")
		v.RetryAfter = throttledPause
		return v
	default:
		status := "no usable answer came"
		if e.Status != 0 {
			status = fmt.Sprintf("HTTP %d", e.Status)
		}
		v := Waiting(v1alpha1.ReasonConsoleUnavailable,
			"The console could not be used (%s: %s). It is tried again by itself; if this stays, check the connection's endpoint and the console's own status.", e.Op, status)
		v.RetryAfter = unavailablePause
		return v
	}
}
