// Package audit holds a console to what a cluster's objects said. It knows the
// objects' types and what the simulated console tells of itself, and shares no
// code with the operator, so that it shares no bug.
package audit

import (
	"sync"
	"time"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
)

// How long after the fact something may still be acted on.
const (
	// belief is how old a manager's knowledge of an object may be: while the
	// API server cannot be reached, what was read before is all there is. It is
	// longer than the longest outage of a campaign.
	belief = 30 * time.Second
	// observation is how old what a manager read of the console may be when it
	// writes values back that it does not manage. A full minute is what the
	// operator allows itself; then the call may take its time.
	observation = 90 * time.Second
	// transit is how long a request may be under way to the console.
	transit = 2 * time.Second
)

// A Life is an object from its creation to its end. Instants are those of the
// one who applies: before what began was sent, and after what ended was seen.
type Life[S any] struct {
	// Name is "namespace/name".
	Name  string
	Specs []Spec[S]
	// Deleted is right before the deletion was sent; zero: it was not.
	Deleted time.Time
	// Gone is when the object was seen to be gone.
	Gone time.Time
	// IDs are those of the console's teams that its status has named.
	IDs map[string]bool
	// Adopted says that its status has said so.
	Adopted bool
	// PreviousRole is what its status has said.
	PreviousRole string
}

// A Spec is what an object said from an instant on. Since is right before it was
// sent, Applied right after it was answered.
type Spec[S any] struct {
	Since, Applied time.Time
	Spec           S
}

type (
	// Team is the life of a Team.
	Team = Life[v1alpha1.TeamSpec]
	// UserRole is the life of a UserRole.
	UserRole = Life[v1alpha1.UserRoleSpec]
)

// Last is what the object said last.
func (l *Life[S]) Last() S { return l.Specs[len(l.Specs)-1].Spec }

// at reports whether the object existed at an instant, or may have for somebody
// whose request was under way.
func (l *Life[S]) at(t time.Time) bool {
	return !t.Before(l.Specs[0].Since) && (l.Gone.IsZero() || !t.After(l.Gone.Add(transit)))
}

// believed returns what a manager may have thought at an instant that the
// object says.
func (l *Life[S]) believed(t time.Time) []S {
	var out []S
	for i, s := range l.Specs {
		replaced := i+1 < len(l.Specs) && l.Specs[i+1].Applied.Add(belief).Before(t)
		if !s.Since.After(t) && !replaced {
			out = append(out, s.Spec)
		}
	}
	return out
}

// A Ledger collects what happened. It is safe for concurrent use.
type Ledger struct {
	mu        sync.Mutex
	teams     []*Team
	roles     []*UserRole
	changes   []consolesim.Change
	deaths    []time.Time
	elections []time.Time
	approvals []time.Time
	troubles  []trouble
}

// A trouble is when the API server failed some of what it was asked.
type trouble struct{ began, ended time.Time }

// Team adds the life of a Team that is about to be created.
func (l *Ledger) Team(name string, spec v1alpha1.TeamSpec) *Team {
	l.mu.Lock()
	defer l.mu.Unlock()
	life := &Team{Name: name, IDs: map[string]bool{}, Specs: []Spec[v1alpha1.TeamSpec]{{Since: time.Now(), Spec: *spec.DeepCopy()}}}
	l.teams = append(l.teams, life)
	return life
}

// UserRole adds the life of a UserRole that is about to be created.
func (l *Ledger) UserRole(name string, spec v1alpha1.UserRoleSpec) *UserRole {
	l.mu.Lock()
	defer l.mu.Unlock()
	life := &UserRole{Name: name, Specs: []Spec[v1alpha1.UserRoleSpec]{{Since: time.Now(), Spec: *spec.DeepCopy()}}}
	l.roles = append(l.roles, life)
	return life
}

// Note changes a life.
func (l *Ledger) Note(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}

// Changed notes a change in the console; see [consolesim.Options].
func (l *Ledger) Changed(c consolesim.Change) { l.Note(func() { l.changes = append(l.changes, c) }) }

// Died notes that a manager's process has ended.
func (l *Ledger) Died(at time.Time) { l.Note(func() { l.deaths = append(l.deaths, at) }) }

// Troubled notes when the API server failed some of what it was asked.
func (l *Ledger) Troubled(began, ended time.Time) {
	l.Note(func() { l.troubles = append(l.troubles, trouble{began, ended}) })
}

// Approved notes that all deletions held at an instant were approved.
func (l *Ledger) Approved(at time.Time) { l.Note(func() { l.approvals = append(l.approvals, at) }) }

// Elected notes that a manager's process has become the leader.
func (l *Ledger) Elected() { l.Note(func() { l.elections = append(l.elections, time.Now()) }) }
