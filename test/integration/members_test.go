package integration

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/harness"
)

// staffed has the console hold n teams with a member each, and Teams for them
// that manage the members.
func staffed(t *testing.T, n int, o harness.Options) (*harness.Env, []client.Object) {
	name := func(i int) string { return fmt.Sprintf("Team %02d", i) }
	for i := range n {
		o.Teams = append(o.Teams, consolesim.Team{ID: fmt.Sprintf("id-%02d", i), Name: name(i), Members: []string{alan}})
	}
	e := harness.Shared(t, o)
	var all []client.Object
	for i := range n {
		all = append(all, e.Team(fmt.Sprintf("team-%02d", i), v1alpha1.TeamSpec{
			Name: name(i), AdoptionPolicy: v1alpha1.AdoptionAdopt, Members: emails(alan),
		}))
	}
	e.CreateMany(all)
	e.WaitReady(all...)
	return e, all
}

// joined adds somebody to a team by hand.
func joined(e *harness.Env, name, email string) {
	team := e.TeamNamed(name)
	team.Members = append(slices.Clone(team.Members), email)
	e.Sim.PutTeam(team)
}

func alone(b *consolesim.Behavior) { b.ListTeamsWithMembers = false }

// TestMembersAddedByHand are removed where the members are managed, and only
// there; where listings show them no team is read by itself for that.
func TestMembersAddedByHand(t *testing.T) {
	for _, inLists := range []bool{true, false} {
		t.Run(fmt.Sprintf("members in lists %v", inLists), func(t *testing.T) {
			e, all := staffed(t, 1, harness.Options{
				Teams:    []consolesim.Team{seeded("Growth")},
				Behavior: func(b *consolesim.Behavior) { b.ListTeamsWithMembers = inLists },
			})
			unmanaged := e.Team("unmanaged", v1alpha1.TeamSpec{Name: "Growth", AdoptionPolicy: v1alpha1.AdoptionAdopt, Admins: emails(grace)})
			e.Create(unmanaged)
			e.WaitReady(unmanaged)
			e.WantWrites(0)
			joined(e, "Team 00", edsger)
			joined(e, "Growth", edsger)
			e.WaitUntil("wait for the correction", func() bool { return len(e.TeamNamed("Team 00").Members) == 1 })
			e.WaitReady(all[0], unmanaged)
			e.WaitEvent(all[0], "Updated", `members from "alan@example.com, edsger@example.com" to "alan@example.com"`)
			e.WantQuiet()
			if got := e.TeamNamed("Growth").Members; !slices.Contains(got, edsger) {
				t.Errorf("the members that nobody manages are %v, want who was added by hand among them", got)
			}
			e.WantWrites(0, consolesim.UpdateTeam)
			if n := len(e.Since(0, consolesim.GetTeam)); inLists && n != 0 {
				t.Errorf("%d teams were read by themselves although listings show the members", n)
			}
		})
	}
}

// TestMembersAreReadInTurn: without members in listings each team is read once
// an interval, one after the other, and says when that was.
func TestMembersAreReadInTurn(t *testing.T) {
	const teams, interval = 6, 3 * time.Second
	e, all := staffed(t, teams, harness.Options{
		Behavior:   alone,
		Connection: func(c *v1alpha1.ConsoleConnectionSpec) { c.Drift.Interval.Duration = interval },
	})
	verified := func() (times []time.Time) {
		for _, obj := range all {
			e.Refresh(obj)
			times = append(times, obj.(*v1alpha1.Team).Status.LastVerifiedTime.Time)
		}
		return times
	}
	before, mark := verified(), e.Mark()
	e.WaitUntil("wait for three rounds", func() bool { return len(e.Since(mark, consolesim.GetTeam)) >= 3*teams })
	reads := e.Since(mark, consolesim.GetTeam)[:3*teams]
	of := map[string]int{}
	for i, r := range reads {
		of[r.Path]++
		// All at once would be teams of them within no time.
		if i >= teams/2 && r.Received.Sub(reads[i-teams/2].Received) < interval/teams {
			t.Errorf("%d teams were read within %v", teams/2+1, r.Received.Sub(reads[i-teams/2].Received))
		}
	}
	for path, n := range of {
		if len(of) != teams || n < 2 || n > 4 {
			t.Errorf("%s was read %d times in three rounds of %d teams", path, n, len(of))
		}
	}
	if took := reads[len(reads)-1].Received.Sub(reads[0].Received); took < 2*interval {
		t.Errorf("three rounds took %v, want about %v", took, 3*interval)
	}
	for i, at := range verified() {
		if !at.After(before[i]) {
			t.Errorf("team %d says that it was verified at %v, as before", i, at)
		}
	}
	e.WantWrites(0)
}

