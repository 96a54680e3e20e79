package integration

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/harness"
)

// TestConnectionsShareAQuota: two connections with one key, or of one group,
// draw from the same windows, and read each listing once.
func TestConnectionsShareAQuota(t *testing.T) {
	for _, sameKey := range []bool{true, false} {
		t.Run(fmt.Sprintf("same key %v", sameKey), func(t *testing.T) {
			e := harness.Shared(t, harness.Options{
				Windows: []consolesim.Window{{Requests: 15, Per: 2 * time.Second}},
				Connection: func(c *v1alpha1.ConsoleConnectionSpec) {
					c.Drift.Interval.Duration = time.Hour
					if !sameKey {
						c.RateLimit.Group = "group-of-" + c.APIKeySecretRef.Name
					}
				},
			})
			other := e.NewConnection(e.Namespace + "-other")
			other.Spec.APIKeySecretRef.Name = e.Connection.Name
			other.Spec.RateLimit.Group, other.Spec.Drift.Interval.Duration = e.Connection.Spec.RateLimit.Group, time.Hour
			if !sameKey {
				key := "canary-other-" + e.Namespace
				e.Sim.AddKey(key)
				e.CreateSecret(other.Name, key)
				other.Spec.APIKeySecretRef.Name = other.Name
			}
			e.Create(other)
			var all []client.Object
			for i := range 20 {
				team := e.Team(fmt.Sprintf("team-%02d", i), v1alpha1.TeamSpec{})
				if i%2 == 1 {
					team.Spec.ConnectionRef.Name = other.Name
				}
				all = append(all, team)
			}
			e.Create(all...)
			e.WaitReady(all...)
			e.WaitReady(e.Connection, other)
			if sameKey && len(e.Since(0, consolesim.ListUsers)) != 1 {
				t.Errorf("%d listings of users, want one for both", len(e.Since(0, consolesim.ListUsers)))
			}
			if e.Connection.Status.Quota.Group != other.Status.Quota.Group {
				t.Errorf("groups %q and %q, want one", e.Connection.Status.Quota.Group, other.Status.Quota.Group)
			}
		})
	}
}

// TestCountsMutations: reads cost nothing when the console counts only writes.
func TestCountsMutations(t *testing.T) {
	e := harness.Shared(t, harness.Options{
		Windows: []consolesim.Window{{Requests: 8, Per: 2 * time.Second}},
		Behavior: func(b *consolesim.Behavior) {
			b.Count, b.MaxPageSize = consolesim.CountMutations, 1
		},
		Connection: func(c *v1alpha1.ConsoleConnectionSpec) { c.RateLimit.Counts = v1alpha1.CountsMutations },
	})
	var all []client.Object
	for i := range 12 {
		all = append(all, e.Team(fmt.Sprintf("team-%02d", i), v1alpha1.TeamSpec{}))
	}
	e.Create(all...)
	e.WaitReady(all...)
	if reads := len(e.Since(0)) - len(e.Writes(0)); reads < 12 {
		t.Errorf("%d reads, want more than the windows would admit", reads)
	}
}

// TestStricterConsole: when the console admits less than the connection says,
// its 429s are heeded and everything still becomes Ready.
func TestStricterConsole(t *testing.T) {
	for _, header := range []string{consolesim.RetryAfterSeconds, consolesim.RetryAfterDate, consolesim.RetryAfterAbsent} {
		t.Run(header, func(t *testing.T) {
			// Long enough for a busy machine to come up against it.
			per := 15 * time.Second
			e := harness.Shared(t, harness.Options{
				Windows:          []consolesim.Window{{Requests: 10, Per: per}},
				Behavior:         func(b *consolesim.Behavior) { b.RetryAfter = header },
				ExpectViolations: true,
				Connection: func(c *v1alpha1.ConsoleConnectionSpec) {
					c.RateLimit.Windows = []v1alpha1.RateLimitWindow{{Requests: 30, Per: metav1.Duration{Duration: per}}}
					c.Drift.Interval.Duration = time.Hour
				},
			})
			var all []client.Object
			for i := range 24 {
				all = append(all, e.Team(fmt.Sprintf("team-%02d", i), v1alpha1.TeamSpec{}))
			}
			e.Create(all...)
			e.WaitReady(all...)
			if n := len(e.Sim.Teams()); n != len(all) {
				t.Errorf("%d teams, want %d", n, len(all))
			}
			if n := e.Sim.Violations(); n == 0 || n > len(all) {
				t.Errorf("%d requests too many, want some, but not one for each object", n)
			}
		})
	}
}
