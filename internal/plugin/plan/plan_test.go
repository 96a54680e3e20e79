package plan

import (
	"fmt"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/plugin/inventory"
)

// project is what the console of these tests holds.
func project() *inventory.Inventory {
	return &inventory.Inventory{
		Users: []console.User{
			{Email: "ada@example.com", Role: "admin", FirstName: "Ada"},
			{Email: "alan@example.com", Role: "Member"},
			{Email: "grace@example.com", Role: "admin"},
		},
		Teams: []console.Team{
			{ID: "1", Name: "Growth", MembersKnown: true, Members: []string{"alan@example.com", "ada@example.com", "gone@example.com"},
				Admins: []string{"ada@example.com"}, ReviewApproval: "anyone", ChangeTeamConfigs: "anyone"},
			{ID: "2", Name: "Twice", MembersKnown: true}, {ID: "3", Name: "Twice", MembersKnown: true},
			{Name: "Without id", MembersKnown: true},
		},
	}
}

func aTeam(name string, spec v1alpha1.TeamSpec) *v1alpha1.Team {
	return &v1alpha1.Team{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: name}, Spec: spec}
}

func aRole(email, role string, change ...func(*v1alpha1.UserRoleSpec)) *v1alpha1.UserRole {
	u := &v1alpha1.UserRole{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: email}}
	u.Spec.Email, u.Spec.Role = v1alpha1.EmailAddress(email), v1alpha1.RoleName(role)
	for _, f := range change {
		f(&u.Spec)
	}
	return u
}

// known is a Team of the cluster that stands for the console's team of an id.
func known(id string) map[Key]v1alpha1.AccessObject {
	t := aTeam("growth", v1alpha1.TeamSpec{})
	t.Status.ID = id
	return map[Key]v1alpha1.AccessObject{{Kind: "Team", Namespace: "n", Name: "growth"}: t}
}

func TestOneObject(t *testing.T) {
	type people = []v1alpha1.EmailAddress
	adopt := v1alpha1.AdoptionAdopt
	observe := func(s *v1alpha1.UserRoleSpec) { s.Mode = v1alpha1.ModeObserve }
	invite := func(s *v1alpha1.UserRoleSpec) { s.WhenMissing = v1alpha1.WhenMissingInvite }
	for _, tt := range []struct {
		title      string
		obj        client.Object
		cluster    map[Key]v1alpha1.AccessObject
		connection v1alpha1.ConsoleConnectionSpec
		want       string
	}{
		{title: "in sync whatever the spelling", obj: aRole("Ada@example.com", "Admin"), want: "none"},
		{title: "another role", obj: aRole("alan@example.com", "Read Only"), want: `update role "Member">"Read Only" revokes`},
		{title: "a name", obj: aRole("ada@example.com", "Admin", func(s *v1alpha1.UserRoleSpec) { s.FirstName = new("A.") }),
			want: `update firstName "Ada">"A."`},
		{title: "observed", obj: aRole("alan@example.com", "Admin", observe), want: `none role "Member">"Admin" DriftDetected`},
		{title: "suspended", obj: aRole("alan@example.com", "Admin", func(s *v1alpha1.UserRoleSpec) { s.Suspend = true }), want: "none Suspended"},
		{title: "suspended connection", obj: aRole("alan@example.com", "Admin"), connection: v1alpha1.ConsoleConnectionSpec{Suspend: true}, want: "none Suspended"},
		{title: "not there", obj: aRole("new@example.com", "Member"), want: "none UserNotFound"},
		{title: "invited", obj: aRole("new@example.com", "Member", invite), want: `invite role "">"Member"`},
		{title: "protected", obj: aRole("alan@example.com", "Admin"),
			connection: v1alpha1.ConsoleConnectionSpec{ProtectedUsers: people{"ALAN@example.com"}}, want: `none role "Member">"Admin" ProtectedUser`},
		{title: "protected and as it should be", obj: aRole("alan@example.com", "Member"),
			connection: v1alpha1.ConsoleConnectionSpec{ProtectedUsers: people{"alan@example.com"}}, want: "none"},
		{title: "role not allowed", obj: aRole("ada@example.com", "Admin"),
			connection: v1alpha1.ConsoleConnectionSpec{AllowedRoles: []v1alpha1.RoleName{"Member"}}, want: "none RoleNotAllowed"},
		{title: "role allowed in another spelling", obj: aRole("alan@example.com", "read-only"),
			connection: v1alpha1.ConsoleConnectionSpec{AllowedRoles: []v1alpha1.RoleName{"Read Only"}}, want: `update role "Member">"read-only" revokes`},
		{title: "another custom role than the allowed one", obj: aRole("alan@example.com", "Data-Team"),
			connection: v1alpha1.ConsoleConnectionSpec{AllowedRoles: []v1alpha1.RoleName{"Data Team"}}, want: "none RoleNotAllowed"},
		{title: "Owner", obj: aRole("alan@example.com", "owner"), want: "none RoleNotAllowed"},
		{title: "invited as Owner", obj: aRole("new@example.com", "Owner", invite), want: "none RoleNotAllowed"},
		{title: "invited in another spelling", obj: aRole("new@example.com", "read-only", invite), want: `invite role "">"Read Only"`},

		{title: "a team as it is", obj: aTeam("growth", v1alpha1.TeamSpec{Name: "Growth", AdoptionPolicy: adopt,
			Members: people{"alan@example.com", "gone@example.com"}, Admins: people{"ada@example.com"}, ReviewApproval: "anyone"}), want: "none"},
		{title: "a setting", obj: aTeam("growth", v1alpha1.TeamSpec{Name: "Growth", AdoptionPolicy: adopt, ReviewApproval: "team_only"}),
			want: `update reviewApproval "anyone">"team_only"`},
		{title: "people", obj: aTeam("growth", v1alpha1.TeamSpec{Name: "Growth", AdoptionPolicy: adopt,
			Members: people{"grace@example.com", "alan@example.com"}}),
			want: `update members "alan@example.com, gone@example.com">"alan@example.com, grace@example.com" +[grace@example.com] -[gone@example.com] revokes`},
		{title: "an admin is a member", obj: aTeam("growth", v1alpha1.TeamSpec{Name: "Growth", AdoptionPolicy: adopt, Admins: people{"alan@example.com"}}),
			want: `update admins "ada@example.com">"alan@example.com" +[alan@example.com] -[ada@example.com] revokes`},
		{title: "somebody is missing", obj: aTeam("growth", v1alpha1.TeamSpec{Name: "Growth", AdoptionPolicy: adopt,
			Members: people{"alan@example.com", "gone@example.com", "new@example.com"}}), want: "none UserNotFound"},
		{title: "a new team", obj: aTeam("new", v1alpha1.TeamSpec{Members: people{"alan@example.com"}}),
			want: `create name "">"new" members "">"alan@example.com" +[alan@example.com] -[]`},
		{title: "a name that is taken", obj: aTeam("growth", v1alpha1.TeamSpec{Name: "Growth"}), cluster: map[Key]v1alpha1.AccessObject{}, want: "none AlreadyExists"},
		{title: "perhaps its own", obj: aTeam("growth", v1alpha1.TeamSpec{Name: "Growth"}), want: "none"},
		{title: "a rename", obj: aTeam("growth", v1alpha1.TeamSpec{Name: "Grow"}), cluster: known("1"), want: `update name "Growth">"Grow"`},
		{title: "a rename to another's name", obj: aTeam("growth", v1alpha1.TeamSpec{Name: "Twice"}), cluster: known("1"),
			want: `none name "Growth">"Twice" AlreadyExists`},
		{title: "a team that vanished", obj: aTeam("growth", v1alpha1.TeamSpec{}), cluster: known("9"), want: `create name "">"growth"`},
		{title: "two of one name", obj: aTeam("twice", v1alpha1.TeamSpec{Name: "Twice", AdoptionPolicy: adopt}), want: "none AlreadyExists"},
		{title: "no id", obj: aTeam("x", v1alpha1.TeamSpec{Name: "Without id", AdoptionPolicy: adopt}), want: "none AlreadyExists"},
		{title: "observed team", obj: aTeam("x", v1alpha1.TeamSpec{Name: "Growth", Mode: v1alpha1.ModeObserve, ReviewApproval: "team_only"}),
			want: `none reviewApproval "anyone">"team_only" DriftDetected`},
	} {
		t.Run(tt.title, func(t *testing.T) {
			connection := &v1alpha1.ConsoleConnection{ObjectMeta: metav1.ObjectMeta{Name: "default"}, Spec: tt.connection}
			p := Make([]client.Object{tt.obj}, State{Inventory: project(), Connection: connection, Cluster: tt.cluster})
			if got := told(p.Changes[0]); got != tt.want {
				t.Errorf("the plan is\n%s, want\n%s", got, tt.want)
			}
			if p.Changes[0].Reason != "" && p.Changes[0].Message == "" {
				t.Error("the problem has no message")
			}
			if want := p.Changes[0].Action != None; p.Changed() != want {
				t.Errorf("Changed is %v, want %v", p.Changed(), want)
			}
		})
	}
}

