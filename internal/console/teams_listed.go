package console

import (
	"maps"
	"reflect"
	"slices"
	"time"
)

// acceptTeams takes over what a listing holds, and lacks.
func (p *Project) acceptTeams(l Listing[Team], past readings) {
	p.mu.Lock()
	var change Change
	known, nameless, listed := p.identify(l.Items)
	for _, team := range known {
		former := p.nameOf(team.ID)
		if p.acceptTeam(team, l.StartedAt) {
			change.TeamIDs = append(change.TeamIDs, team.ID)
			change.TeamNames = append(change.TeamNames, team.Name)
			if former != "" && !sameName(former, team.Name) {
				change.TeamNames = append(change.TeamNames, former)
			}
		}
	}
	for id, e := range p.byID {
		if e.forgettable(l.StartedAt, e.wrote) {
			delete(p.byID, id)
		}
		if e.presence != Present || listed[id] || !past.prove(latest(e.at.Add(1), e.shown())) {
			continue
		}
		e.presence = NotListed
		e.doubt()
		change.TeamIDs = append(change.TeamIDs, id)
		change.TeamNames = append(change.TeamNames, e.team.Name)
	}
	for name, teams := range nameless {
		if !reflect.DeepEqual(p.nameless[name], teams) {
			change.TeamNames = append(change.TeamNames, name)
		}
	}
	for name := range p.nameless {
		if len(nameless[name]) == 0 {
			change.TeamNames = append(change.TeamNames, name)
		}
	}
	p.nameless = nameless
	// An empty listing tells nothing of what listings hold.
	p.listsMembers = len(l.Items) > 0 && !slices.ContainsFunc(l.Items, func(t Team) bool { return !t.MembersKnown })
	p.mu.Unlock()
	p.publish(change)
}

// identify finds the ids of listed teams that came without: one of the name of a
// known team that is not listed by its id is that team. Of several of one name it
// is the one that looks like it; when none does, the team is listed, but nothing
// is taken from the listing. It needs p.mu.
func (p *Project) identify(items []Team) (known []Team, nameless map[string][]Team, listed map[string]bool) {
	listed, nameless = map[string]bool{}, map[string][]Team{}
	for _, team := range items {
		if team.ID == "" {
			nameless[NameKey(team.Name)] = append(nameless[NameKey(team.Name)], team)
			continue
		}
		listed[team.ID] = true
		known = append(known, team)
	}
	for _, name := range slices.Sorted(maps.Keys(nameless)) {
		teams := nameless[name]
		id := p.idOf(name, listed)
		if id == "" {
			continue
		}
		listed[id] = true
		i := slices.IndexFunc(teams, func(t Team) bool { return len(teams) == 1 || sameTeam(p.byID[id].team, t) })
		if i >= 0 {
			teams[i].ID = id
			known = append(known, teams[i])
		}
		if teams = slices.Delete(teams, max(i, 0), max(i, 0)+1); len(teams) == 0 {
			delete(nameless, name)
			continue
		}
		nameless[name] = teams
	}
	return known, nameless, listed
}

// acceptTeam takes over a listed team and reports whether that was news. It
// needs p.mu.
func (p *Project) acceptTeam(team Team, began time.Time) bool {
	e := p.entry(team.ID)
	masked := e.masks(began, func(former Team) bool { return sameTeam(former, team) })
	if masked || e.settling(began) && (e.unconfirmed || e.presence == Absent) || e.at.After(began) {
		return false
	}
	whole := began
	if !team.MembersKnown {
		whole = e.whole
		if e.presence == Present && !sameTeam(e.team, team) {
			// Who changed the fields may have changed the members, too.
			whole = time.Time{}
		}
		team.Members, team.Admins, team.MembersKnown = e.team.Members, e.team.Admins, e.team.MembersKnown
	}
	news := e.presence != Present || !reflect.DeepEqual(e.team, team)
	unconfirmed := e.unconfirmed && whole != began
	*e = teamEntry{sighting: e.seen(began), team: team, whole: whole, wake: e.keep(began)}
	e.unconfirmed = unconfirmed
	return news
}

// nameOf is the name that the team with an id is known by. It needs p.mu.
func (p *Project) nameOf(id string) string {
	if e, ok := p.byID[id]; ok && e.presence == Present {
		return e.team.Name
	}
	return ""
}

// idOf finds the only team of that name whose id is known from elsewhere, but
// not from this listing. One that listings lacked before is none: what appears
// under its name may be a new team, and who asks for it by its id learns whether
// it is back. It needs p.mu.
func (p *Project) idOf(name string, listed map[string]bool) string {
	id := ""
	for known, e := range p.byID {
		if e.presence == Present && !listed[known] && sameName(e.team.Name, name) {
			if id != "" {
				return ""
			}
			id = known
		}
	}
	return id
}
