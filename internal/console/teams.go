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
	presence Presence
	team     Team
	// at is when the fields were last seen, whole when the members were too.
	at, whole   time.Time
	unconfirmed bool
	wake[Team]
}

// forgettable reports whether a team has been gone for so long, by a reading
// that began then, that it need not be remembered any more.
func (e *teamEntry) forgettable(began time.Time) bool {
	return e.presence != Present && !e.unconfirmed && began.Sub(e.at) > remembered && began.Sub(e.wrote) > remembered
}

func (e *teamEntry) observation() Observation[Team] {
	return Observation[Team]{Presence: e.presence, Value: e.team, At: e.whole, Unconfirmed: e.unconfirmed}
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

// NameKey identifies a team's name: spaces around it make no difference.
func NameKey(name string) string { return strings.TrimSpace(name) }

func sameName(a, b string) bool { return NameKey(a) == NameKey(b) }

// FetchTeam reads one team from the console. A team that is not there is an
// Absent observation, not an error: the console says NotFound, or it refuses
// the id as Invalid and a complete listing lacks the team too. If the last
// listing does not, a new one decides, and the error is [ErrReading] until then.
// What a write of the last moments may explain, be it ours or that of the
// process before this one, is not news: the observation is then as it was before.
func (p *Project) FetchTeam(ctx context.Context, by Caller, id string) (Observation[Team], error) {
	if refused := p.unreadable(id); refused != nil {
		return p.refusedTeam(by, id, *refused)
	}
	began := time.Now()
	var team Team
	err := p.call(ctx, func(ctx context.Context) (err error) { team, err = p.api.GetTeam(ctx, by, id); return })
	switch ClassOf(err) {
	case Invalid:
		return p.refusedTeam(by, id, refusedRead{at: began, err: err})
	case NotFound:
		return p.noTeam(id, began), nil
	}
	if err != nil {
		return Observation[Team]{}, fmt.Errorf("read team %s: %w", id, err)
	}
	var seen Observation[Team]
	p.learn(id, func() {
		e := p.entry(id)
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

// noTeam notes that the console does not have a team.
func (p *Project) noTeam(id string, began time.Time) (seen Observation[Team]) {
	p.learn(id, func() {
		e := p.entry(id)
		unsettled := e.settling(began) || began.Before(p.born.Add(settle))
		if !unsettled || e.unconfirmed {
			*e = teamEntry{presence: Absent, at: began, team: Team{ID: id, Name: e.team.Name}}
		}
		seen = e.observation()
	})
	return seen
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

// A refusedRead is a read of a team that the console did not accept, which may
// be its way of saying that there is none.
type refusedRead struct {
	at  time.Time
	err error
}

func (p *Project) unreadable(id string) *refusedRead {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refusedReads[id]
}

// refusedTeam has the listing decide what a refused read means.
func (p *Project) refusedTeam(by Caller, id string, refused refusedRead) (Observation[Team], error) {
	listing := p.TeamsRead()
	p.mu.Lock()
	e, known := p.byID[id]
	listed := known && e.presence == Present
	decided := !listed && listing.Complete || !listing.StartedAt.Before(refused.at)
	if decided {
		delete(p.refusedReads, id)
	} else {
		p.refusedReads[id] = &refused
	}
	p.mu.Unlock()
	switch {
	case !decided:
		if err := p.ReadTeams(by, refused.at); err != nil {
			return Observation[Team]{}, fmt.Errorf("read team %s: %w", id, err)
		}
		return p.refusedTeam(by, id, refused)
	case !listed && listing.Complete:
		return p.noTeam(id, refused.at), nil
	}
	return Observation[Team]{}, fmt.Errorf("read team %s: %w", id, refused.err)
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
			*e = teamEntry{presence: NotListed}
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
		err = p.call(ctx, func(ctx context.Context) error { return p.api.DeleteTeam(ctx, by, id) })
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
	p.learn(id, func() {
		now := time.Now()
		gone := Team{ID: id, Name: p.entry(id).team.Name}
		p.byID[id] = &teamEntry{presence: Absent, at: now, wake: wake[Team]{wrote: now}, team: gone}
	})
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
func (p *Project) dropNameless(name string) { delete(p.nameless, NameKey(name)) }
