package audit

import (
	"cmp"
	"slices"
	"time"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
)

// A count is what one object's writes are held against.
type count struct {
	finding                                      Finding
	writes, specs, hand, failed, orphaned, stale int
}

// countWrites finds objects that were written more often than anything explains.
//
// Every write needs a reason, and each reason is good for one write:
//
//   - the object was created, its spec changed, or it was deleted;
//   - somebody changed the team or the user by hand;
//   - a person whom a Team names came into the project, or left it: a console
//     that drops the unknown without a word is sent them once more;
//   - the write before was refused, or its answer was spoilt or cut;
//   - the process that sent the write before ended while it was under way, or
//     before the API server let it take note of the answer;
//   - another process became the leader while reads still showed the time before
//     the last write, of which it cannot know.
//
// Nothing else is a reason: neither time passing, nor a restart, nor another
// leader, nor an API server that loses status updates, nor a console that
// changes the way in which it spells what it holds. So the bound fails for a
// manager that writes at every start, at every comparison, or as often as the
// console answers in another spelling.
func (a *audit) countWrites() {
	l := a.explained()
	a.countByHand(l)
	a.comings(l.teams)
	for _, r := range a.writes() {
		id, name, email := target(r)
		c := a.countFor(l, id, name, email, r.Received)
		if c == nil {
			continue // what it changed, if anything, is held to the other rules
		}
		c.writes++
		c.finding.At = r.Received
		switch {
		case spoilt(r):
			c.failed++
		case a.unheard(r):
			c.orphaned++
		case a.forgotten(r):
			c.stale++
		}
	}
	for _, c := range l.teams {
		a.judge(c)
	}
	for _, c := range l.users {
		a.judge(c)
	}
}

// A ledger has a count for each team and user that an object described.
type ledger struct {
	teams map[*Team]*count
	users map[string]*count
}

// explained opens the ledger with the writes that the objects explain.
func (a *audit) explained() ledger {
	l := ledger{map[*Team]*count{}, map[string]*count{}}
	for _, life := range a.teams {
		l.teams[life] = &count{finding: Finding{Rule: Restless, Subject: "Team " + life.Name}}
		l.teams[life].specs = len(life.Specs)
		if !life.Deleted.IsZero() {
			l.teams[life].specs++
		}
	}
	for _, life := range a.roles {
		email := key(string(life.Specs[0].Spec.Email))
		if l.users[email] == nil {
			l.users[email] = &count{finding: Finding{Rule: Restless, Subject: "user " + email, Email: email}}
		}
		l.users[email].specs += len(life.Specs)
		if !life.Deleted.IsZero() {
			l.users[email].specs++
		}
	}
	return l
}

// countFor returns the count that a write or change belongs to, or nil.
func (a *audit) countFor(l ledger, id, name, email string, at time.Time) *count {
	switch {
	case email != "":
		return l.users[email]
	case id != "":
		if owners := a.owners(id); len(owners) > 0 {
			c := l.teams[owners[len(owners)-1]]
			c.finding.Team = id
			return c
		}
	case name != "":
		for _, life := range slices.Backward(a.teams) {
			for _, spec := range life.believed(at) {
				if life.at(at) && ConsoleName(life.Name, &spec) == name {
					return l.teams[life]
				}
			}
		}
	}
	return nil
}

// countByHand counts the changes that nobody requested over the API.
func (a *audit) countByHand(l ledger) {
	for _, c := range a.changes {
		if c.Request > 0 {
			continue
		}
		id, email := "", ""
		if c.UserAfter != nil {
			email = key(c.UserAfter.Email)
		}
		for _, t := range []*consolesim.Team{c.TeamBefore, c.TeamAfter} {
			if t != nil {
				id = t.ID
			}
		}
		if count := a.countFor(l, id, "", email, c.At); count != nil {
			count.hand++
		}
	}
}

// comings counts, for each Team, the people whom it names that came or left.
func (a *audit) comings(teams map[*Team]*count) {
	for _, c := range a.changes {
		came := c.UserBefore == nil && c.UserAfter != nil
		left := c.UserBefore != nil && c.UserAfter == nil
		if !came && !left {
			continue
		}
		email := key(cmp.Or(c.UserAfter, c.UserBefore).Email)
		for life, count := range teams {
			names := func(spec v1alpha1.TeamSpec) bool { return emails(spec.Members)[email] || emails(spec.Admins)[email] }
			switch {
			case !life.at(c.At) || !slices.ContainsFunc(life.believed(c.At), names):
			case came:
				count.hand++
			default:
				count.hand += 2
			}
		}
	}
}

func (a *audit) judge(c *count) {
	if allowed := c.specs + c.hand + c.failed + c.orphaned + c.stale; c.writes > allowed {
		a.find(c.finding, "was written %d times; %d are explained: %d by what it said, %d by hand, %d failed, %d unheard, %d before reads showed it",
			c.writes, allowed, c.specs, c.hand, c.failed, c.orphaned, c.stale)
	}
}

// spoilt reports whether a write was not, or not understandably, answered well.
func spoilt(r consolesim.Request) bool {
	delayed := []string{"", string(consolesim.EffectLatency), string(consolesim.EffectLatencyAfter), string(consolesim.EffectSlowBody)}
	return r.Status < 200 || r.Status > 299 || !slices.Contains(delayed, r.Fault)
}

const (
	// heardWithin is how long after its answer a write is certainly taken note of.
	heardWithin = time.Second
	// calmWithin is how long it takes to take note of everything once the API
	// server is well again: what it failed is repeated later each time.
	calmWithin = 10 * time.Second
)

// unheard reports whether a process ended while the request was under way, or
// before the API server let it take note of the answer.
func (a *audit) unheard(r consolesim.Request) bool {
	heard := r.Answered.Add(heardWithin)
	for _, t := range a.troubles {
		if t.began.Before(heard) && t.ended.Add(calmWithin).After(heard) {
			heard = t.ended.Add(calmWithin)
		}
	}
	return slices.ContainsFunc(a.deaths, func(t time.Time) bool {
		return t.After(r.Received) && (r.Answered.IsZero() || t.Before(heard))
	})
}

// forgotten reports whether somebody became the leader while reads did not show
// the write yet.
func (a *audit) forgotten(r consolesim.Request) bool {
	return a.StaleReads > 0 && slices.ContainsFunc(a.elections, func(t time.Time) bool {
		return t.After(r.Received) && t.Before(r.Answered.Add(a.StaleReads+transit))
	})
}
