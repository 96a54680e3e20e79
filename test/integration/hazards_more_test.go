package integration

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/harness"
)

// TestHazard04_RestartWritesNothing: with everything in sync a new process
// reads each listing once and writes neither to the console nor to Kubernetes.
func TestHazard04_RestartWritesNothing(t *testing.T) {
	const objects = 30
	e := harness.Own(t, harness.Options{
		Behavior:   func(b *consolesim.Behavior) { b.MaxPageSize = 20 },
		Connection: func(c *v1alpha1.ConsoleConnectionSpec) { c.Drift.Interval.Duration = time.Hour },
	})
	var all []client.Object
	for i := range objects {
		email := fmt.Sprintf("user-%02d@example.com", i)
		e.Sim.PutUser(consolesim.User{Email: email})
		all = append(all, e.Team(fmt.Sprintf("team-%02d", i), v1alpha1.TeamSpec{Members: emails(email)}), e.UserRole(email, "Analyst"))
	}
	e.Create(all...)
	e.WaitReady(all...)
	e.WaitReady(e.Connection)
	e.Operator.Stop()
	unwritten := e.Frozen(all...)

	mark := e.Mark()
	e.Operator.Start(t)
	probe := e.Team("after-the-restart", v1alpha1.TeamSpec{})
	e.Create(probe)
	e.WaitReady(probe)
	e.Consistently("nothing is written after a restart", 2*time.Second, func() error {
		if n := len(e.Writes(mark)); n != 1 {
			return fmt.Errorf("%d writes to the console, want that of the new object", n)
		}
		return unwritten()
	})
	// 35 people and 30 teams, or 31, 20 to a page.
	users, teams := len(e.Since(mark, consolesim.ListUsers)), len(e.Since(mark, consolesim.ListTeams))
	if users != 2 || teams != 2 || len(e.Since(mark)) != 5 {
		e.Fatalf("%d pages of users and %d of teams in %d requests, want 2, 2 and one creation", users, teams, len(e.Since(mark)))
	}
}

// TestHazard07_LabelsDeleteNothing: neither a namespace that is no longer
// admitted nor a selector that no longer matches touches the console.
func TestHazard07_LabelsDeleteNothing(t *testing.T) {
	selector := func(value string) v1alpha1.AllowedNamespaces {
		return v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromSelector, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"console": value}}}
	}
	e := harness.Shared(t, harness.Options{Connection: func(c *v1alpha1.ConsoleConnectionSpec) { c.AllowedNamespaces = selector("yes") }})
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: e.Namespace}}
	label := func(value string) {
		harness.Update(e, ns, func(ns *corev1.Namespace) { ns.Labels["console"] = value })
	}
	label("yes")
	team, role := e.Team("growth", v1alpha1.TeamSpec{Name: "Growth"}), e.UserRole(alan, "Admin")
	e.Create(team, role)
	e.WaitReady(team, role)
	mark := e.Mark()
	label("no")
	e.WaitReason(team, v1alpha1.ReasonNamespaceNotAllowed)
	e.WaitReason(role, v1alpha1.ReasonNamespaceNotAllowed)
	e.WantQuiet()
	harness.Update(e, e.Connection, func(c *v1alpha1.ConsoleConnection) { c.Spec.AllowedNamespaces = selector("no") })
	e.WaitReady(team, role)
	e.WantWrites(mark)
	e.TeamNamed("Growth")
	e.WantRole(alan, "Admin")
}

// TestHazard08_SecretGoneFirst: without the Secret a deletion says what it
// needs; the Secret back, or a person's word, ends it.
func TestHazard08_SecretGoneFirst(t *testing.T) {
	for _, connection := range []string{"stays", "is deleted"} {
		t.Run("the connection "+connection, func(t *testing.T) { secretGoneFirst(t, connection == "is deleted") })
	}
}

