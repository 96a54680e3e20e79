package integration

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/harness"
)

// The tests here and in the next file are named after what is known to have
// gone wrong in other operators.

// mischief is what a console, or what stands before it, answers when it fails.
func mischief() map[string]consolesim.Fault {
	page := "<html><body>404 page not found</body></html>"
	return map[string]consolesim.Fault{
		"500":                   {Effect: consolesim.EffectError, Status: 500},
		"502 page":              {Effect: consolesim.EffectError, Status: 502, Body: page},
		"404 page":              {Effect: consolesim.EffectError, Status: 404, Body: page},
		"404 of a framework":    {Effect: consolesim.EffectError, Status: 404, Body: `{"status":404,"message":"Cannot GET /x"}`, ContentType: "application/json"},
		"404 of a gateway":      {Effect: consolesim.EffectNoRoute},
		"400":                   {Effect: consolesim.EffectError, Status: 400},
		"403":                   {Effect: consolesim.EffectError, Status: 403},
		"401":                   {Effect: consolesim.EffectError, Status: 401},
		"429":                   {Effect: consolesim.EffectTooMany},
		"429, Retry-After":      {Effect: consolesim.EffectTooMany, RetryAfter: "1"},
		"cut":                   {Effect: consolesim.EffectCut},
		"cut after":             {Effect: consolesim.EffectCutAfter},
		"truncated":             {Effect: consolesim.EffectTruncated},
		"200 page":              {Effect: consolesim.EffectNotJSON},
		"200 of nobody":         {Effect: consolesim.EffectHollow},
		"200 null":              {Effect: consolesim.EffectNotJSON, Body: "null", ContentType: "application/json"},
		"200 without data":      {Effect: consolesim.EffectNotJSON, Body: `{"message":"ok"}`, ContentType: "application/json"},
		"200 with null data":    {Effect: consolesim.EffectNotJSON, Body: `{"message":"ok","data":null}`, ContentType: "application/json"},
		"200 with a failure":    {Effect: consolesim.EffectNotJSON, Body: `{"status":404,"message":"Team not found"}`, ContentType: "application/json"},
		"200 with half an item": {Effect: consolesim.EffectNotJSON, Body: `{"data":{}}`, ContentType: "application/json"},
		"wrong types":           {Effect: consolesim.EffectWrongTypes},
		"huge":                  {Effect: consolesim.EffectHugeBody},
		"redirect":              {Effect: consolesim.EffectRedirect, Location: "http://127.0.0.1:1/console/v1/users/teams"},
	}
}

// TestHazard01_GetErrorIsNotAbsence: whatever a read of a team answers, but the
// console's own word that it is gone, no second team is made.
func TestHazard01_GetErrorIsNotAbsence(t *testing.T) {
	for name, fault := range mischief() {
		t.Run(name, func(t *testing.T) {
			e := harness.Shared(t, harness.Options{Teams: []consolesim.Team{seeded("Growth")}})
			team := adopting(e, "Growth")
			e.Create(team)
			e.WaitReady(team)
			get := fault
			get.Endpoint = consolesim.GetTeam
			e.Sim.Inject(get)
			mark := e.Mark()
			e.Annotate(team, v1alpha1.ReconcileRequestedAtAnnotation, "now")
			e.WaitUntil("wait for a read of the team", func() bool { return len(e.Since(mark, consolesim.GetTeam)) > 0 })
			if !closing(name) {
				list := fault
				list.Endpoint = consolesim.ListTeams
				e.Sim.Inject(list)
				e.WaitUntil("wait for failing listings", func() bool { return len(e.Since(mark, consolesim.ListTeams)) > 1 })
			}
			e.WantWrites(mark)

			e.Sim.ClearFaults()
			if name == "401" {
				// A refused key is tried again after a quarter of a minute.
				e.SetKey(e.Connection.Name, rotated(e))
			}
			e.WaitReady(team)
			wantTeam(t, e.TeamNamed("Growth"), seeded("Growth"))
			e.WantWrites(mark)
		})
	}
}

// closing tells which mischief keeps everybody from further calls for a while.
func closing(name string) bool { return name == "401" || strings.HasPrefix(name, "429") }

