// Package leak proves that the operator holds, after any number of objects has
// come and gone, what it held before.
package leak

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/harness"
)

// The test is alone in its package: it counts what the whole process holds.
func TestMain(m *testing.M) {
	runtime.MemProfileRate = 1
	os.Exit(harness.Main(m))
}

const (
	rounds = 5
	// settled is the round after which no more is to be held: the first ones
	// make what is there for good.
	settled = 2
	teams   = 6
)

// A holding is what the process holds at a time.
type holding struct {
	goroutines, connections int
	// own are bytes that the operator's packages asked for, all those of the
	// libraries too.
	own, all int64
	// by are the bytes by who asked for them, innermost first.
	by map[string]int64
}

func (h holding) String() string {
	return fmt.Sprintf("%d goroutines, %d connections to the console, %d bytes of its own, %d in all", h.goroutines, h.connections, h.own, h.all)
}

// What may be held more than before: connections come and go, each with a few
// goroutines, and a buffer may have grown.
var slack = holding{goroutines: 24, connections: 6, own: 8 << 10, all: 256 << 10}

func (h holding) exceeds(before holding) bool {
	return h.goroutines > before.goroutines+slack.goroutines || h.connections > before.connections+slack.connections ||
		h.own > before.own+slack.own || h.all > before.all+slack.all
}

// TestNothingPilesUp has objects and connections come, change, fail and go,
// round after round.
func TestNothingPilesUp(t *testing.T) {
	e := harness.Own(t, harness.Options{
		Windows: []consolesim.Window{{Requests: 100_000, Per: time.Second}},
		Connection: func(c *v1alpha1.ConsoleConnectionSpec) {
			many := int32(1 << 30)
			c.DeletionBrake.MaxDeletes, c.DeletionBrake.Per.Duration = &many, time.Second
		},
	})
	e.WaitReady(e.Connection)
	var before, now holding
	for round := range rounds {
		churn(e, round)
		e.Sim.ResetRequests()
		if now = held(e); round == settled {
			before = now
		}
		t.Logf("round %d: %v", round, now)
	}
	// What is merely about to go is given the time.
	e.Eventually("wait for the last round's leavings to go", func() error {
		if now = held(e); now.exceeds(before) {
			return fmt.Errorf("after round %d: %v; %d rounds later: %v\n%s", settled, before, rounds-settled-1, now, grown(before, now))
		}
		return nil
	})
	t.Logf("at the end: %v\n%s", now, grown(before, now))
	if n := panics(t); n > 0 {
		t.Errorf("%v panics were recovered", n)
	}
}

// churn has a connection, Teams and UserRoles come, change while the console
// fails, and go.
func churn(e *harness.Env, round int) {
	faults := []consolesim.Fault{
		{Endpoint: consolesim.ListTeams, Effect: consolesim.EffectError},
		{Endpoint: consolesim.UpdateTeam, Effect: consolesim.EffectCutAfter},
		{Endpoint: consolesim.ListUsers, Effect: consolesim.EffectTruncated},
		{Endpoint: consolesim.UpdateUser, Effect: consolesim.EffectTooMany, RetryAfter: "0"},
		{Endpoint: consolesim.UpdateTeam, Effect: consolesim.EffectNotJSON},
	}
	other := e.NewConnection(e.Namespace + "-other")
	other.Spec.APIKeySecretRef.Name, other.Spec.RateLimit.Group = e.Namespace, e.Namespace
	e.Create(other)
	var all []client.Object
	for i := range teams {
		team := e.Team(fmt.Sprintf("team-%d-%d", round, i), v1alpha1.TeamSpec{Members: []v1alpha1.EmailAddress{"alan@example.com", "nobody@example.com"}})
		if i == 0 {
			team.Spec.ConnectionRef.Name = other.Name
		}
		all = append(all, team)
	}
	for i, person := range harness.People() {
		all = append(all, e.UserRole(person.Email, person.Role, func(s *v1alpha1.UserRoleSpec) { s.DeletionPolicy = v1alpha1.UserRoleRestore }))
		if i == 0 {
			all = append(all, e.UserRole(fmt.Sprintf("nobody-%d@example.com", round), "Member"))
		}
	}
	e.Create(all...)
	for _, obj := range all {
		reason := v1alpha1.ReasonSynced
		if _, ok := obj.(*v1alpha1.Team); ok || strings.HasPrefix(obj.GetName(), "nobody") {
			reason = v1alpha1.ReasonUserNotFound
		}
		e.WaitReason(obj, reason)
	}
	fault := faults[round%len(faults)]
	fault.Times = 1
	e.Sim.Inject(fault)
	for _, obj := range all {
		switch obj := obj.(type) {
		case *v1alpha1.Team:
			harness.Update(e, obj, func(team *v1alpha1.Team) { text := fmt.Sprint(round); team.Spec.Description = &text })
		case *v1alpha1.UserRole:
			harness.Update(e, obj, func(role *v1alpha1.UserRole) { name := fmt.Sprint(round); role.Spec.LastName = &name })
		}
	}
	e.WaitUntil("wait for the fault to strike", func() bool { return e.Sim.Faults()[0].Hits == fault.Times })
	e.Sim.ClearFaults()
	e.Delete(all...)
	e.Delete(other)
	e.WaitGone(all...)
	e.WaitGone(other)
}