func secretGoneFirst(t *testing.T, connectionToo bool) {
	t.Helper()
	e := harness.Shared(t, harness.Options{})
	forced, patient := e.Team("forced", v1alpha1.TeamSpec{}), e.Team("patient", v1alpha1.TeamSpec{})
	role := e.UserRole(alan, "Admin", func(s *v1alpha1.UserRoleSpec) { s.DeletionPolicy = v1alpha1.UserRoleRestore })
	e.Create(forced, patient, role)
	e.WaitReady(forced, patient, role)
	e.Delete(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: e.Operator.Namespace, Name: e.Connection.Name}})
	e.WaitReason(e.Connection, v1alpha1.ReasonConnectionNotReady)
	if connectionToo {
		e.Delete(e.Connection)
		e.WaitMessage(e.Connection, v1alpha1.ReasonConnectionNotReady, "There is no Secret", "is being deleted")
	}
	e.Delete(forced, patient, role)
	for _, obj := range []client.Object{forced, patient, role} {
		e.WaitMessage(obj, v1alpha1.ReasonConnectionNotReady, "Secret", v1alpha1.ForceOrphanAnnotation+"=true")
	}
	e.Annotate(forced, v1alpha1.ForceOrphanAnnotation, "true")
	e.Annotate(role, v1alpha1.ForceOrphanAnnotation, "true")
	e.WaitGone(forced, role)
	e.TeamNamed("forced")
	e.WantRole(alan, "Admin")
	e.CreateSecret(e.Connection.Name, e.Key)
	e.WaitGone(patient)
	if left := e.Sim.TeamsNamed("patient"); len(left) != 0 {
		t.Errorf("teams %+v, want it deleted once there is a key", left)
	}
	if connectionToo {
		e.WaitGone(e.Connection)
	}
}

// TestHazard09_DriftIsSeenInEveryField although the spec never changes.
func TestHazard09_DriftIsSeenInEveryField(t *testing.T) {
	for _, inLists := range []bool{true, false} {
		t.Run(fmt.Sprintf("members in lists %v", inLists), func(t *testing.T) {
			e := harness.Shared(t, harness.Options{
				Teams:      []consolesim.Team{seeded("Growth")},
				Behavior:   func(b *consolesim.Behavior) { b.ListTeamsWithMembers = inLists },
				Connection: policy(v1alpha1.DriftReport),
			})
			team := adopting(e, "Growth", func(s *v1alpha1.TeamSpec) {
				s.DefaultGateMetrics = []v1alpha1.Metric{{Name: "dau", Type: "user"}}
				s.ChangeTeamConfigs, s.ReviewApproval = "team_only", "team_only"
				s.DefaultTargetApplications, s.DefaultHoldoutID, s.RequireReviews = []string{"web"}, ptr("holdout-1"), ptr(true)
			})
			e.Create(team)
			e.WaitReady(team)
			for field, change := range map[string]func(*consolesim.Team){
				"name":                      func(t *consolesim.Team) { t.Name = "Other" },
				"description":               func(t *consolesim.Team) { t.Description = nil },
				"members":                   func(t *consolesim.Team) { t.Members = []string{alan} },
				"admins":                    func(t *consolesim.Team) { t.Admins = []string{grace, ada} },
				"defaultGateMetrics":        func(t *consolesim.Team) { t.DefaultGateMetrics = nil },
				"changeTeamConfigs":         func(t *consolesim.Team) { t.ChangeTeamConfigs = "anyone" },
				"reviewApproval":            func(t *consolesim.Team) { t.ReviewApproval = "admin_only" },
				"defaultTargetApplications": func(t *consolesim.Team) { t.DefaultTargetApplications = []string{"ios"} },
				"defaultHoldoutID":          func(t *consolesim.Team) { t.DefaultHoldoutID = ptr("holdout-2") },
				"requireReviews":            func(t *consolesim.Team) { t.RequireReviews = nil },
			} {
				changed := seeded("Growth")
				change(&changed)
				e.Sim.PutTeam(changed)
				e.Eventually("wait for the drift of "+field, func() error {
					if e.Refresh(team); len(team.Status.Diff) != 1 || team.Status.Diff[0].Field != field {
						return fmt.Errorf("the diff is %+v", team.Status.Diff)
					}
					return nil
				})
			}
			e.Sim.PutTeam(seeded("Growth"))
			e.WaitReady(team)
			e.WantWrites(0)
		})
	}
}

