package console

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// A teamEntry is what is known of one team that has an id.
type teamEntry struct {
	presence Presence
	team     Team
	// at is when the fields were last seen, whole when the members were too.
	at, whole time.Time
	doubtful  bool
	wake[Team]
}

func (e *teamEntry) observation() Observation[Team] {
	return Observation[Team]{Presence: e.presence, Value: e.team, At: e.whole, Doubtful: e.doubtful}
}

// ReadTeams is to teams what [Project.ReadUsers] is to users.
func (p *Project) ReadTeams(by Caller, since time.Time) error { return p.teams.ensure(by, since) }

// TeamsRead tells of the last listing of teams.
func (p *Project) TeamsRead() ListingInfo { return p.teams.info() }

// ListsMembers reports whether listings of teams hold their members, so that
// no team needs to be read by itself.
func (p *Project) ListsMembers() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.listsMembers
}

// Team returns what is known of the team with an id, without any call. Its
// members mean something only when Value.MembersKnown.
func (p *Project) Team(id string) Observation[Team] {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e, ok := p.byID[id]; ok {
		return e.observation()
	}
	return Observation[Team]{}
}

// TeamsNamed returns the teams known to have a name, by id, those whose id the
// console does not tell last.
func (p *Project) TeamsNamed(name string) []Team {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Team
	for _, e := range p.byID {
		if e.presence == Present && sameName(e.team.Name, name) {
			out = append(out, e.team)
		}
	}
	slices.SortFunc(out, func(a, b Team) int { return strings.Compare(a.ID, b.ID) })
	return append(out, p.nameless[nameKey(name)]...)
}

func nameKey(name string) string { return strings.TrimSpace(name) }

func sameName(a, b string) bool { return nameKey(a) == nameKey(b) }

// FetchTeam reads one team from the console. A team that is not there is an
// Absent observation, not an error: the console says NotFound, or it refuses
// the id as Invalid and its last complete listing lacks the team too.
func (p *Project) FetchTeam(ctx context.Context, by Caller, id string) (Observation[Team], error) {
	began := time.Now()
	var team Team
	err := p.call(func() (err error) { team, err = p.api.GetTeam(ctx, by, id); return })
	class := ClassOf(err)
	listing := p.TeamsRead()
	p.mu.Lock()
	defer p.mu.Unlock()
	e, known := p.byID[id]
	unlisted := !known || e.presence != Present
	absent := class == NotFound || class == Invalid && listing.Complete && unlisted
	if err != nil && !absent {
		return Observation[Team]{}, fmt.Errorf("read team %s: %w", id, err)
	}
	if !known {
		e = &teamEntry{}
		p.byID[id] = e
	}
	masked := e.masks(began, func(former Team) bool { return sameTeam(former, team) })
	if (masked || absent && e.settling(began)) && !e.doubtful {
		return e.observation(), nil
	}
	if absent {
		*e = teamEntry{presence: Absent, at: began}
		return e.observation(), nil
	}
	team.ID = id
	if team.MembersKnown {
		e.whole = began
	}
	e.presence, e.team, e.at, e.doubtful = Present, team, began, false
	return e.observation(), nil
}

