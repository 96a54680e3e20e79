package export

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/controller/team"
	"github.com/console-access/console-access-operator/internal/plugin/inventory"
)

func everything(string) bool { return true }

// Members that no Team can name are left alone, not removed.
func TestTeamsThatCannotBeSaidAsTheyAre(t *testing.T) {
	odd := `"odd one"@example.com`
	for _, tt := range []struct {
		title string
		team  console.Team
		// note is part of the only note.
		note string
		// unmanaged are the fields that the spec must not set.
		unmanaged []string
	}{
		{"odd member", console.Team{Members: []string{odd, "a@example.com"}, Admins: []string{"b@example.com"}}, "members are not managed", []string{"Members"}},
		{"odd admin", console.Team{Members: []string{"a@example.com"}, Admins: []string{odd}}, "admins are not managed", []string{"Admins"}},
		{"long description", console.Team{Description: strings.Repeat("x", maxDescription+1)}, "description is not managed", []string{"Description"}},
		{"nameless metric", console.Team{DefaultGateMetrics: []console.Metric{{Type: "user"}}}, "defaultGateMetrics is not managed", []string{"DefaultGateMetrics"}},
		{"new choice", console.Team{ReviewApproval: "nobody"}, `its value "nobody" is not known`, []string{"ReviewApproval"}},
		{"empty application", console.Team{DefaultTargetApplications: []string{" "}}, "defaultTargetApplications is not managed", []string{"DefaultTargetApplications"}},
	} {
		t.Run(tt.title, func(t *testing.T) {
			tt.team.ID, tt.team.Name, tt.team.MembersKnown = "t1", "Growth", true
			r := Export(&inventory.Inventory{Teams: []console.Team{tt.team}}, Options{Teams: everything, Manage: ManageAll})
			if len(r.Notes) != 1 || !strings.Contains(r.Notes[0].Message, tt.note) {
				t.Fatalf("the notes are %+v, want one with %q", r.Notes, tt.note)
			}
			spec := reflect.ValueOf(r.Teams[0].Spec)
			for _, field := range tt.unmanaged {
				if !spec.FieldByName(field).IsZero() {
					t.Errorf("%s is set: %v", field, spec.FieldByName(field))
				}
			}
			want := team.Specified(r.Teams[0])
			if d := want.Diff(&tt.team); len(d) > 0 {
				t.Errorf("applying would change %+v", d)
			}
		})
	}
}

func TestLeftOut(t *testing.T) {
	inv := &inventory.Inventory{
		Users: []console.User{
			{Email: "ada@example.com", Role: "admin"},
			{Email: "odd one@example.com", Role: "Member"},
			{Email: "nobody@example.com"},
			{Email: "owner@example.com", Role: "owner"},
			{Email: "yan@example.com", Role: "analyst"},
			{Email: "zoe@example.com", Role: "Analyst"},
		},
		Teams: []console.Team{
			{ID: "1", Name: "Twice"}, {ID: "2", Name: "Twice "},
			{Name: "Without id"},
			{ID: "3", Name: strings.Repeat("x", maxTeamName+1)},
			{ID: "4", Name: "Growth", MembersKnown: true},
		},
	}
	r := Export(inv, Options{
		Users: everything, Teams: everything, Manage: ManageGiven, Connection: "main", Namespace: "ours",
		AllowedRoles: []v1alpha1.RoleName{"Analyst", "Member"},
		Existing:     map[Claim]types.NamespacedName{{Kind: "Team", Of: "Growth"}: {Namespace: "theirs", Name: "gr"}},
	})
	var notes []string
	for _, n := range r.Notes {
		notes = append(notes, n.Kind+" "+n.Name[:min(12, len(n.Name))])
	}
	want := []string{"Team Twice", "Team Without id", "Team xxxxxxxxxxxx", "User ada@example.", "User odd one@exam", "User nobody@examp", "User owner@exampl", "User yan@example."}
	if !slices.Equal(notes, want) {
		t.Errorf("notes about %q, want %q", notes, want)
	}
	var objects []string
	for _, obj := range r.Objects() {
		objects = append(objects, obj.GetNamespace()+"/"+obj.GetName())
	}
	if got, want := fmt.Sprint(objects), "[theirs/gr ours/zoe-at-example.com]"; got != want {
		t.Errorf("exported %s, want %s", got, want)
	}
	if roles := RolesOf(inv); !slices.Equal(roles, []v1alpha1.RoleName{"Admin", "Analyst", "Member", "analyst"}) {
		t.Errorf("the roles of a connection to begin with are %q", roles)
	}
}

func TestManage(t *testing.T) {
	inv := &inventory.Inventory{
		Users: []console.User{{Email: "ada@example.com", Role: "Admin", FirstName: "Ada"}},
		Teams: []console.Team{{ID: "1", Name: "Growth", MembersKnown: true, ReviewApproval: "anyone", RequireReviews: new(false)}},
	}
	for _, tt := range []struct {
		manage                                     Manage
		firstName, lastName, approval, reviews, no bool
	}{
		{ManageAccess, false, false, false, false, false},
		{ManageGiven, true, false, true, true, false},
		{ManageAll, true, true, true, true, true},
	} {
		r := Export(inv, Options{Users: everything, Teams: everything, Manage: tt.manage})
		user, team := r.UserRoles[0].Spec, r.Teams[0].Spec
		got := []bool{user.FirstName != nil, user.LastName != nil, team.ReviewApproval != "", team.RequireReviews != nil, team.DefaultGateMetrics != nil}
		if want := []bool{tt.firstName, tt.lastName, tt.approval, tt.reviews, tt.no}; !slices.Equal(got, want) {
			t.Errorf("%s manages %v, want %v", tt.manage, got, want)
		}
		if team.Members == nil || team.Admins == nil {
			t.Errorf("%s does not manage who is in the team", tt.manage)
		}
	}
}
