package audit

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
)

func bodyName(body string) string {
	var team struct {
		Name string `json:"name"`
	}
	_ = json.Unmarshal([]byte(body), &team) // a body that is no team has no name
	return team.Name
}

// userChange holds what a request did to a user to the UserRoles at that time.
func (a *audit) userChange(c consolesim.Change) {
	was, is := c.UserBefore, c.UserAfter
	if was == nil || is == nil {
		// Only an invitation makes a user, and no call removes one.
		return
	}
	email := key(is.Email)
	f := Finding{Rule: Unwanted, Subject: "user " + email, At: c.At, Email: email}
	if slices.ContainsFunc(a.Protected, func(p string) bool { return key(p) == email }) {
		a.find(f, "is protected, and became %+v from %+v", *is, *was)
		return
	}
	roles, first, last := set{was.Role: true}, set{was.FirstName: true}, set{was.LastName: true}
	alive, ever := false, false
	for _, life := range a.roles {
		if key(string(life.Specs[0].Spec.Email)) != email {
			continue
		}
		ever = ever || !life.Specs[0].Since.After(c.At)
		if !life.at(c.At) {
			continue
		}
		alive = true
		for _, spec := range life.believed(c.At) {
			roles[string(spec.Role)] = true
			for text, names := range map[*string]set{spec.FirstName: first, spec.LastName: last} {
				if text != nil {
					names[*text] = true
				}
			}
			if !life.Deleted.IsZero() && life.Deleted.Before(c.At) {
				roles[finalRole(&spec, life.PreviousRole)] = true
			}
		}
	}
	switch {
	case !ever:
		a.find(f, "has no UserRole, and became %+v from %+v", *is, *was)
	case !alive:
		f.Rule = Late
		a.find(f, "its UserRole was gone, and it became %+v from %+v", *is, *was)
	case !roles[is.Role] || !first[is.FirstName] || !last[is.LastName]:
		a.find(f, "became %+v from %+v, and no UserRole said so", *is, *was)
	}
}

// finalRole is the role that the deletion of a UserRole leaves; empty: whatever
// it is.
func finalRole(spec *v1alpha1.UserRoleSpec, previous string) string {
	switch spec.DeletionPolicy {
	case v1alpha1.UserRoleRestore:
		return documented(previous)
	case v1alpha1.UserRoleDowngrade:
		if spec.DowngradeTo == "" {
			return consolesim.RoleReadOnly
		}
		return string(spec.DowngradeTo)
	}
	return ""
}

// documented is the spelling in which the console stores a role, given the one
// in which it may have answered.
func documented(role string) string {
	switch strings.ReplaceAll(strings.ToLower(role), "-", " ") {
	case "admin":
		return consolesim.RoleAdmin
	case "member":
		return consolesim.RoleMember
	case "read only":
		return consolesim.RoleReadOnly
	}
	return role
}

// teamChange holds what a request did to a team to the Teams at that time.
func (a *audit) teamChange(c consolesim.Change) {
	team := c.TeamAfter
	if team == nil {
		team = c.TeamBefore
	}
	f := Finding{Rule: Unwanted, Subject: "team " + team.ID + " " + team.Name, At: c.At, Team: team.ID}
	var alive []*Team
	owners := a.owners(team.ID)
	for _, life := range owners {
		if life.at(c.At) {
			alive = append(alive, life)
		}
	}
	switch {
	case len(owners) == 0:
		a.find(f, "belongs to no Team, and became %s from %s", shown(c.TeamAfter), shown(c.TeamBefore))
		return
	case len(alive) == 0:
		f.Rule = Late
		a.find(f, "its Team %s was gone, and it became %s from %s", owners[len(owners)-1].Name, shown(c.TeamAfter), shown(c.TeamBefore))
		return
	case c.TeamAfter == nil:
		a.deletion(f, alive, c.At)
		return
	case c.TeamBefore == nil:
		a.doubles(f, alive, c)
	}
	a.fields(f, alive, c)
}

