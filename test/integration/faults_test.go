package integration

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/harness"
)

// TestFailingWrites: whatever a write is answered with, none is made twice in
// effect, and all is as wanted once the console is well.
func TestFailingWrites(t *testing.T) {
	for name, fault := range mischief() {
		if closing(name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			e := harness.Shared(t, harness.Options{
				Teams:    []consolesim.Team{seeded("Growth")},
				Behavior: func(b *consolesim.Behavior) { b.DuplicateTeamNames = consolesim.NamesAllow },
			})
			for _, endpoint := range []string{consolesim.CreateTeam, consolesim.UpdateTeam, consolesim.UpdateUser} {
				fault.Endpoint, fault.Times = endpoint, 1
				e.Sim.Inject(fault)
			}
			made := e.Team("made", v1alpha1.TeamSpec{Name: "Made", Members: emails(alan)})
			kept := adopting(e, "Growth", func(s *v1alpha1.TeamSpec) { s.Description = ptr("Edited") })
			role := e.UserRole(edsger, "Member")
			e.Create(made, kept, role)
			e.WaitReady(made, kept, role)
			want := seeded("Growth")
			want.Description = ptr("Edited")
			wantTeam(t, e.TeamNamed("Growth"), want)
			e.WantRole(edsger, "Member")
			if got := e.TeamNamed("Made"); !slices.Equal(got.Members, []string{alan}) || got.ID != made.Status.ID {
				t.Errorf("team %+v with the status %+v", got, made.Status)
			}
			e.WantQuiet()
		})
	}
}

// TestRejectedTeam: the console's own words are told, the same is not sent
// again at once, and a spec that it accepts is.
func TestRejectedTeam(t *testing.T) {
	e := harness.Shared(t, harness.Options{Connection: func(c *v1alpha1.ConsoleConnectionSpec) { c.Drift.Interval.Duration = time.Hour }})
	e.Sim.Inject(consolesim.Fault{
		Endpoint: consolesim.CreateTeam, Times: 1, Effect: consolesim.EffectError, Status: 400, ContentType: "application/json",
		Body: `{"status":400,"message":"Team names must rhyme.\u0007"}`,
	})
	team := e.Team("growth", v1alpha1.TeamSpec{Name: "Growth"})
	e.Create(team)
	e.WaitMessage(team, v1alpha1.ReasonRejected, "Team names must rhyme.", "Change the spec")
	e.WantWrites(0, consolesim.CreateTeam)
	harness.Update(e, team, func(team *v1alpha1.Team) { team.Spec.Name = "Growth oath" })
	e.WaitReady(team)
	e.WantWrites(0, consolesim.CreateTeam, consolesim.CreateTeam)
}

// TestMembersWhoLeave between a listing and a write: they are told of, and the
// rest is applied, with no more than two writes.
func TestMembersWhoLeave(t *testing.T) {
	for _, position := range []string{consolesim.UnknownRefuse, consolesim.UnknownDrop} {
		t.Run(position, func(t *testing.T) {
			e := harness.Shared(t, harness.Options{Behavior: func(b *consolesim.Behavior) { b.UnknownMember = position }})
			create := e.Hold(http.MethodPost, "/console/v1/users/teams")
			team := e.Team("growth", v1alpha1.TeamSpec{Name: "Growth", Members: emails(alan, barbara), Admins: emails(grace)})
			e.Create(team)
			create.Wait(e)
			e.Sim.RemoveUser(barbara)
			create.Release()
			e.WaitMessage(team, v1alpha1.ReasonUserNotFound, "project: "+barbara)
			if got := e.TeamNamed("Growth"); !slices.Equal(got.Members, []string{alan}) || !slices.Equal(got.Admins, []string{grace}) {
				t.Errorf("team %+v, want all but who left", got)
			}
			e.WantQuiet()
			if n := len(e.Writes(0)); n > 2 {
				e.Fatalf("%d writes, want two at most", n)
			}
			e.Sim.PutUser(consolesim.User{Email: barbara})
			e.WaitReady(team)
		})
	}
}

// TestPersonWhoLeaves: a UserRole says that its person left, and sets the role
// again when they come back.
func TestPersonWhoLeaves(t *testing.T) {
	e := harness.Shared(t, harness.Options{})
	role := e.UserRole(alan, "Member")
	e.Create(role)
	e.WaitReady(role)
	e.Sim.RemoveUser(alan)
	e.WaitMessage(role, v1alpha1.ReasonUserNotFound, alan)
	e.Sim.PutUser(consolesim.User{Email: alan, Role: "Admin"})
	e.WaitReady(role)
	e.WantRole(alan, "Member")
	e.WantWrites(0, consolesim.UpdateUser)
}