func told(c Change) string {
	out := string(c.Action)
	for _, f := range c.Fields {
		out += fmt.Sprintf(" %s %q>%q", f.Field, f.Now, f.Then)
		if len(f.Added)+len(f.Removed) > 0 {
			out += fmt.Sprintf(" +%v -%v", f.Added, f.Removed)
		}
		if f.Revokes {
			out += " revokes"
		}
	}
	if c.Reason != "" {
		out += " " + c.Reason
	}
	return out
}

func TestSeveralObjects(t *testing.T) {
	elsewhere := aRole("alan@example.com", "Admin")
	elsewhere.Spec.ConnectionRef.Name = "other"
	again := aRole("ALAN@example.com", "Read Only")
	again.Name = "again"
	objects := []client.Object{
		&v1alpha1.ConsoleConnection{}, elsewhere,
		aRole("alan@example.com", "Read Only"), again,
		aRole("ada@example.com", "Member"), aRole("grace@example.com", "Member"),
	}
	p := Make(objects, State{Inventory: project(), Connection: &v1alpha1.ConsoleConnection{ObjectMeta: metav1.ObjectMeta{Name: "default"}}})
	var reasons []string
	for _, c := range p.Changes {
		reasons = append(reasons, c.Reason)
	}
	if want := []string{"", v1alpha1.ReasonNameTaken, v1alpha1.ReasonLastAdmin, v1alpha1.ReasonLastAdmin}; !slices.Equal(reasons, want) {
		t.Errorf("the problems are %q, want %q", reasons, want)
	}
	if want := (Summary{Update: 3, Problems: 3, Elsewhere: 1}); p.Summary != want {
		t.Errorf("the summary is %+v, want %+v", p.Summary, want)
	}

	objects = append(objects[4:], aRole("alan@example.com", "Admin"))
	p = Make(objects, State{Inventory: project(), Connection: &v1alpha1.ConsoleConnection{ObjectMeta: metav1.ObjectMeta{Name: "default"}}})
	if want := (Summary{Update: 3}); p.Summary != want {
		t.Errorf("with a new Admin the summary is %+v, want %+v", p.Summary, want)
	}
}