func shown(t *consolesim.Team) string {
	if t == nil {
		return "nothing"
	}
	text, err := json.Marshal(t)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// deletion holds a team's deletion to its Teams' policies.
func (a *audit) deletion(f Finding, alive []*Team, t time.Time) {
	for _, life := range alive {
		if life.Deleted.IsZero() || life.Deleted.After(t) {
			continue
		}
		for _, spec := range life.believed(t) {
			if spec.DeletionPolicy == v1alpha1.TeamDelete || spec.DeletionPolicy == "" && !life.Adopted {
				return
			}
		}
	}
	a.find(f, "was deleted, and no Team that was being deleted said so")
}

// brake finds deletions that needed an approval and had none. An approval is for
// what is held when a manager reads it. The brake counts deletions when they are
// sent, so they may arrive closer together, by as much as the first took longer
// than the last.
func (a *audit) brake() {
	var unapproved []time.Time
	for _, c := range a.changes {
		if c.Request == 0 || c.TeamBefore == nil || c.TeamAfter != nil {
			continue
		}
		approved := slices.ContainsFunc(a.owners(c.TeamBefore.ID), func(life *Team) bool {
			return !life.Deleted.IsZero() && slices.ContainsFunc(a.approvals, func(t time.Time) bool {
				return t.Before(c.At) && life.Deleted.Before(t.Add(belief))
			})
		})
		if approved {
			continue
		}
		unapproved = append(unapproved, c.At)
		first := len(unapproved) - 1 - a.BrakeDeletes
		if first >= 0 && c.At.Sub(unapproved[first]) < a.BrakePer-transit {
			f := Finding{Rule: Unbraked, Subject: "team " + c.TeamBefore.ID + " " + c.TeamBefore.Name, At: c.At, Team: c.TeamBefore.ID}
			a.find(f, "is the last of %d that were deleted within %v, and nobody approved", a.BrakeDeletes+1, c.At.Sub(unapproved[first]).Round(time.Millisecond))
		}
	}
}

// doubles looks for another team of the same Team when one is made.
func (a *audit) doubles(f Finding, alive []*Team, c consolesim.Change) {
	for id := range a.history {
		if id == c.TeamAfter.ID || a.teamAt(id, c.At) == nil {
			continue
		}
		for _, life := range a.owners(id) {
			if slices.Contains(alive, life) && len(alive) == 1 && len(a.owners(id)) == 1 {
				f.Rule = Doubled
				a.find(f, "was made for Team %s, which has the team %s already", life.Name, id)
			}
		}
	}
}

// fields holds every field that a request changed to what the Teams said, and,
// where one did not manage it, to what it had been before.
func (a *audit) fields(f Finding, alive []*Team, c consolesim.Change) {
	before := c.TeamBefore
	if before == nil {
		before = &consolesim.Team{ChangeTeamConfigs: "anyone", ReviewApproval: "anyone"}
	}
	had, has := settings(before), settings(c.TeamAfter)
	past := a.teamsSince(c.TeamAfter.ID, c.At.Add(-observation))
	var specs []v1alpha1.TeamSpec
	var wanted []map[string]string
	for _, life := range alive {
		for _, spec := range life.believed(c.At) {
			specs = append(specs, spec)
			wanted = append(wanted, managed(life.Name, &spec))
		}
	}
	for _, field := range slices.Sorted(maps.Keys(has)) {
		fits := has[field] == had[field]
		for _, want := range wanted {
			value, manages := want[field]
			fits = fits || manages && value == has[field]
			fits = fits || !manages && slices.ContainsFunc(past, func(t *consolesim.Team) bool { return settings(t)[field] == has[field] })
		}
		if !fits {
			a.find(f, "%s became %q from %q, and no Team said so", field, has[field], had[field])
		}
	}
	a.membership(f, specs, past, before, c)
}

// membership is fields for the people. Who was not in the project may be missing.
func (a *audit) membership(f Finding, specs []v1alpha1.TeamSpec, past []*consolesim.Team, before *consolesim.Team, c consolesim.Change) {
	absent := a.absent(c.At.Add(-observation))
	as := func(got, want set) bool {
		return len(got.without(want)) == 0 && len(want.without(got).without(absent)) == 0
	}
	admins, members := setOf(c.TeamAfter.Admins), onlyMembers(c.TeamAfter)
	adminsFit := as(admins, setOf(before.Admins))
	membersFit := as(members, onlyMembers(before))
	for _, spec := range specs {
		switch {
		case spec.Admins != nil:
			adminsFit = adminsFit || as(admins, emails(spec.Admins))
		default:
			adminsFit = adminsFit || slices.ContainsFunc(past, func(t *consolesim.Team) bool { return as(admins, setOf(t.Admins)) })
		}
		switch {
		case spec.Members != nil:
			membersFit = membersFit || as(members, emails(spec.Members).without(admins))
		default:
			// Who was admin may have been told as a member, or not, and has been
			// written back as it was told.
			membersFit = membersFit || slices.ContainsFunc(past, func(t *consolesim.Team) bool {
				were := setOf(t.Admins)
				return as(members.without(were), setOf(t.Members).without(admins).without(were))
			})
		}
	}
	if !adminsFit {
		a.find(f, "its admins became %q from %q, and no Team said so", admins, setOf(before.Admins))
	}
	if !membersFit {
		a.find(f, "its members became %q from %q, and no Team said so", members, onlyMembers(before))
	}
}

// writes are the requests that are to change something.
func (a *audit) writes() []consolesim.Request {
	return slices.DeleteFunc(slices.Clone(a.Requests), func(r consolesim.Request) bool {
		return r.Method == http.MethodGet || strings.HasSuffix(r.Endpoint, "invite")
	})
}
