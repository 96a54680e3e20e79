package console

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/console-access/console-access-operator/internal/quota"
)

// A Caller says in whose name, and in which lane, a call pays the quota.
type Caller = quota.Request

// Presence says what is known of whether something is in the console.
type Presence int

const (
	// NotListed means that the last listing does not have it, which alone proves nothing.
	NotListed Presence = iota
	// Present means that it was there when last seen.
	Present
	// Absent means that the console was asked for it by name, and said that it is not there.
	Absent
)

// An Observation is what is known of one user or team.
type Observation[T any] struct {
	Presence Presence
	Value    T
	// At is when the read behind it began, or the answer to our write came.
	// For a team: when it was last seen whole, members included.
	At time.Time
	// Unconfirmed is true after a write whose outcome is unknown: it must be read
	// again before anything is concluded from it.
	Unconfirmed bool
}

// A Change tells which users and teams a reading found to be different from
// what was known.
type Change struct {
	// Emails holds the [EmailKey] of each changed user.
	Emails []string
	// TeamIDs and TeamNames identify changed, new and vanished teams.
	TeamIDs, TeamNames []string
	// Access is true when the console began or ceased to accept the key.
	Access bool
}

// A Project is the shared view of a console project: everything that listings,
// single reads and the answers to our own writes have told, newest last. All
// methods are safe for concurrent use. Calls that cost quota take a [Caller].
type Project struct {
	api     API
	limiter *quota.Limiter
	cancel  context.CancelFunc
	users   *reader[User]
	teams   *reader[Team]

	closed atomic.Bool

	// born is when this view began to know of writes.
	born time.Time

	mu       sync.Mutex
	people   map[string]*person
	byID     map[string]*teamEntry
	nameless map[string][]Team
	// listsMembers: the last listing of teams held their members.
	listsMembers bool
	awaited      map[string]awaiting
	sinks        map[string]func(Change)
	checks       *checks

	refused   *Error
	refusedAt time.Time
	// probing: a request is under way that shows whether the key is still refused.
	probing bool

	demotions *Demotions
	view      int
}

// An Option changes a view that is being made.
type Option func(*Project)

// ShareDemotions has the view heed the demotions that others with the same d
// make: they may be of the same project.
func ShareDemotions(d *Demotions) Option { return func(p *Project) { p.demotions = d } }

type awaiting struct {
	emails map[string]bool
	notify func()
}

// NewProject returns the view of the project that api reaches. Close it.
func NewProject(api API, limiter *quota.Limiter, options ...Option) *Project {
	ctx, cancel := context.WithCancel(context.Background())
	p := &Project{
		api: api, limiter: limiter, cancel: cancel, born: time.Now(),
		people:   map[string]*person{},
		byID:     map[string]*teamEntry{},
		nameless: map[string][]Team{},
		awaited:  map[string]awaiting{},
		sinks:    map[string]func(Change){},
		checks:   newChecks(),

		demotions: &Demotions{},
	}
	for _, option := range options {
		option(p)
	}
	p.view = p.demotions.join()
	p.users = &reader[User]{ctx: ctx, key: "listing/users", accept: p.acceptUsers, promote: limiter.Promote, jitter: limiter.Jitter, waiters: map[string]waiter{},
		list: func(ctx context.Context, by quota.Request) (l Listing[User], err error) {
			err = p.call(ctx, func(ctx context.Context) (err error) { l, err = api.ListUsers(ctx, by); return })
			return
		}}
	p.teams = &reader[Team]{ctx: ctx, key: "listing/teams", accept: p.acceptTeams, promote: limiter.Promote, jitter: limiter.Jitter, waiters: map[string]waiter{},
		list: func(ctx context.Context, by quota.Request) (l Listing[Team], err error) {
			err = p.call(ctx, func(ctx context.Context) (err error) { l, err = api.ListTeams(ctx, by); return })
			return
		}}
	return p
}

// Halt ends all calls: none is sent any more, and each gets [quota.ErrClosed].
// Those that were sent go on.
func (p *Project) Halt() { p.closed.Store(true) }

// Close is Halt, and ends readings under way. Calls that were sent end with their
// callers' contexts.
func (p *Project) Close() {
	p.Halt()
	p.cancel()
	p.checks.close()
}

// Limiter is the quota that the project's calls pay.
func (p *Project) Limiter() *quota.Limiter { return p.limiter }

// Subscribe has sink told of every change that readings find. A later
// subscription under the same key replaces it; a nil sink ends it.
func (p *Project) Subscribe(key string, sink func(Change)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if sink == nil {
		delete(p.sinks, key)
		return
	}
	p.sinks[key] = sink
}

// Settle gives up the caller's places in the quota and in the readings. A
// caller that needs nothing more calls it, lest a token is held for it in vain.
func (p *Project) Settle(key string) {
	p.users.withdraw(key)
	p.teams.withdraw(key)
	p.limiter.Withdraw(key)
}

// Forget is Settle for a caller that is gone: it awaits nobody either.
func (p *Project) Forget(key string) {
	p.Settle(key)
	p.UnplanCheck(key)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.awaited, key)
}

// Await has notify called, once, when a listing shows one of the addresses.
// It replaces what the key awaited before; no addresses: nothing any more.
func (p *Project) Await(key string, emails []string, notify func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(emails) == 0 {
		delete(p.awaited, key)
		return
	}
	p.awaited[key] = awaiting{emails: emailSet(emails), notify: notify}
}

// Awaiting reports how many callers wait for people to appear.
func (p *Project) Awaiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.awaited)
}

func (p *Project) publish(c Change) {
	if len(c.Emails)+len(c.TeamIDs)+len(c.TeamNames) == 0 && !c.Access {
		return
	}
	p.mu.Lock()
	sinks := make([]func(Change), 0, len(p.sinks))
	for _, sink := range p.sinks {
		sinks = append(sinks, sink)
	}
	p.mu.Unlock()
	for _, sink := range sinks {
		sink(c)
	}
}