// TestHazard10_StatusErrorsAreNotSwallowed: while Kubernetes refuses to note
// what was done, it is logged, once each time; and then no team was made twice.
func TestHazard10_StatusErrorsAreNotSwallowed(t *testing.T) {
	const message = "the API server is having a bad day"
	var refusing atomic.Bool
	var refused atomic.Int32
	e := harness.Own(t, harness.Options{Kubernetes: func(r *http.Request) error {
		if refusing.Load() && r.Method == http.MethodPatch && strings.HasSuffix(r.URL.Path, "/teams/growth/status") {
			refused.Add(1)
			return errors.New(message)
		}
		return nil
	}})
	e.WaitReady(e.Connection)
	create := e.Hold(http.MethodPost, "/console/v1/users/teams")
	team := e.Team("growth", v1alpha1.TeamSpec{Name: "Growth"})
	e.Create(team)
	create.Wait(e)
	refusing.Store(true)
	create.Release()
	e.WaitUntil("wait for refused writes of the status", func() bool { return refused.Load() >= 3 })
	refusing.Store(false)
	e.WaitReady(team)
	if told := len(e.Operator.Log.Containing(message)); told != int(refused.Load()) {
		t.Errorf("%d errors were logged %d times:\n%s", refused.Load(), told, strings.Join(e.Operator.Log.Containing(message), "\n"))
	}
	if e.TeamNamed("Growth").ID != team.Status.ID {
		t.Errorf("the status has the id %q, want that of %+v", team.Status.ID, e.TeamNamed("Growth"))
	}
	e.WantWrites(0, consolesim.CreateTeam)
}

// TestHazard11_MessagesAreStable: what is told does not change from one look to
// the next, nor from one process to the next, so nothing is written for ever.
func TestHazard11_MessagesAreStable(t *testing.T) {
	e := harness.Own(t, harness.Options{Teams: []consolesim.Team{seeded("Growth")}})
	people := emails("u5@example.com", "u1@example.com", "u4@example.com", "u2@example.com", "u3@example.com", alan)
	missing := e.Team("missing", v1alpha1.TeamSpec{Members: people, Admins: people})
	differs := e.Team("differs", v1alpha1.TeamSpec{
		Name: "Growth", Mode: v1alpha1.ModeObserve, Description: ptr("x"), Members: emails(ada, edsger), Admins: emails(alan, ada, barbara),
		DefaultGateMetrics: []v1alpha1.Metric{{Name: "b", Type: "t"}, {Name: "a", Type: "t"}}, ReviewApproval: "anyone",
	})
	refused := e.Team("refused", v1alpha1.TeamSpec{Name: "Growth"})
	invited := e.UserRole("u9@example.com", "Member", func(s *v1alpha1.UserRoleSpec) { s.WhenMissing = v1alpha1.WhenMissingInvite })
	e.Create(differs)
	e.WaitReason(differs, v1alpha1.ReasonDriftDetected)
	e.Create(missing, refused, invited)
	e.WaitMessage(missing, v1alpha1.ReasonUserNotFound, "u1@example.com, u2@example.com, u3@example.com, u4@example.com, u5@example.com")
	e.WaitReason(refused, v1alpha1.ReasonNameTaken)
	e.WaitReason(invited, v1alpha1.ReasonInvited)
	unwritten := e.Frozen(missing, differs, refused, invited)
	for range 2 {
		e.Compared(2)
		if err := unwritten(); err != nil {
			e.Fatalf("%v", err)
		}
		e.Operator.Stop()
		e.Operator.Start(t)
	}
}

// TestHazard12_NewObjectsOvertakeChecks: a new object does not wait behind the
// periodic checks of many.
func TestHazard12_NewObjectsOvertakeChecks(t *testing.T) {
	const checked, window = 60, 10
	o := harness.Options{
		Windows:  []consolesim.Window{{Requests: window, Per: 2 * time.Second}},
		Behavior: func(b *consolesim.Behavior) { b.ListTeamsWithMembers = false },
	}
	for i := range checked {
		o.Teams = append(o.Teams, consolesim.Team{Name: fmt.Sprintf("Team %02d", i), Members: []string{alan}})
	}
	e := harness.Shared(t, o)
	// Each of them costs a read now, and again in every interval.
	for i := range checked {
		team := e.Team(fmt.Sprintf("team-%02d", i), v1alpha1.TeamSpec{
			Name: fmt.Sprintf("Team %02d", i), AdoptionPolicy: v1alpha1.AdoptionAdopt, Members: emails(alan),
		})
		e.Create(team)
	}
	e.WaitUntil("wait for a full window", func() bool { return len(e.Since(0, consolesim.GetTeam)) > window })
	mark := e.Mark()
	role := e.UserRole(edsger, "Member")
	role.Namespace = e.NewNamespace(nil)
	e.Create(role)
	e.WaitReady(role)
	if before := len(e.Since(mark)) - len(e.Since(mark, consolesim.UpdateUser)); before > 2*window {
		e.Fatalf("%d requests were made before that of the new object, want two windows' worth at most", before)
	}
}
