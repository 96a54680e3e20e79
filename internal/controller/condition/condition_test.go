package condition

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/quota"
)

const interval = 10 * time.Minute

// refusedConnection is what the network says, with a port that is another one
// at every attempt.
func refusedConnection(port int) error {
	return &net.OpError{Op: "read", Net: "tcp", Source: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 7), Port: port},
		Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443}, Err: errors.New("connection reset by peer")}
}

func TestFromError(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 400_000_000, time.FixedZone("", 3600))
	wait := func(reason quota.Reason, ahead int) error {
		return &quota.WaitError{Reason: reason, Ahead: ahead, At: at}
	}
	failed := func(class console.Class, status int, message string, err error) error {
		return &console.Error{Class: class, Op: "update team", Status: status, Message: message, Err: err, RetryAfter: time.Hour}
	}
	tests := []struct {
		name    string
		err     error
		state   State
		reason  string
		retry   time.Duration
		message string
	}{
		{"quota", wait(quota.ReasonQuota, 3), Working, v1alpha1.ReasonRateLimited, 0,
			"The rate limit is used up; 3 calls wait ahead, and this one's turn is expected at 2026-03-01T11:00:00Z."},
		{"one ahead", wait(quota.ReasonQuota, 1), Working, v1alpha1.ReasonRateLimited, 0,
			"The rate limit is used up; 1 call waits ahead, and this one's turn is expected at 2026-03-01T11:00:00Z."},
		{"gate", wait(quota.ReasonThrottled, 0), Working, v1alpha1.ReasonRateLimited, 0,
			"The console asked to slow down; 0 calls wait ahead, and this one's turn is expected at 2026-03-01T11:00:00Z."},
		{"guess", wait(quota.ReasonGuess, 1), Working, v1alpha1.ReasonRateLimited, 0,
			"The console has refused calls, so others seem to use up its limit; one call at a time tries whether it takes more, 1 call waits ahead, and this one's turn is expected at 2026-03-01T11:00:00Z."},
		{"record", wait(quota.ReasonRecord, 2), Working, v1alpha1.ReasonRateLimited, 0,
			"The record of requests is being saved; 2 calls wait ahead, and this one's turn is expected at 2026-03-01T11:00:00Z."},
		{"slow", wait(quota.ReasonAnswers, 2), Working, v1alpha1.ReasonRateLimited, 0,
			"The console has not answered the calls under way yet; 2 calls wait ahead, and this one's turn is expected at 2026-03-01T11:00:00Z."},
		{"circuit", wait(quota.ReasonUnavailable, 2), Working, v1alpha1.ReasonConsoleUnavailable, 0,
			"The console keeps failing, so it is tried with one call at a time until it answers; the next is due at 2026-03-01T11:00:00Z."},
		{"reading", console.ErrReading, Working, v1alpha1.ReasonProgressing, 0,
			"The console's users and teams are being read; nothing needs to be done."},
		{"invalid", failed(console.Invalid, 400, "no such metric", nil), Stalled, v1alpha1.ReasonRejected, interval,
			"The console refused the request (update team: no such metric). Change the spec so that it accepts it; the same is tried again every 10m0s."},
		{"invalid, never sent", failed(console.Invalid, 0, "", errors.New("the team's members are not known")), Stalled, v1alpha1.ReasonRejected, interval,
			"The console refused the request (update team: the team's members are not known). Change the spec so that it accepts it; the same is tried again every 10m0s."},
		{"unauthorized", failed(console.Unauthorized, 401, "key console-SECRET", nil), Stalled, v1alpha1.ReasonUnauthorized, interval,
			"The console does not accept the connection's API key. Put a valid Console API key into the Secret that apiKeySecretRef names."},
		{"forbidden", failed(console.Forbidden, 403, "", nil), Stalled, v1alpha1.ReasonForbidden, interval,
			"The connection's API key may not do this (update team). Use a key with the permission; the same is tried again every 10m0s."},
		{"throttled", failed(console.Throttled, 429, "", nil), Working, v1alpha1.ReasonRateLimited, throttledPause,
			"The console asked to slow down; the call is made again when it may be."},
		{"not found", failed(console.NotFound, 404, "Holdout not found", nil), Stalled, v1alpha1.ReasonRejected, interval,
			"The console refused the request (update team: Holdout not found). Change the spec so that it accepts it; the same is tried again every 10m0s."},
		{"unavailable", failed(console.Unavailable, 503, "", nil), Working, v1alpha1.ReasonConsoleUnavailable, unavailablePause,
			"The console could not be used (update team: HTTP 503). It is tried again by itself; if this stays, check the connection's endpoint and the console's own status."},
		{"ambiguous", failed(console.Ambiguous, 0, "", refusedConnection(49152)), Working, v1alpha1.ReasonConsoleUnavailable, unavailablePause,
			"The console could not be used (update team: no usable answer came). It is tried again by itself; if this stays, check the connection's endpoint and the console's own status."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := Verdict{State: tt.state, Reason: tt.reason, Message: tt.message, RetryAfter: tt.retry}
			for _, err := range []error{tt.err, fmt.Errorf("update team 7: %w", tt.err), errors.Join(errors.New("another"), tt.err)} {
				if got, ok := FromError(err, interval); !ok || got != want {
					t.Errorf("%+v, %v\nwant %+v", got, ok, want)
				}
			}
			if console.ClassOf(tt.err) == "" {
				return
			}
			// Whoever waits for a reading is told, and needs no timer.
			want.RetryAfter = 0
			if got, _ := FromError(fmt.Errorf("%w again after: %w", console.ErrReading, tt.err), interval); got != want {
				t.Errorf("as the failure of a listing: %+v", got)
			}
		})
	}
	for _, err := range []error{errors.New("conflict"), nil} {
		if v, ok := FromError(err, interval); ok || v != (Verdict{}) {
			t.Errorf("%v is no failure of the console: %+v", err, v)
		}
	}
}

