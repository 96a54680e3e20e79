package audit

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/console-access/console-access-operator/internal/consolesim"
)

// Evidence is what a ledger is audited against.
type Evidence struct {
	// Start and End are what the console held.
	Start, End consolesim.State
	// Requests are all that the console received.
	Requests []consolesim.Request
	// Protected are addresses that are never to be changed.
	Protected []string
	// BrakeDeletes is how many teams may be deleted within BrakePer unapproved.
	BrakeDeletes int
	BrakePer     time.Duration
	// StaleReads is the most that reads of the console lagged behind writes.
	StaleReads time.Duration
}

// A Finding is something that must not be.
type Finding struct {
	// Rule is short and the same for all findings of a kind.
	Rule string
	// Subject is the object, as "Team namespace/name", or what it is in the
	// console, as "team team-00001".
	Subject, Text string
	At            time.Time
	// Team or Email is what the requests that matter are about.
	Team, Email string
}

func (f Finding) String() string {
	return fmt.Sprintf("%s %s: %s: %s", f.At.Format("15:04:05.000"), f.Rule, f.Subject, f.Text)
}

// The rules.
const (
	// Doubled: the operator made a second team for one Team.
	Doubled = "doubled"
	// Lost: a team that the operator made belongs to nobody any more, or one
	// that should be there is not.
	Lost = "lost"
	// Unwanted: something was changed that nobody asked for.
	Unwanted = "unwanted change"
	// Late: something was written for an object after that was gone.
	Late = "written after the end"
	// Wrong: at the end the console is not as the object says.
	Wrong = "not as specified"
	// Unbraked: more teams were deleted at once than may be unattended.
	Unbraked = "deleted past the brake"
	// Restless: an object was written more often than anything explains.
	Restless = "written too often"
)

// audit is one look at everything.
type audit struct {
	*Ledger
	Evidence
	history  map[string][]version // of teams, by id
	people   map[string][]person  // by address
	made     map[string]birth     // of teams that a request made, by id
	findings []Finding
}

// A version is how a team was from an instant on; nil: it was not there.
type version struct {
	at      time.Time
	team    *consolesim.Team
	request int
}

// A birth is when a team was made, and under which name.
type birth struct {
	at   time.Time
	name string
}

// A person is how a user was from an instant on; nil: not there.
type person struct {
	at      time.Time
	user    *consolesim.User
	request int
}

// Audit returns all that must not be, oldest first.
func (l *Ledger) Audit(e Evidence) []Finding {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := &audit{Ledger: l, Evidence: e, history: map[string][]version{}, people: map[string][]person{}, made: map[string]birth{}}
	for i := range e.Start.Teams {
		a.history[e.Start.Teams[i].ID] = []version{{team: &e.Start.Teams[i]}}
	}
	for i := range e.Start.Users {
		a.people[key(e.Start.Users[i].Email)] = []person{{user: &e.Start.Users[i]}}
	}
	for _, c := range l.changes {
		a.change(c)
	}
	a.teamsAtTheEnd()
	a.usersAtTheEnd()
	a.brake()
	a.countWrites()
	slices.SortStableFunc(a.findings, func(x, y Finding) int { return x.At.Compare(y.At) })
	return a.findings
}

// key folds the case of ASCII letters, which makes no difference in an address.
func key(email string) string {
	return strings.Map(func(r rune) rune {
		if r < 'A' || r > 'Z' {
			return r
		}
		return r + ('a' - 'A')
	}, email)
}

func (a *audit) find(f Finding, format string, args ...any) {
	f.Text = fmt.Sprintf(format, args...)
	a.findings = append(a.findings, f)
}

// change holds one change to the rules and takes it into the history.
func (a *audit) change(c consolesim.Change) {
	if was, is := c.UserBefore, c.UserAfter; was != nil || is != nil {
		email := key(cmp.Or(is, was).Email)
		if c.Request > 0 {
			a.userChange(c)
		}
		a.people[email] = append(a.people[email], person{c.At, is, c.Request})
		return
	}
	was, is := c.TeamBefore, c.TeamAfter
	id := cmp.Or(is, was).ID
	if c.Request > 0 && was == nil {
		a.made[id] = birth{c.At, is.Name}
	}
	if c.Request > 0 {
		a.teamChange(c)
	}
	a.history[id] = append(a.history[id], version{c.At, is, c.Request})
}

// owners are the Teams that a team may be the team of: those whose status has
// named it; else, while no status has, those that had its name when it was made.
func (a *audit) owners(id string) []*Team {
	var named, candidates []*Team
	for _, life := range a.teams {
		if life.IDs[id] {
			named = append(named, life)
		}
	}
	made, ok := a.made[id]
	if len(named) > 0 || !ok {
		return named
	}
	for _, life := range a.teams {
		for _, spec := range life.believed(made.at) {
			if life.at(made.at) && ConsoleName(life.Name, &spec) == made.name && !slices.Contains(candidates, life) {
				candidates = append(candidates, life)
			}
		}
	}
	return candidates
}

// teamAt is how a team was at an instant.
func (a *audit) teamAt(id string, t time.Time) *consolesim.Team {
	var found *consolesim.Team
	for _, v := range a.history[id] {
		if !v.at.After(t) {
			found = v.team
		}
	}
	return found
}

// teamsSince are the versions of a team that could be seen from an instant on.
func (a *audit) teamsSince(id string, t time.Time) []*consolesim.Team {
	var out []*consolesim.Team
	history := a.history[id]
	for i, v := range history {
		if v.team != nil && (i+1 == len(history) || history[i+1].at.After(t)) {
			out = append(out, v.team)
		}
	}
	return out
}

// absent are the people who were not in the project at some time since t.
func (a *audit) absent(t time.Time) set {
	out := set{}
	for email, history := range a.people {
		for i, p := range history {
			if p.user == nil && (i+1 == len(history) || history[i+1].at.After(t)) {
				out[email] = true
			}
		}
	}
	return out
}

// target tells what a request is about: a team's id, a new team's name or a
// user's address.
func target(r consolesim.Request) (id, name, email string) {
	path, _, _ := strings.Cut(r.Path, "?")
	last, err := url.PathUnescape(path[strings.LastIndex(path, "/")+1:])
	if err != nil {
		return "", "", ""
	}
	switch r.Endpoint {
	case consolesim.UpdateTeam, consolesim.DeleteTeam:
		return last, "", ""
	case consolesim.CreateTeam:
		return "", bodyName(r.Body), ""
	case consolesim.UpdateUser:
		return "", "", key(last)
	}
	return "", "", ""
}