// rotated is another key of the console.
func rotated(e *harness.Env) string {
	const key = "canary-rotated-again"
	e.Sim.AddKey(key)
	return key
}

// TestHazard01_EmptyListIsConfirmed: a listing that lacks what was there is not
// believed before the console was asked for it by name.
func TestHazard01_EmptyListIsConfirmed(t *testing.T) {
	e := harness.Shared(t, harness.Options{Teams: []consolesim.Team{seeded("Growth")}})
	team, role := adopting(e, "Growth"), e.UserRole(alan, "Member")
	e.Create(team, role)
	e.WaitReady(team, role)
	empty := `{"message":"ok","data":[],"pagination":{"itemsPerPage":100,"pageNumber":1,"totalItems":0,"nextPage":null,"previousPage":null}}`
	for _, endpoint := range []string{consolesim.ListTeams, consolesim.ListUsers} {
		e.Sim.Inject(consolesim.Fault{Endpoint: endpoint, Effect: consolesim.EffectNotJSON, Body: empty, ContentType: "application/json"})
	}
	e.WantQuiet()
	e.WaitReady(team, role)
	if len(e.Since(0, consolesim.GetTeam)) == 0 || len(e.Since(0, consolesim.GetUser)) == 0 {
		e.Fatalf("neither the team nor the user was asked for by name")
	}
}

// TestHazard02_FailedLookupRemovesNobody: while people cannot be looked up, or
// the listing of them is wrong, nobody leaves a team; not even in between.
func TestHazard02_FailedLookupRemovesNobody(t *testing.T) {
	faults := mischief()
	faults["empty list"] = consolesim.Fault{Effect: consolesim.EffectNotJSON, ContentType: "application/json",
		Body: `{"message":"ok","data":[],"pagination":{"itemsPerPage":100,"pageNumber":1,"totalItems":0,"nextPage":null,"previousPage":null}}`}
	for name, fault := range faults {
		if closing(name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			e := harness.Shared(t, harness.Options{
				Teams:    []consolesim.Team{seeded("Growth")},
				Behavior: func(b *consolesim.Behavior) { b.MaxPageSize = 2 },
			})
			// The first page of people comes through, a later one does not.
			fault.Endpoint, fault.PathPrefix = consolesim.ListUsers, "/console/v1/users?limit=100&page=2"
			if name == "empty list" {
				fault.PathPrefix = ""
			}
			e.Sim.Inject(fault)
			team := adopting(e, "Growth", func(s *v1alpha1.TeamSpec) { s.Description = ptr("Edited") })
			e.Create(team)
			e.WaitUntil("wait for two listings of people", func() bool { return len(e.Since(0, consolesim.ListUsers)) > 2 })
			e.Sim.ClearFaults()
			e.WaitReady(team)
			want := seeded("Growth")
			want.Description = ptr("Edited")
			wantTeam(t, e.TeamNamed("Growth"), want)
			for _, r := range e.Writes(0) {
				for _, email := range []string{alan, barbara, grace} {
					if !strings.Contains(r.Body, email) {
						t.Errorf("%s %s left out %s: %s", r.Method, r.Path, email, r.Body)
					}
				}
			}
		})
	}
}

// TestHazard03_FinalizerBeforeCreate: when the console is first written to, the
// object already holds its finalizer and tells what is being made.
func TestHazard03_FinalizerBeforeCreate(t *testing.T) {
	e := harness.Shared(t, harness.Options{})
	create := e.Hold(http.MethodPost, "/console/v1/users/teams")
	update := e.Hold(http.MethodPost, "/console/v1/users/"+alan)
	team, role := e.Team("growth", v1alpha1.TeamSpec{Name: "Growth"}), e.UserRole(alan, "Admin")
	e.Create(team, role)
	create.Wait(e)
	update.Wait(e)
	if !e.Refresh(team) || !e.Refresh(role) || len(team.Finalizers) == 0 || len(role.Finalizers) == 0 {
		e.Fatalf("the console is written to before the finalizers are set")
	}
	if intent := team.Status.CreateIntent; intent == nil || intent.Name != "Growth" {
		t.Errorf("intent %+v, want it recorded before the team is made", intent)
	}
	if role.Status.PreviousRole != "Member" {
		t.Errorf("previous role %q, want it recorded before it is overwritten", role.Status.PreviousRole)
	}
	create.Release()
	update.Release()
	e.WaitReady(team, role)
}