// TestRequestedConnectionReadsMembers: who asks for a check of a connection has
// the teams read, too, that are read one by one, but not ahead of what people
// change.
func TestRequestedConnectionReadsMembers(t *testing.T) {
	const teams, window = 16, 10
	e, all := staffed(t, teams, harness.Options{
		Windows:    []consolesim.Window{{Requests: window, Per: 2 * time.Second}},
		Behavior:   alone,
		Connection: hourly,
	})
	role := e.UserRole(edsger, "Read Only")
	e.Create(role)
	e.WaitReady(role, e.Connection)
	joined(e, "Team 11", edsger)
	mark := e.Mark()
	e.Annotate(e.Connection, v1alpha1.ReconcileRequestedAtAnnotation, "1")
	e.WaitUntil("wait for the first check", func() bool { return len(e.Since(mark, consolesim.GetTeam)) > 0 })
	harness.Update(e, role, func(role *v1alpha1.UserRole) { role.Spec.Role = "Member" })
	e.WaitReady(role)
	if n := len(e.Since(mark, consolesim.GetTeam)); n >= teams {
		e.Fatalf("%d teams were read before a person's change was made", n)
	}
	e.WaitUntil("wait for the correction", func() bool { return len(e.TeamNamed("Team 11").Members) == 1 })
	e.WaitUntil("wait for all to be read", func() bool { return len(e.Since(mark, consolesim.GetTeam)) >= teams })
	e.WaitReady(all...)
	if e.Refresh(e.Connection); e.Connection.Status.LastHandledReconcileAt != "1" {
		t.Errorf("status %+v, want the request handled", e.Connection.Status)
	}
	reads := map[string]int{}
	for _, r := range e.Since(mark, consolesim.GetTeam) {
		reads[r.Path]++
	}
	for path, n := range reads {
		if len(reads) != teams || n != 1 {
			t.Errorf("%s was read %d times, %d teams in all; want each of %d once", path, n, len(reads), teams)
		}
	}
	e.WantWritesInAnyOrder(mark, consolesim.UpdateUser, consolesim.UpdateTeam)
}

// TestQuotaTooSmall: a connection whose teams cannot all be read in time says
// so, and in which time they can; with that interval it is content.
func TestQuotaTooSmall(t *testing.T) {
	const teams = 6
	e, _ := staffed(t, teams, harness.Options{
		Windows:  []consolesim.Window{{Requests: 20, Per: 2 * time.Second}},
		Behavior: alone,
		Connection: func(c *v1alpha1.ConsoleConnectionSpec) {
			c.RateLimit.Share = 100
		},
	})
	onTime := func(status metav1.ConditionStatus, reason, begins string) string {
		t.Helper()
		var told *metav1.Condition
		e.WaitUntil("wait for OnTime "+string(status), func() bool {
			e.Refresh(e.Connection)
			told = meta.FindStatusCondition(e.Connection.Status.Conditions, v1alpha1.OnTimeCondition)
			return told != nil && told.Status == status && told.Reason == reason &&
				strings.HasPrefix(told.Message, begins) && told.ObservedGeneration == e.Connection.Generation
		})
		return told.Message
	}
	message := onTime(metav1.ConditionFalse, v1alpha1.ReasonQuotaTooSmall, "6 teams ")
	match := regexp.MustCompile(`^6 teams .* permits every (\S+), not every 1s\. Set spec\.drift\.interval to that`).FindStringSubmatch(message)
	if match == nil {
		e.Fatalf("the message does not tell the interval: %s", message)
	}
	achievable, err := time.ParseDuration(match[1])
	// A quarter of 20 in 2s is 5 for 6 teams and the two listings.
	if err != nil || achievable != 4*time.Second {
		e.Fatalf("achievable is %v (%v), want 8/5 of 2s, rounded up to what is certain", match[1], err)
	}
	harness.Update(e, e.Connection, func(c *v1alpha1.ConsoleConnection) { c.Spec.Drift.Interval.Duration = achievable })
	onTime(metav1.ConditionTrue, v1alpha1.ReasonWithinQuota, "All teams ")
	if err := e.Sim.SetBehavior(func(b *consolesim.Behavior) { b.ListTeamsWithMembers = true }); err != nil {
		t.Fatal(err)
	}
	e.WaitUntil("wait until nothing needs to be in time", func() bool {
		e.Refresh(e.Connection)
		return meta.FindStatusCondition(e.Connection.Status.Conditions, v1alpha1.OnTimeCondition) == nil
	})
}