// CreateTeam creates a team. The answer becomes what is known of it, where it
// has an id.
func (p *Project) CreateTeam(ctx context.Context, by Caller, team Team) (Team, error) {
	var made Team
	err := p.call(func() (err error) { made, err = p.api.CreateTeam(ctx, by, team); return })
	if err != nil {
		return Team{}, fmt.Errorf("create team %q: %w", team.Name, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if made.ID != "" {
		p.wrote(made, team)
	}
	return made, nil
}

// UpdateTeam replaces a team's definition; the answer becomes what is known of it.
func (p *Project) UpdateTeam(ctx context.Context, by Caller, id string, team Team) (Team, error) {
	var made Team
	err := p.call(func() (err error) { made, err = p.api.UpdateTeam(ctx, by, id, team); return })
	var change Change
	defer func() { p.publish(change) }()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		if e, ok := p.byID[id]; ok {
			switch ClassOf(err) {
			case Ambiguous:
				e.doubtful, e.wake = true, e.write(e.team)
			case NotFound:
				*e = teamEntry{presence: Unlisted}
			}
		}
		return Team{}, fmt.Errorf("update team %s: %w", id, err)
	}
	made.ID = id
	if former := p.nameOf(id); former != "" && !sameName(former, made.Name) {
		// Whoever waits for that name need not wait for the next listing.
		change.TeamNames = []string{former}
	}
	return p.wrote(made, team), nil
}

// wrote notes the answer to a write; it needs p.mu. An answer without members
// is taken to hold those that were sent, to be verified by the next whole read.
func (p *Project) wrote(answer, sent Team) Team {
	now := time.Now()
	e := &teamEntry{presence: Present, at: now, whole: now}
	if before, ok := p.byID[answer.ID]; ok && before.presence == Present {
		e.wake = before.write(before.team)
	} else {
		e.wake = e.write()
	}
	if !answer.MembersKnown {
		answer.Members, answer.Admins, answer.MembersKnown = sent.Members, sent.Admins, true
		e.whole = time.Time{}
	}
	e.team = answer
	p.byID[answer.ID] = e
	p.dropNameless(answer.Name)
	return answer
}

// DeleteTeam deletes a team; one that is already gone is success.
func (p *Project) DeleteTeam(ctx context.Context, by Caller, id string) error {
	err := p.takeUndeletable(id)
	if err == nil {
		err = p.call(func() error { return p.api.DeleteTeam(ctx, by, id) })
	}
	if ClassOf(err) == Invalid {
		// Some consoles refuse the id of a team that is gone rather than say so.
		seen, readErr := p.FetchTeam(ctx, by, id)
		switch {
		case readErr == nil && seen.Presence == Absent:
			err = nil
		case readErr != nil && ClassOf(readErr) != Invalid:
			// It is still to be read, and need not be refused again before.
			p.mu.Lock()
			p.undeletable[id] = err
			p.mu.Unlock()
			return readErr
		}
	}
	if err != nil && ClassOf(err) != NotFound {
		return fmt.Errorf("delete team %s: %w", id, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.byID[id] = &teamEntry{presence: Absent, at: now, wake: wake[Team]{wrote: now}}
	return nil
}

// takeUndeletable returns, once, the refusal of a deletion that is yet to be
// looked into.
func (p *Project) takeUndeletable(id string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.undeletable[id]
	delete(p.undeletable, id)
	return err
}

// dropNameless needs p.mu.
func (p *Project) dropNameless(name string) { delete(p.nameless, nameKey(name)) }

func (p *Project) acceptTeams(l Listing[Team]) {
	before := p.TeamsRead().StartedAt
	p.mu.Lock()
	var change Change
	listed := make(map[string]bool, len(l.Items))
	nameless := map[string][]Team{}
	for _, team := range l.Items {
		if team.ID == "" {
			team.ID = p.idOf(team.Name)
		}
		if team.ID == "" {
			nameless[nameKey(team.Name)] = append(nameless[nameKey(team.Name)], team)
			continue
		}
		listed[team.ID] = true
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
		if e.presence != Present || listed[id] || e.settling(l.StartedAt) || !lacked(e.at, before, l.StartedAt, l.Complete) {
			continue
		}
		e.presence = Unlisted
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

// acceptTeam takes over a listed team and reports whether that was news. It
// needs p.mu.
func (p *Project) acceptTeam(team Team, began time.Time) bool {
	e, ok := p.byID[team.ID]
	if !ok {
		e = &teamEntry{}
		p.byID[team.ID] = e
	}
	masked := e.masks(began, func(former Team) bool { return sameTeam(former, team) })
	if masked || e.settling(began) && (e.doubtful || e.presence == Absent) || e.at.After(began) {
		return false
	}
	whole := began
	if !team.MembersKnown {
		team.Members, team.Admins, team.MembersKnown = e.team.Members, e.team.Admins, e.team.MembersKnown
		whole = e.whole
	}
	news := e.presence != Present || !reflect.DeepEqual(e.team, team)
	*e = teamEntry{presence: Present, team: team, at: began, whole: whole, doubtful: e.doubtful && whole != began, wake: e.keep(began)}
	return news
}

// nameOf is the name that the team with an id is known by. It needs p.mu.
func (p *Project) nameOf(id string) string {
	if e, ok := p.byID[id]; ok && e.presence == Present {
		return e.team.Name
	}
	return ""
}

// idOf finds the id of a listed team that came without one: the only team of
// that name whose id is known from elsewhere. It needs p.mu.
func (p *Project) idOf(name string) string {
	id := ""
	for known, e := range p.byID {
		if e.presence != Absent && sameName(e.team.Name, name) {
			if id != "" {
				return ""
			}
			id = known
		}
	}
	return id
}