// TestManyUnknownMembers: a message has room for a few of them only.
func TestManyUnknownMembers(t *testing.T) {
	e := harness.Shared(t, harness.Options{})
	members := []string{alan}
	for i := range 3000 {
		members = append(members, fmt.Sprintf("somebody-with-a-long-name-%04d@example.com", i))
	}
	team := e.Team("growth", v1alpha1.TeamSpec{Members: emails(members...)})
	e.Create(team)
	e.WaitMessage(team, v1alpha1.ReasonUserNotFound, "somebody-with-a-long-name-0000@example.com", "more")
	if got := e.TeamNamed("growth"); !slices.Equal(got.Members, []string{alan}) {
		t.Errorf("team %+v, want who is there", got)
	}
}

// TestDeletedNamespace: a namespace that goes with all its Teams meets the
// deletion brake, and ends when a person approves.
func TestDeletedNamespace(t *testing.T) {
	const teams = 14
	e := harness.Shared(t, harness.Options{})
	namespace := e.NewNamespace(nil)
	var all []client.Object
	for i := range teams {
		team := e.Team(fmt.Sprintf("team-%02d", i), v1alpha1.TeamSpec{})
		team.Namespace = namespace
		all = append(all, team)
	}
	e.Create(all...)
	e.WaitReady(all...)
	e.Delete(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})
	e.WaitUntil("wait for the brake", func() bool {
		e.Refresh(e.Connection)
		return e.Connection.Status.HeldDeletes == teams-10
	})
	e.Compared(2)
	if left := len(e.Sim.Teams()); left != teams-10 {
		e.Fatalf("%d teams are left, want those above the default of 10", left)
	}
	e.Annotate(e.Connection, v1alpha1.ApproveDeletesAnnotation, "all")
	e.WaitGone(all...)
	if left := e.Sim.Teams(); len(left) != 0 {
		t.Errorf("teams %+v, want none", left)
	}
}

// TestConsoleUnavailable: everybody says so while the console is down, it is
// not hammered, and all goes on by itself.
func TestConsoleUnavailable(t *testing.T) {
	e := harness.Shared(t, harness.Options{})
	e.WaitReady(e.Connection)
	e.Sim.Inject(consolesim.Fault{Effect: consolesim.EffectError, Status: 503})
	mark := e.Mark()
	var all []client.Object
	for i := range 10 {
		email := fmt.Sprintf("user-%02d@example.com", i)
		e.Sim.PutUser(consolesim.User{Email: email})
		all = append(all, e.UserRole(email, "Analyst"))
	}
	e.Create(all...)
	for _, obj := range all {
		e.WaitReason(obj, v1alpha1.ReasonConsoleUnavailable)
	}
	// One probe at a time, ever more seldom; what was on its way comes on top.
	if n := len(e.Since(mark)); n > 25 {
		e.Fatalf("%d requests to a console that is down", n)
	}
	e.Sim.ClearFaults()
	e.WaitReady(all...)
	for _, obj := range all {
		e.WantRole(string(obj.(*v1alpha1.UserRole).Spec.Email), "Analyst")
	}
}

// TestReconcileRequested: a person who asks gets a comparison now, however long
// the interval.
func TestReconcileRequested(t *testing.T) {
	e := harness.Shared(t, harness.Options{
		Teams:      []consolesim.Team{seeded("Growth")},
		Connection: func(c *v1alpha1.ConsoleConnectionSpec) { c.Drift.Interval.Duration = time.Hour },
	})
	team, role := adopting(e, "Growth"), e.UserRole(alan, "Member")
	e.Create(team, role)
	e.WaitReady(team, role, e.Connection)
	spoil := func() {
		changed := seeded("Growth")
		changed.Description = ptr("Changed by hand")
		e.Sim.PutTeam(changed)
		e.Sim.PutUser(consolesim.User{Email: alan, Role: "Admin"})
	}
	spoil()
	e.Annotate(team, v1alpha1.ReconcileRequestedAtAnnotation, "1")
	e.WaitUntil("wait for the team to be corrected", func() bool { return equal(e.TeamNamed("Growth").Description, ptr("Made by hand")) })
	e.WantRole(alan, "Admin")
	e.Annotate(e.Connection, v1alpha1.ReconcileRequestedAtAnnotation, "1")
	e.WaitUntil("wait for the role to be corrected", func() bool { u, _ := e.Sim.User(alan); return u.Role == "Member" })
	e.WantWrites(0, consolesim.UpdateTeam, consolesim.UpdateUser)
}
