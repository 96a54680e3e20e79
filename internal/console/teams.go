package console

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A teamEntry is what is known of one team that has an id.
type teamEntry struct {
	sighting
	team Team
	// whole is when the team was last seen with its members.
	whole time.Time
	wake[Team]
}

func (e *teamEntry) observation() Observation[Team] {
	return Observation[Team]{Presence: e.presence, Value: e.team, At: e.whole, Unconfirmed: e.open()}
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
	return append(out, p.nameless[NameKey(name)]...)
}

// FormerlyNamed returns, sorted, the ids of teams that had a name and are gone,
// or not listed any more: reads may still show them for a moment.
func (p *Project) FormerlyNamed(name string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for id, e := range p.byID {
		if e.presence != Present && sameName(e.team.Name, name) {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// LastNamed returns when a team that is not listed any more was last seen with a name.
func (p *Project) LastNamed(name string) (at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.byID {
		if e.presence == NotListed && sameName(e.team.Name, name) {
			at = latest(at, e.at)
		}
	}
	return at
}

// NameKey identifies a team's name: spaces around it make no difference.
func NameKey(name string) string { return strings.TrimSpace(name) }

func sameName(a, b string) bool { return NameKey(a) == NameKey(b) }

// FetchTeam reads one team from the console. A team that is not there is an Absent
// observation, not an error. When the console refuses to show a team, a listing
// decides, and the error is [ErrReading] until then, or the refusal when the team is
// listed without its members. What a write of the last moments may explain, be it ours
// or that of the process before this one, is not news: the observation is then as it
// was before.
func (p *Project) FetchTeam(ctx context.Context, by Caller, id string) (Observation[Team], error) {
	p.mu.Lock()
	e := p.entry(id)
	refused := e.refusal != nil && !e.deletion
	if e.presence != Present {
		e.doubt()
	}
	p.mu.Unlock()
	if refused {
		return p.decideTeam(by, id, "read")
	}
	began := time.Now()
	var team Team
	err := p.call(ctx, func(ctx context.Context) (err error) { team, err = p.api.GetTeam(ctx, by, id); return })
	if err != nil && !Refused(err) {
		return Observation[Team]{}, fmt.Errorf("read team %s: %w", id, err)
	}
	if err != nil {
		return p.noTeam(by, id, began, err)
	}
	var seen Observation[Team]
	p.learn(id, func() {
		e := p.entry(id)
		_ = e.explain() // it is shown after all
		if !e.masks(began, func(former Team) bool { return sameTeam(former, team) }) || e.unconfirmed {
			team.ID = id
			if team.MembersKnown {
				e.whole = began
			}
			e.presence, e.team, e.at, e.unconfirmed = Present, team, began, false
		}
		seen = e.observation()
	})
	return seen, nil
}

// noTeam deals with the refusal of a read that began then.
func (p *Project) noTeam(by Caller, id string, began time.Time, err error) (Observation[Team], error) {
	p.mu.Lock()
	e := p.entry(id)
	if began.Before(p.teamShown(e)) {
		defer p.mu.Unlock()
		return e.observation(), nil
	}
	e.refuse(err, false)
	p.mu.Unlock()
	return p.decideTeam(by, id, "read")
}

// teamShown is from when on reads certainly show what was last written of a team, be
// it by us or by the process before this one. It needs p.mu.
func (p *Project) teamShown(e *teamEntry) time.Time { return latest(e.shown(), p.FormerShown()) }

// FormerShown is from when on reads certainly show what the process before this one
// created, if there was one.
func (p *Project) FormerShown() time.Time { return p.born.Add(settle) }

// decideTeam has listings tell what the refusal to read or delete a team means.
func (p *Project) decideTeam(by Caller, id, doing string) (Observation[Team], error) {
	var seen Observation[Team]
	var refusal error
	_, err := decide(p.teams, by, func(past readings) (found finding, since time.Time) {
		p.learn(id, func() {
			e := p.entry(id)
			since = latest(e.doubted, p.teamShown(e))
			found = e.judge(past, since)
			if found == foundAbsent && len(p.nameless[NameKey(e.team.Name)]) > 0 {
				// The one that is listed without an id may be it.
				found = foundThere
			}
			switch doubted := e.doubted; found {
			case foundAbsent:
				*e = teamEntry{sighting: sighting{presence: Absent, at: past.last().StartedAt}, team: Team{ID: id, Name: e.team.Name}}
			case foundThere:
				deletion := e.deletion
				refusal = e.explain()
				if !deletion && e.presence == Present && !e.unconfirmed && !e.whole.Before(doubted) {
					// The listing told all that the read would have.
					refusal = nil
				}
			}
			seen = e.observation()
		})
		return found, since
	})
	if err == nil {
		err = refusal
	}
	if err != nil {
		return Observation[Team]{}, fmt.Errorf("%s team %s: %w", doing, id, err)
	}
	return seen, nil
}

// learn changes what is known of a team. Who waits for a name that it then has
// no more is told, and need not wait for a listing, which would bring no news.
func (p *Project) learn(id string, change func()) {
	p.mu.Lock()
	former := p.nameOf(id)
	change()
	freed := former != "" && !sameName(former, p.nameOf(id))
	p.mu.Unlock()
	if freed {
		p.publish(Change{TeamNames: []string{former}})
	}
}

// NoteExternalID notes that somebody else tells the id of a team. When the view has never
// seen that team, another process may just have created it, and its absence from
// what is read in the next moments is not believed.
func (p *Project) NoteExternalID(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.byID[id]; !known {
		e := p.entry(id)
		e.wake = e.write()
	}
}

// entry needs p.mu.
func (p *Project) entry(id string) *teamEntry {
	e, ok := p.byID[id]
	if !ok {
		e = &teamEntry{}
		p.byID[id] = e
	}
	return e
}

// CreateTeam creates a team. The answer becomes what is known of it, where it
// has an id.
func (p *Project) CreateTeam(ctx context.Context, by Caller, team Team) (Team, error) {
	var made Team
	err := p.call(ctx, func(ctx context.Context) (err error) { made, err = p.api.CreateTeam(ctx, by, team); return })
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
	err := p.call(ctx, func(ctx context.Context) (err error) { made, err = p.api.UpdateTeam(ctx, by, id, team); return })
	made.ID = id
	p.learn(id, func() {
		e, known := p.byID[id]
		switch class := ClassOf(err); {
		case err == nil:
			made = p.wrote(made, team)
		case known && class == Ambiguous:
			e.unconfirmed, e.wake = true, e.write(e.team)
		case known && class == NotFound:
			e.unconfirmed = e.unconfirmed || e.presence == Present
		}
	})
	if err != nil {
		return Team{}, fmt.Errorf("update team %s: %w", id, err)
	}
	return made, nil
}

// wrote notes the answer to a write; it needs p.mu. An answer without members
// is taken to hold those that were sent, to be verified by the next whole read.
func (p *Project) wrote(answer, sent Team) Team {
	now := time.Now()
	e := &teamEntry{sighting: sighting{presence: Present, at: now}, whole: now}
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

// DeleteTeam deletes a team; one that is already gone is success. When the console
// refuses, a listing that begins after the answer decides, and the error is
// [ErrReading] until then, or the refusal when the team is still listed.
func (p *Project) DeleteTeam(ctx context.Context, by Caller, id string) error {
	if p.undeleted(id) {
		_, err := p.decideTeam(by, id, "delete")
		return err
	}
	err := p.call(ctx, func(ctx context.Context) error { return p.api.DeleteTeam(ctx, by, id) })
	switch {
	case Refused(err):
		p.mu.Lock()
		p.entry(id).refuse(err, true)
		p.mu.Unlock()
		_, err := p.decideTeam(by, id, "delete")
		return err
	case err != nil:
		return fmt.Errorf("delete team %s: %w", id, err)
	}
	p.learn(id, func() {
		now := time.Now()
		gone := Team{ID: id, Name: p.entry(id).team.Name}
		p.byID[id] = &teamEntry{sighting: sighting{presence: Absent, at: now}, wake: wake[Team]{wrote: now}, team: gone}
	})
	return nil
}

// undeleted reports whether the console refused to delete a team, and listings have
// not told yet whether it is there at all.
func (p *Project) undeleted(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	e, known := p.byID[id]
	return known && e.refusal != nil && e.deletion
}

// dropNameless needs p.mu.
func (p *Project) dropNameless(name string) { delete(p.nameless, NameKey(name)) }
