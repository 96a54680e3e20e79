package audit

import (
	"slices"
	"time"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
)

// teamsAtTheEnd compares the Teams with the teams that are left.
func (a *audit) teamsAtTheEnd() {
	now := time.Now()
	expected := map[string]bool{}
	for _, team := range a.Start.Teams {
		expected[team.ID] = true
	}
	for _, c := range a.changes {
		if c.Request == 0 && c.TeamBefore == nil && c.TeamAfter != nil && a.made[c.TeamAfter.ID].name == "" {
			expected[c.TeamAfter.ID] = true // made by hand
		}
	}
	for _, life := range a.teams {
		if life.Gone.IsZero() {
			for _, team := range a.aliveAtTheEnd(life, now) {
				expected[team.ID] = true
			}
			continue
		}
		for id := range life.IDs {
			if !a.goneAsSaid(life, id) {
				expected[id] = true // reported, or to be kept
			}
		}
	}
	for i := range a.End.Teams {
		team := &a.End.Teams[i]
		// The id of an orphan need never have come to be known.
		orphan := slices.ContainsFunc(a.owners(team.ID), func(life *Team) bool { return !life.Gone.IsZero() && orphans(life) })
		if expected[team.ID] || orphan {
			continue
		}
		f := Finding{Rule: Lost, Subject: "team " + team.ID + " " + team.Name, At: now, Team: team.ID}
		owners := a.owners(team.ID)
		if len(owners) > 0 && owners[len(owners)-1].Gone.IsZero() {
			f.Rule = Doubled
			a.find(f, "is left beside that of Team %s", owners[len(owners)-1].Name)
			continue
		}
		a.find(f, "belongs to no Team any more: %s", shown(team))
	}
}

// aliveAtTheEnd compares a Team that exists with its team, and returns that.
func (a *audit) aliveAtTheEnd(life *Team, now time.Time) []*consolesim.Team {
	spec := life.Last()
	f := Finding{Rule: Wrong, Subject: "Team " + life.Name, At: now}
	var mine, namesakes []*consolesim.Team
	for i := range a.End.Teams {
		team := &a.End.Teams[i]
		if life.IDs[team.ID] {
			mine = append(mine, team)
		}
		if team.Name == ConsoleName(life.Name, &spec) {
			namesakes = append(namesakes, team)
		}
	}
	if len(mine) == 0 && spec.AdoptionPolicy != v1alpha1.AdoptionAdopt && len(namesakes) == 1 && a.made[namesakes[0].ID].name == "" {
		return nil // somebody else's, which it has to leave alone
	}
	switch {
	case len(mine) == 0:
		f.Rule = Lost
		a.find(f, "has no team in the console; there are %d named %q", len(namesakes), ConsoleName(life.Name, &spec))
		return nil
	case len(mine) > 1:
		f.Rule, f.Team = Doubled, mine[1].ID
		a.find(f, "has %d teams in the console: %s and %s", len(mine), shown(mine[0]), shown(mine[1]))
		return mine
	case len(namesakes) > 1:
		f.Rule, f.Team = Doubled, mine[0].ID
		a.find(f, "there are %d teams named %q in the console", len(namesakes), ConsoleName(life.Name, &spec))
	}
	team := mine[0]
	f.Team = team.ID
	has := settings(team)
	for field, want := range managed(life.Name, &spec) {
		if has[field] != want {
			a.find(f, "%s is %q, want %q", field, has[field], want)
		}
	}
	if got, want := setOf(team.Admins), emails(spec.Admins); spec.Admins != nil && got.String() != want.String() {
		a.find(f, "the admins are %q, want %q", got, want)
	}
	if got, want := onlyMembers(team), emails(spec.Members).without(setOf(team.Admins)); spec.Members != nil && got.String() != want.String() {
		a.find(f, "the members are %q, want %q", got, want)
	}
	return mine
}

// orphans reports whether a Team leaves its team in the console when it goes.
func orphans(life *Team) bool {
	policy := life.Last().DeletionPolicy
	return policy == v1alpha1.TeamOrphan || policy == "" && life.Adopted
}

// goneAsSaid reports whether a team need not be there at the end, its Team
// being gone. It finds fault with one that is there and should not, or the
// reverse.
func (a *audit) goneAsSaid(life *Team, id string) bool {
	for _, other := range a.teams {
		if other != life && other.IDs[id] && other.Specs[0].Since.After(life.Specs[0].Since) {
			return true // adopted since
		}
	}
	orphaned := orphans(life)
	f := Finding{Rule: Lost, Subject: "Team " + life.Name, At: life.Gone, Team: id}
	left := a.teamAt(id, life.Gone.Add(transit))
	if orphaned || left == nil {
		return !orphaned
	}
	a.find(f, "is gone, and its team is still there: %s", shown(left))
	return false
}

// usersAtTheEnd compares the UserRoles with the users.
func (a *audit) usersAtTheEnd() {
	now := time.Now()
	for _, life := range a.roles {
		spec := life.Last()
		email := key(string(spec.Email))
		f := Finding{Rule: Wrong, Subject: "UserRole " + life.Name, At: now, Email: email}
		if !life.Gone.IsZero() {
			a.released(f, life, spec, email)
			continue
		}
		if slices.ContainsFunc(a.Protected, func(p string) bool { return key(p) == email }) {
			continue
		}
		i := slices.IndexFunc(a.End.Users, func(u consolesim.User) bool { return key(u.Email) == email })
		if i < 0 {
			a.find(f, "%s is not in the console", email)
			continue
		}
		user := a.End.Users[i]
		wrong := user.Role != string(spec.Role) ||
			spec.FirstName != nil && user.FirstName != *spec.FirstName || spec.LastName != nil && user.LastName != *spec.LastName
		if wrong {
			a.find(f, "the console has %+v, want the role %q", user, spec.Role)
		}
	}
}

// released finds fault with a UserRole that is gone although the person never
// had the role that its deletion was to leave, from when the console may have
// been looked at for it until its end.
func (a *audit) released(f Finding, life *UserRole, spec v1alpha1.UserRoleSpec, email string) {
	want := finalRole(&spec, life.PreviousRole)
	if want == "" || life.PreviousRole == "" || slices.ContainsFunc(a.Protected, func(p string) bool { return key(p) == email }) {
		return
	}
	since := life.Deleted.Add(-observation)
	history := a.people[email]
	for i, p := range history {
		seen := !p.at.After(life.Gone) && (i+1 == len(history) || history[i+1].at.After(since))
		if seen && (p.user == nil || p.user.Role == want) {
			return
		}
	}
	f.At = life.Gone
	a.find(f, "is gone, and %s was not left with the role %q", email, want)
}
