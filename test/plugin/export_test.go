package plugin

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/harness"
)

// documented are the console's limits as its documentation states them.
var documented = []consolesim.Window{{Requests: 100, Per: 10 * time.Second}, {Requests: 900, Per: 15 * time.Minute}}

// A newcomer with 300 users and 25 teams gets to an all-Ready cluster without a
// single write to the console.
func TestNewcomer(t *testing.T) {
	const users, teams = 300, 25
	for _, listsMembers := range []bool{true, false} {
		t.Run(fmt.Sprintf("members in the list of teams %v", listsMembers), func(t *testing.T) {
			u := newUser(t, consolesim.State{}, harness.Options{
				Windows:  documented,
				Behavior: func(b *consolesim.Behavior) { b.ListTeamsWithMembers = listsMembers },
			})
			u.Sim.Seed(users, teams, 12)
			before := u.Sim.Snapshot()

			dir := t.TempDir()
			u.ok(u.direct("export", "--connection-name", u.Namespace, "--output-dir", dir)...)
			if n := len(u.Sim.Requests()); listsMembers && n > 5 || !listsMembers && n > 5+teams {
				t.Errorf("the export made %d requests", n)
			}
			if n := u.applyDir(dir); n != users+teams {
				t.Fatalf("%d manifests were written, want %d", n, users+teams)
			}
			u.connect()
			u.allReady(users + teams)
			u.neverWritten(before)
		})
	}
}

// Whatever the console's answers are like, what is exported is in sync.
func TestExportOfEveryAnswer(t *testing.T) {
	about := "  Sign-up & pricing\n"
	for _, tt := range []struct {
		title    string
		behavior func(*consolesim.Behavior)
		manage   string
	}{
		{"kebab roles", func(b *consolesim.Behavior) { b.RoleSpelling = consolesim.SpellingKebab }, "given"},
		{"lower-cased, reversed", func(b *consolesim.Behavior) { b.LowercaseEmails, b.ReorderLists = true, true }, "given"},
		{"admins among members", func(b *consolesim.Behavior) { b.AdminsAreMembers = consolesim.AdminsYes }, "all"},
		{"admins not among members", func(b *consolesim.Behavior) { b.AdminsAreMembers = consolesim.AdminsNo }, "access"},
		{"small pages without totals", func(b *consolesim.Behavior) { b.MaxPageSize, b.OmitTotals = 2, true }, "all"},
		{"pages that move at first", func(b *consolesim.Behavior) { b.MaxPageSize, b.MoveBetweenPages = 2, 2 }, "given"},
	} {
		t.Run(tt.title, func(t *testing.T) {
			holds := consolesim.State{
				Users: append(harness.People(), consolesim.User{Email: "Lin_Ada+x@Example.com", FirstName: "Lin", Role: "Analyst"}),
				Roles: consolesim.DemoState().Roles,
				Teams: []consolesim.Team{
					{Name: "Growth", Description: &about, Members: []string{"alan@example.com", "grace@example.com"}, Admins: []string{"grace@example.com"},
						DefaultGateMetrics: []consolesim.Metric{{Name: "dau", Type: "user"}, {Name: "clicks", Type: "event_count"}},
						ReviewApproval:     "admin_only", ChangeTeamConfigs: "team_only", RequireReviews: new(true),
						DefaultTargetApplications: []string{"web", "app"}, DefaultHoldoutID: new("h1")},
					{Name: "growth", Members: []string{"barbara@example.com"}},
					{Name: "成長 / Growth"},
				},
			}
			u := newUser(t, holds, harness.Options{Behavior: tt.behavior})
			before := u.Sim.Snapshot()
			dir := t.TempDir()
			u.ok(u.direct("export", "--connection-name", u.Namespace, "--output-dir", dir, "--manage", tt.manage, "--split", "kind")...)
			u.applyDir(dir)
			u.connect()
			u.allReady(len(before.Users) + len(before.Teams))
			u.neverWritten(before)
		})
	}
}

// allReady waits until so many objects are Ready.
func (u *user) allReady(want int) {
	u.T.Helper()
	u.Eventually("wait until all is Ready", func() error {
		all, unready := u.unready()
		if all != want || len(unready) > 0 {
			return fmt.Errorf("%d objects, want %d; %d are not Ready: %.1000q", all, want, len(unready), unready)
		}
		return nil
	})
}

// neverWritten fails the test if the console was ever written to, or holds
// anything else than before.
func (u *user) neverWritten(before consolesim.State) {
	u.T.Helper()
	all := u.Sim.Requests()
	if !slices.ContainsFunc(all, func(r consolesim.Request) bool { return r.Method == http.MethodGet }) {
		u.Fatalf("the console's log is empty")
	}
	u.WantWrites(0)
	if after := u.Sim.Snapshot(); !reflect.DeepEqual(after, before) {
		u.Fatalf("the console held\n%+v\nand holds\n%+v", before, after)
	}
}