// held measures, after everything unused is gone.
func held(e *harness.Env) holding {
	h := holding{by: map[string]int64{}}
	runtime.GC()
	runtime.GC()
	records := make([]runtime.MemProfileRecord, 1<<16)
	n, ok := runtime.MemProfile(records, false)
	if !ok {
		e.Fatalf("the profile of the memory has %d records", n)
	}
	for _, r := range records[:n] {
		who, own, counted := whose(r.Stack())
		if counted {
			h.all += r.InUseBytes()
			h.by[who] += r.InUseBytes()
		}
		if own {
			h.own += r.InUseBytes()
		}
	}
	h.goroutines, h.connections = runtime.NumGoroutine(), e.Connections()
	return h
}

const module = "github.com/console-access/console-access-operator/"

// kept are who keeps memory on purpose, and does not count: the tests; events,
// of which client-go makes series for minutes; and the view of a project, which
// remembers for an hour who is gone (TestWhoIsGoneIsForgotten).
var kept = []string{
	module + "test/", module + "internal/consolesim", "testing.", "net/http.(*conn).serve", "runtime.MemProfile",
	"k8s.io/client-go/tools/events.", module + "internal/console.wake[", module + "internal/console.(*Project).DeleteTeam",
	module + "internal/console.(*Project).acceptTeam", module + "internal/console.(*Project).person", module + "internal/console.(*Project).wrote",
}

// whose tells who asked for memory, whether the operator's own packages are
// among them, and whether it counts.
func whose(stack []uintptr) (who string, own, counted bool) {
	frames := runtime.CallersFrames(stack)
	for {
		frame, more := frames.Next()
		for _, kept := range kept {
			if strings.HasPrefix(frame.Function, kept) {
				return "", false, false
			}
		}
		who += "\n    " + frame.Function
		own = own || strings.HasPrefix(frame.Function, module+"internal/")
		if !more {
			return who, own, true
		}
	}
}

// panics counts the panics that controller-runtime recovered from.
func panics(t *testing.T) (n float64) {
	t.Helper()
	families, err := ctrlmetrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, family := range families {
		if family.GetName() != "controller_runtime_reconcile_panics_total" {
			continue
		}
		found = true
		for _, m := range family.GetMetric() {
			n += m.GetCounter().GetValue()
		}
	}
	if !found {
		t.Fatal("controller-runtime no longer counts panics")
	}
	return n
}

// grown tells who holds most more than before.
func grown(before, now holding) string {
	all := slices.SortedFunc(maps.Keys(now.by), func(a, b string) int {
		return cmp.Compare(now.by[b]-before.by[b], now.by[a]-before.by[a])
	})
	var out strings.Builder
	all = slices.DeleteFunc(all, func(who string) bool { return !strings.Contains(who, module) })
	for _, who := range all[:min(len(all), 5)] {
		fmt.Fprintf(&out, "%d bytes more by%s\n", now.by[who]-before.by[who], who)
	}
	return out.String()
}