// A message is the same for the same fact: no port, no address, no key.
func TestMessagesAreStable(t *testing.T) {
	volatile := regexp.MustCompile(`\d+\.\d+\.\d+\.\d+|:\d{4,}|SECRET|connection reset|goroutine|0x[0-9a-f]+`)
	for _, class := range []console.Class{console.Throttled, console.Unavailable, console.Ambiguous, console.NotFound, console.Unauthorized, console.Forbidden} {
		var said []string
		for port := range 3 {
			v, _ := FromError(&console.Error{Class: class, Op: "get user", Err: refusedConnection(50000 + port)}, interval)
			said = append(said, v.Message)
		}
		if said[0] != said[1] || said[1] != said[2] || volatile.MatchString(said[0]) || !strings.HasSuffix(said[0], ".") {
			t.Errorf("%s: %q", class, said)
		}
	}
}

func TestSet(t *testing.T) {
	verdicts := map[State]Verdict{
		Working: Progressing("a"), Ready: Synced("b"), Stalled: Stuck(v1alpha1.ReasonRejected, "%s", "c"), Paused: Suspended("d"),
	}
	want := map[State]string{
		Working: "Ready=False Reconciling=True", Ready: "Ready=True", Stalled: "Ready=False Stalled=True", Paused: "Ready=False",
	}
	var conditions []metav1.Condition
	for from := range verdicts {
		for to, v := range verdicts {
			Set(&conditions, 1, verdicts[from])
			Set(&conditions, 7, v)
			if got := shown(conditions); got != want[to] {
				t.Errorf("from %d to %d: %s, want %s", from, to, got, want[to])
			}
			for _, c := range conditions {
				if c.Reason != v.Reason || c.Message != v.Message || c.ObservedGeneration != 7 || c.LastTransitionTime.IsZero() {
					t.Errorf("%+v does not say %+v", c, v)
				}
			}
			if reason, current := Current(conditions, 7); reason != v.Reason || !current || IsReady(conditions, 7) != (to == Ready) || IsReady(conditions, 8) {
				t.Errorf("current %q %v, ready %v", reason, current, IsReady(conditions, 7))
			}
			before, _ := json.Marshal(conditions)
			for range 20 {
				Set(&conditions, 7, v)
			}
			if after, _ := json.Marshal(conditions); string(after) != string(before) {
				t.Errorf("said again:\n%s\n%s", before, after)
			}
		}
	}
}

func shown(conditions []metav1.Condition) string {
	var out []string
	for _, kind := range []string{v1alpha1.ReadyCondition, v1alpha1.ReconcilingCondition, v1alpha1.StalledCondition} {
		for _, c := range conditions {
			if c.Type == kind {
				out = append(out, kind+"="+string(c.Status))
			}
		}
	}
	return strings.Join(out, " ")
}

func TestNothingSaidYet(t *testing.T) {
	if reason, current := Current(nil, 0); reason != "" || current || IsReady(nil, 0) {
		t.Error("something was said")
	}
	if Of(nil) != (Verdict{}) || Of(&Verdict{Reason: "x"}).Reason != "x" {
		t.Error("Of is wrong")
	}
	if v := Waiting("R", "%d", 1); v.State != Working || v.Reason != "R" || v.Message != "1" {
		t.Errorf("Waiting: %+v", v)
	}
}

func TestTurn(t *testing.T) {
	at := time.Date(2026, 3, 1, 11, 0, 0, 0, time.UTC)
	for _, reason := range []quota.Reason{quota.ReasonQuota, quota.ReasonThrottled, quota.ReasonRecord, quota.ReasonGuess, quota.ReasonAnswers} {
		v, _ := FromError(&quota.WaitError{Reason: reason, Ahead: 3, At: at}, interval)
		if got, ok := Turn(v.Message); !ok || !got.Equal(at) {
			t.Errorf("%s: the turn in %q is %v, %v", reason, v.Message, got, ok)
		}
	}
	if got, ok := Turn("The console has this team as the spec says."); ok {
		t.Errorf("a turn where there is none: %v", got)
	}
}