// TestHazard03_LostStatusAfterCreate: a process that made a team and could not
// note it leaves none behind: the next one knows it for its own.
func TestHazard03_LostStatusAfterCreate(t *testing.T) {
	var refusing atomic.Bool
	e := harness.Own(t, harness.Options{Kubernetes: func(r *http.Request) error {
		if refusing.Load() && strings.HasSuffix(r.URL.Path, "/status") {
			return errors.New("the API server is away")
		}
		return nil
	}})
	create := e.Hold(http.MethodPost, "/console/v1/users/teams")
	team := e.Team("growth", v1alpha1.TeamSpec{Name: "Growth"})
	e.Create(team)
	create.Wait(e)
	refusing.Store(true)
	create.Release()
	e.WaitUntil("wait for the team", func() bool { return len(e.Sim.TeamsNamed("Growth")) == 1 })
	e.Operator.Stop()
	refusing.Store(false)
	if e.Refresh(team); team.Status.ID != "" || team.Status.CreateIntent == nil {
		e.Fatalf("status %+v, want the intent and no id", team.Status)
	}
	e.Operator.Start(t)
	e.WaitReady(team)
	if e.TeamNamed("Growth").ID != team.Status.ID || team.Status.Adopted {
		t.Errorf("status %+v, want the team taken for its own", team.Status)
	}
	e.WantWrites(0, consolesim.CreateTeam)
}

// TestHazard05_LimitIsOnCalls: however many objects there are, the console sees
// no more requests than a window admits: pages, retries and all.
func TestHazard05_LimitIsOnCalls(t *testing.T) {
	e := harness.Shared(t, harness.Options{
		Windows:  []consolesim.Window{{Requests: 12, Per: 2 * time.Second}, {Requests: 30, Per: 6 * time.Second}},
		Behavior: func(b *consolesim.Behavior) { b.MaxPageSize, b.ListTeamsWithMembers = 2, false },
	})
	e.Sim.Inject(consolesim.Fault{Method: http.MethodGet, Effect: consolesim.EffectError, Status: 503, Probability: 0.1})
	var teams []*v1alpha1.Team
	for i := range 12 {
		teams = append(teams, e.Team(fmt.Sprintf("team-%02d", i), v1alpha1.TeamSpec{Members: emails(alan)}))
		e.Create(teams[i])
	}
	e.WaitUntil("wait for the windows to be used up", func() bool { return e.Sim.Quota()[1].Max >= 20 })
	e.Sim.ClearFaults()
	for _, team := range teams {
		e.WaitReady(team)
	}
	if n := e.Sim.Violations(); n != 0 {
		e.Fatalf("%d requests too many", n)
	}
}

// TestHazard05_LimitSurvivesARestart: what was requested before counts after.
func TestHazard05_LimitSurvivesARestart(t *testing.T) {
	e := harness.Own(t, harness.Options{Windows: []consolesim.Window{{Requests: 20, Per: 5 * time.Second}}})
	e.Connection.Spec.Drift.Interval.Duration = time.Hour
	var roles []*v1alpha1.UserRole
	for i := range 24 {
		email := fmt.Sprintf("user-%02d@example.com", i)
		e.Sim.PutUser(consolesim.User{Email: email})
		roles = append(roles, e.UserRole(email, "Read Only"))
		e.Create(roles[i])
	}
	e.WaitUntil("wait for the window to be used up", func() bool { return e.Sim.Quota()[0].Used >= 12 })
	for range 2 {
		e.Operator.Stop()
		e.Operator.Start(t)
	}
	for _, role := range roles {
		e.WaitReady(role)
	}
	if used := e.Sim.Quota()[0].Max; used > 20 {
		e.Fatalf("%d requests in one window of 20", used)
	}
}

