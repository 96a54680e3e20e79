// Package export makes manifests out of what a console project holds, such that
// applying them changes nothing there.
package export

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/plugin/inventory"
	"github.com/console-access/console-access-operator/internal/plugin/naming"
)

// Manage says which fields the manifests set, and so manage.
type Manage string

const (
	// ManageAccess exports who has access and nothing else, i.e. a person's role
	// and a team's members and admins.
	ManageAccess Manage = "access"
	// ManageGiven also exports every other field that has a value in the console.
	ManageGiven Manage = "given"
	// ManageAll also exports the fields that are empty there, so that they stay empty.
	ManageAll Manage = "all"
)

// Options say what is exported, and how.
type Options struct {
	// Namespace of the objects; empty leaves it to whoever applies them.
	Namespace string
	// Connection is the ConsoleConnection that the objects name.
	Connection string
	Manage     Manage
	// Users and Teams select by address and name; nil selects none.
	Users, Teams Selection
	// AllowedRoles are those that the connection lets UserRoles grant; empty: any.
	AllowedRoles []v1alpha1.RoleName
	// Existing are the objects in the cluster that stand for a user or team
	// already, by [Claim]: they keep their names.
	Existing map[Claim]types.NamespacedName
}

// A Claim is what an object stands for on a connection.
type Claim struct{ Kind, Of string }

// A Selection reports whether a user or team is wanted.
type Selection func(name string) bool

// A Note says what is missing from the export, and why.
type Note struct {
	// Kind is User or Team.
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Message says why, and what to do about it.
	Message string `json:"message"`
}

// A Result is an export.
type Result struct {
	Teams     []*v1alpha1.Team
	UserRoles []*v1alpha1.UserRole
	// Notes tell, sorted by kind and name, of everything that is not as in the
	// console or not there at all.
	Notes []Note
}

// Objects returns the teams, then the people.
func (r *Result) Objects() []client.Object {
	out := make([]client.Object, 0, len(r.Teams)+len(r.UserRoles))
	for _, t := range r.Teams {
		out = append(out, t)
	}
	for _, u := range r.UserRoles {
		out = append(out, u)
	}
	return out
}

// Export makes the manifests.
func Export(inv *inventory.Inventory, o Options) *Result {
	r := &Result{}
	if o.Teams != nil {
		r.exportTeams(inv, o)
	}
	if o.Users != nil {
		r.exportUsers(inv, o)
	}
	return r
}

func (r *Result) exportTeams(inv *inventory.Inventory, o Options) {
	having := map[string]int{}
	var names []string
	for _, team := range inv.Teams {
		name := strings.TrimSpace(team.Name)
		having[name]++
		names = append(names, name)
	}
	// The names of all teams, so that they do not depend on the selection.
	objectNames := naming.Teams(names)
	told := map[string]bool{}
	for _, team := range inv.Teams {
		name := strings.TrimSpace(team.Name)
		if !o.Teams(name) || told[name] {
			continue
		}
		told[name] = true
		note := func(format string, args ...any) {
			r.Notes = append(r.Notes, Note{Kind: "Team", Name: name, Message: fmt.Sprintf(format, args...)})
		}
		switch {
		case having[name] > 1:
			note("left out: the console has %d teams of this name, and none of them can be told from the others. Rename all but one in the console and export again.", having[name])
			continue
		case team.ID == "":
			note("left out: the console does not tell its id, so it cannot be taken over. Delete it in the console when a Team shall create it anew.")
			continue
		case !validTeamName(name):
			note("left out: a Team cannot have this name (one line of at most %d visible characters). Rename it in the console and export again.", maxTeamName)
			continue
		}
		obj := &v1alpha1.Team{Spec: teamSpec(&team, o.Manage, note)}
		obj.Spec.Name = name
		obj.Spec.ConnectionRef.Name = o.Connection
		obj.Spec.AdoptionPolicy = v1alpha1.AdoptionAdopt
		o.name(obj, "Team", objectNames[name])
		r.Teams = append(r.Teams, obj)
	}
}

func (r *Result) exportUsers(inv *inventory.Inventory, o Options) {
	var emails []string
	for _, user := range inv.Users {
		emails = append(emails, user.Email)
	}
	objectNames := naming.Emails(emails, console.EmailKey)
	for _, user := range inv.Users {
		if !o.Users(console.EmailKey(user.Email)) {
			continue
		}
		role := console.DocumentedRole(user.Role)
		note := func(format string, args ...any) {
			r.Notes = append(r.Notes, Note{Kind: "User", Name: user.Email, Message: fmt.Sprintf(format, args...)})
		}
		switch {
		case !validEmail(user.Email):
			note("left out: a UserRole cannot have this address. Change it in the console if it is wrong.")
			continue
		case !validRole(role):
			note("left out: the console tells no role that a UserRole can have (it tells %q). Give them a role in the console and export again.", role)
			continue
		case console.IsOwner(role):
			note("left out: the project's Owner is not managed through the operator, and keeps the role until it is transferred in the console.")
			continue
		case !allowed(o.AllowedRoles, role):
			note("left out: ConsoleConnection %q does not let UserRoles grant the role %q. Add it to spec.allowedRoles and export again, or keep this person by hand.", o.Connection, role)
			continue
		}
		obj := &v1alpha1.UserRole{}
		obj.Spec.Email, obj.Spec.Role = v1alpha1.EmailAddress(user.Email), v1alpha1.RoleName(role)
		obj.Spec.ConnectionRef.Name = o.Connection
		obj.Spec.FirstName = personName("firstName", user.FirstName, o.Manage, note)
		obj.Spec.LastName = personName("lastName", user.LastName, o.Manage, note)
		o.name(obj, "UserRole", objectNames[user.Email])
		r.UserRoles = append(r.UserRoles, obj)
	}
}

// name gives the object the name that it has in the cluster, or else the one
// made for it.
func (o Options) name(obj v1alpha1.AccessObject, kind, made string) {
	obj.SetNamespace(o.Namespace)
	obj.SetName(made)
	if existing, ok := o.Existing[Claim{Kind: kind, Of: obj.Claim()}]; ok {
		obj.SetNamespace(existing.Namespace)
		obj.SetName(existing.Name)
	}
}

func allowed(roles []v1alpha1.RoleName, role string) bool {
	return len(roles) == 0 || slices.Contains(roles, v1alpha1.RoleName(role))
}

func personName(field, value string, manage Manage, note func(string, ...any)) *string {
	switch {
	case manage == ManageAccess || manage == ManageGiven && value == "":
		return nil
	case !line(value, maxPersonName):
		note("%s is not managed: a UserRole permits one line of at most %d visible characters.", field, maxPersonName)
		return nil
	}
	return &value
}

// RolesOf returns the roles that the project's users have, sorted, as far as a
// ConsoleConnection can name them.
func RolesOf(inv *inventory.Inventory) []v1alpha1.RoleName {
	var out []v1alpha1.RoleName
	for _, user := range inv.Users {
		if role := console.DocumentedRole(user.Role); validRole(role) && !console.IsOwner(role) {
			out = append(out, v1alpha1.RoleName(role))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
