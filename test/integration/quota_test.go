package integration

import (
	"fmt"
	"regexp"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/harness"
)

// rateLimited is what an object says that waits for its turn.
var rateLimited = regexp.MustCompile(`^The (rate limit is used up|record of requests is being saved|console has not answered the calls under way yet); (1 call waits|\d+ calls wait) ahead, and this one's turn is expected at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\.$`)

// TestBacklog: more objects than a window admits calls become Ready one window
// after the other, say so meanwhile, and never overfill one.
func TestBacklog(t *testing.T) {
	const objects, requests = 60, 20
	e := harness.Shared(t, harness.Options{
		Windows: []consolesim.Window{{Requests: requests, Per: 2 * time.Second}},
		Connection: func(c *v1alpha1.ConsoleConnectionSpec) {
			c.RateLimit.Share = 100
			c.Drift.Interval.Duration = time.Hour
		},
	})
	e.WaitReady(e.Connection)
	suspend := func(on bool) {
		harness.Update(e, e.Connection, func(c *v1alpha1.ConsoleConnection) { c.Spec.Suspend = on })
	}
	suspend(true)
	e.WaitReason(e.Connection, v1alpha1.ReasonSuspended)
	var all []client.Object
	for i := range objects / 2 {
		email := fmt.Sprintf("user-%02d@example.com", i)
		e.Sim.PutUser(consolesim.User{Email: email})
		all = append(all, e.Team(fmt.Sprintf("team-%02d", i), v1alpha1.TeamSpec{}), e.UserRole(email, "Analyst", func(s *v1alpha1.UserRoleSpec) {
			s.WhenMissing = v1alpha1.WhenMissingWait
		}))
	}
	e.Create(all...)
	suspend(false)
	said := map[string]bool{}
	e.WaitUntil("wait until all are Ready", func() bool {
		ready := 0
		for _, obj := range all {
			e.Refresh(obj)
			switch c := harness.Ready(obj); c.Reason {
			case v1alpha1.ReasonSynced:
				ready++
			case v1alpha1.ReasonRateLimited:
				said[c.Message] = true
			}
		}
		return ready == objects
	})
	if len(said) == 0 {
		e.Fatalf("nobody said that they wait for their turn")
	}
	for message := range said {
		if !rateLimited.MatchString(message) {
			t.Errorf("the message does not tell the turn: %s", message)
		}
	}
	if n := len(e.Writes(0)); n != objects {
		t.Errorf("%d writes, want one for each object", n)
	}
	if used := e.Sim.Quota()[0].Max; used > requests || used < requests*3/4 {
		t.Errorf("the fullest window held %d requests, want up to %d, and most of them", used, requests)
	}
}

// TestUpToDateObjectsCostNothing: what already is as it should be costs the
// pages of one listing, however many objects there are.
func TestUpToDateObjectsCostNothing(t *testing.T) {
	const people = 150
	e := harness.Shared(t, harness.Options{
		Windows:    []consolesim.Window{{Requests: 8, Per: time.Hour}},
		Connection: func(c *v1alpha1.ConsoleConnectionSpec) { c.Drift.Interval.Duration = time.Hour },
	})
	var all []client.Object
	for i := range people {
		email := fmt.Sprintf("user-%03d@example.com", i)
		e.Sim.PutUser(consolesim.User{Email: email, Role: "Member"})
		all = append(all, e.UserRole(email, "member"))
	}
	e.CreateMany(all)
	e.WaitReady(all...)
	if n := len(e.Since(0)); n != 3 {
		e.Fatalf("%d requests, want two pages of users and one of teams", n)
	}
}