// TestHazard05_OneThrottledForAll: a 429 that one object meets holds back all.
func TestHazard05_OneThrottledForAll(t *testing.T) {
	e := harness.Shared(t, harness.Options{Windows: []consolesim.Window{{Requests: 400, Per: time.Minute}}})
	e.WaitReady(e.Connection)
	// Long enough for a busy machine to look at the others meanwhile.
	e.Sim.Inject(consolesim.Fault{Endpoint: consolesim.CreateTeam, Effect: consolesim.EffectTooMany, RetryAfter: "30", Times: 1})
	first := e.Team("first", v1alpha1.TeamSpec{})
	e.Create(first)
	e.WaitUntil("wait for the 429", func() bool { return len(e.Writes(0)) == 1 })
	mark, refused := e.Mark(), time.Now()
	second := e.Team("second", v1alpha1.TeamSpec{})
	e.Create(second)
	e.WaitMessage(second, v1alpha1.ReasonRateLimited, "asked to slow down")
	var teams []client.Object
	for i := range 10 {
		teams = append(teams, e.Team(fmt.Sprintf("team-%02d", i), v1alpha1.TeamSpec{}))
		e.Create(teams[i])
	}
	e.WaitReady(first, second)
	e.WaitReady(teams...)
	for _, r := range e.Since(mark) {
		// A listing may have been sent before the answer was read.
		early := r.Received.Sub(refused)
		if early < 29*time.Second && (early > time.Second || r.Method != http.MethodGet) {
			e.Fatalf("%s %s came %v after the 429, want 30s", r.Method, r.Path, early)
		}
	}
	if n := len(e.Since(mark, consolesim.CreateTeam)); n != 12 {
		e.Fatalf("%d creations, want one for each team", n)
	}
}

// TestHazard06_DeletingTeamIsNotMadeAgain: neither one that vanished while its
// deletion was held, nor one whose creation was never answered.
func TestHazard06_DeletingTeamIsNotMadeAgain(t *testing.T) {
	e := harness.Shared(t, harness.Options{
		Teams:      []consolesim.Team{seeded("Growth")},
		Connection: func(c *v1alpha1.ConsoleConnectionSpec) { c.DeletionBrake.MaxDeletes = ptr(int32(0)) },
	})
	team := adopting(e, "Growth", func(s *v1alpha1.TeamSpec) { s.DeletionPolicy = v1alpha1.TeamDelete })
	e.Create(team)
	e.WaitReady(team)
	e.Delete(team)
	e.WaitReason(team, v1alpha1.ReasonDeletionHeld)
	e.Sim.RemoveTeam("by-hand")
	e.Compared(2)
	e.Annotate(team, v1alpha1.ReconcileRequestedAtAnnotation, "now")
	e.Compared(1)
	e.WantWrites(0)
	if e.Refresh(team) {
		e.Annotate(e.Connection, v1alpha1.ApproveDeletesAnnotation, "all")
	}
	e.WaitGone(team)
	if n := len(e.Since(0, consolesim.CreateTeam)); n != 0 {
		e.Fatalf("%d teams were created, want none", n)
	}
}

// TestHazard06_LostCreateIsDeleted: a team whose creation was never answered is
// found and deleted with its object.
func TestHazard06_LostCreateIsDeleted(t *testing.T) {
	e := harness.Shared(t, harness.Options{})
	e.Sim.Inject(consolesim.Fault{Endpoint: consolesim.CreateTeam, Effect: consolesim.EffectCutAfter})
	e.Sim.Inject(consolesim.Fault{Endpoint: consolesim.ListTeams, Effect: consolesim.EffectError, Status: 500, Skip: 1})
	team := e.Team("growth", v1alpha1.TeamSpec{Name: "Growth"})
	e.Create(team)
	e.WaitUntil("wait for the creation", func() bool { return len(e.Writes(0)) == 1 })
	e.Delete(team)
	e.Sim.ClearFaults()
	e.WaitGone(team)
	if left := e.Sim.Teams(); len(left) != 0 {
		e.Fatalf("teams %+v, want none left behind", left)
	}
	e.WantWrites(0, consolesim.CreateTeam, consolesim.DeleteTeam)
}