// TestWorkWithoutCallsIsNotHeldUp: with the quota spent for the next minutes,
// whatever needs no call is done at once.
func TestWorkWithoutCallsIsNotHeldUp(t *testing.T) {
	e := harness.Shared(t, harness.Options{
		Windows: []consolesim.Window{{Requests: 12, Per: 10 * time.Minute}},
		Teams:   []consolesim.Team{seeded("Growth")},
		Connection: func(c *v1alpha1.ConsoleConnectionSpec) {
			c.RateLimit.Share = 100
			c.Drift.Interval.Duration = time.Hour
		},
	})
	orphan := e.Team("orphan", v1alpha1.TeamSpec{DeletionPolicy: v1alpha1.TeamOrphan})
	e.Create(orphan)
	e.WaitReady(orphan, e.Connection)
	var waiting []client.Object
	for i := range 14 {
		waiting = append(waiting, e.Team(fmt.Sprintf("waiting-%02d", i), v1alpha1.TeamSpec{}))
	}
	e.Create(waiting...)
	e.WaitUntil("wait until the quota is spent", func() bool {
		limited := 0
		for _, obj := range waiting {
			if e.Refresh(obj); harness.Ready(obj).Reason == v1alpha1.ReasonRateLimited {
				limited++
			}
		}
		return limited >= 4 && e.Sim.Quota()[0].Used == 12
	})
	mark := e.Mark()
	upToDate, same := e.UserRole(alan, "Member"), adopting(e, "Growth")
	taken := e.Team("zzz", v1alpha1.TeamSpec{Name: "orphan"})
	exists := e.Team("exists", v1alpha1.TeamSpec{Name: "Growth"})
	suspended := e.Team("suspended", v1alpha1.TeamSpec{Suspend: true})
	observed := e.UserRole(edsger, "Member", func(s *v1alpha1.UserRoleSpec) { s.Mode = v1alpha1.ModeObserve })
	unknown := e.UserRole("zoe@example.com", "Member", func(s *v1alpha1.UserRoleSpec) { s.ConnectionRef.Name = "nowhere" })
	e.Create(upToDate, same, taken, suspended, observed, unknown)
	e.WaitReady(upToDate, same)
	e.Create(exists)
	e.WaitReason(taken, v1alpha1.ReasonNameTaken)
	e.WaitReason(suspended, v1alpha1.ReasonSuspended)
	e.WaitReason(observed, v1alpha1.ReasonDriftDetected)
	e.WaitReason(unknown, v1alpha1.ReasonConnectionNotReady)
	e.WaitReason(exists, v1alpha1.ReasonNameTaken)
	e.Delete(orphan, waiting[13], same)
	e.WaitGone(orphan, waiting[13], same)
	if n := len(e.Since(mark)); n > 0 {
		e.Fatalf("%d requests were made, want none", n)
	}
}

// TestRevocationsGoFirst: what takes access away does not wait behind what
// gives it.
func TestRevocationsGoFirst(t *testing.T) {
	e := harness.Shared(t, harness.Options{
		Windows: []consolesim.Window{{Requests: 10, Per: 4 * time.Second}},
		Connection: func(c *v1alpha1.ConsoleConnectionSpec) {
			c.RateLimit.Share = 100
			c.Drift.Interval.Duration = time.Hour
		},
	})
	revoked := e.UserRole(alan, "Member")
	e.Create(revoked)
	e.WaitReady(revoked)
	var waiting []client.Object
	for i := range 40 {
		waiting = append(waiting, e.Team(fmt.Sprintf("waiting-%02d", i), v1alpha1.TeamSpec{}))
	}
	e.Create(waiting...)
	e.WaitUntil("wait until the window is full", func() bool { return e.Sim.Quota()[0].Used >= 8 })
	mark := e.Mark()
	harness.Update(e, revoked, func(role *v1alpha1.UserRole) { role.Spec.Role = "Read Only" })
	e.WaitReady(revoked)
	before := 0
	for _, r := range e.Since(mark) {
		if r.Endpoint == consolesim.UpdateUser {
			break
		}
		before++
	}
	// In turn it would go in the fourth window from here. It goes in the next one,
	// in which those of whatever was let out beside it may overtake it.
	if before > 12 {
		e.Fatalf("%d calls went before the one that takes access away, want those of one window at most", before)
	}
}
