package console

import (
	"context"
	"fmt"
	"time"
)

// A person is what is known of one address.
type person struct {
	presence    Presence
	user        User
	at          time.Time
	unconfirmed bool
	wake[User]
}

// forgettable is to people what it is to teams.
func (e *person) forgettable(began time.Time) bool {
	return e.presence != Present && !e.unconfirmed && began.Sub(e.at) > remembered && began.Sub(e.wrote) > remembered
}

// ReadUsers returns nil when users were listed at since or later (any time, for
// a zero since). Otherwise a listing is under way, by is notified when it has
// ended, and the error is [ErrReading] or that of the last attempt.
func (p *Project) ReadUsers(by Caller, since time.Time) error { return p.users.ensure(by, since) }

// UsersRead tells of the last listing of users.
func (p *Project) UsersRead() ListingInfo { return p.users.info() }

// User returns what is known of an address, without any call.
func (p *Project) User(email string) Observation[User] {
	p.mu.Lock()
	defer p.mu.Unlock()
	e, ok := p.people[EmailKey(email)]
	if !ok {
		return Observation[User]{}
	}
	return Observation[User]{Presence: e.presence, Value: e.user, At: e.at, Unconfirmed: e.unconfirmed}
}

// FetchUser reads one user from the console. A person who is not in the
// project is an Absent observation, not an error.
func (p *Project) FetchUser(ctx context.Context, by Caller, email string) (Observation[User], error) {
	began := time.Now()
	var user User
	err := p.call(ctx, func(ctx context.Context) (err error) { user, err = p.api.GetUser(ctx, by, email); return })
	absent := ClassOf(err) == NotFound
	if err != nil && !absent {
		return Observation[User]{}, fmt.Errorf("read user %s: %w", email, err)
	}
	p.mu.Lock()
	e := p.person(email)
	// The single read may be as stale as a listing: it does not undo our write,
	// nor settle the doubt about one. Staleness makes nobody vanish, though.
	masked := e.masks(began, func(former User) bool { return sameUser(former, user) })
	if !masked || e.unconfirmed || absent {
		e.presence, e.user, e.at, e.unconfirmed = Present, user, began, e.unconfirmed && e.settling(began)
		if absent {
			e.presence, e.unconfirmed = Absent, false
		}
	}
	p.mu.Unlock()
	return p.User(email), nil
}

// UpdateUser changes a user; the answer becomes what is known of the user.
func (p *Project) UpdateUser(ctx context.Context, by Caller, email string, change UserChange) (User, error) {
	var user User
	err := p.call(ctx, func(ctx context.Context) (err error) { user, err = p.api.UpdateUser(ctx, by, email, change); return })
	if err == nil || ClassOf(err) == Ambiguous {
		p.demotions.sent(p.view, EmailKey(email), err != nil)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.person(email)
	switch ClassOf(err) {
	case "":
		if err != nil {
			return User{}, err
		}
		if user.ID == "" {
			user.ID = e.user.ID
		}
		*e = person{presence: Present, user: user, at: time.Now(), wake: e.write(e.user)}
	case Ambiguous:
		e.unconfirmed, e.wake = true, e.write(e.user)
	case NotFound:
		*e = person{presence: Absent, at: time.Now()}
	}
	if err != nil {
		return User{}, fmt.Errorf("update user %s: %w", email, err)
	}
	return user, nil
}

// Invite asks people into the project.
func (p *Project) Invite(ctx context.Context, by Caller, invitation Invitation) error {
	err := p.call(ctx, func(ctx context.Context) error { return p.api.Invite(ctx, by, invitation) })
	if err != nil {
		return fmt.Errorf("invite %v: %w", invitation.Emails, err)
	}
	return nil
}

// Counts returns how many users, Admins and teams the project is known to have.
func (p *Project) Counts() (users, admins, teams int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.people {
		if e.presence == Present {
			users++
			if IsAdmin(e.user.Role) {
				admins++
			}
		}
	}
	for _, e := range p.byID {
		if e.presence == Present {
			teams++
		}
	}
	for _, named := range p.nameless {
		teams += len(named)
	}
	return users, admins, teams
}

// person needs p.mu.
func (p *Project) person(email string) *person {
	key := EmailKey(email)
	e, ok := p.people[key]
	if !ok {
		e = &person{}
		p.people[key] = e
	}
	return e
}

func (p *Project) acceptUsers(l Listing[User]) {
	before := p.UsersRead().StartedAt
	p.mu.Lock()
	listed := make(map[string]bool, len(l.Items))
	var change Change
	for _, user := range l.Items {
		key := EmailKey(user.Email)
		listed[key] = true
		e := p.person(user.Email)
		masked := e.masks(l.StartedAt, func(former User) bool { return sameUser(former, user) })
		if masked || e.unconfirmed && e.settling(l.StartedAt) || e.at.After(l.StartedAt) {
			continue
		}
		if e.presence != Present || e.user != user {
			change.Emails = append(change.Emails, key)
		}
		*e = person{presence: Present, user: user, at: l.StartedAt, wake: e.keep(l.StartedAt)}
	}
	for key, e := range p.people {
		if e.forgettable(l.StartedAt) {
			delete(p.people, key)
		}
		if e.presence != Present || listed[key] || e.settling(l.StartedAt) || !lacked(e.at, before, l.StartedAt, l.Complete) {
			continue
		}
		e.presence = NotListed
		change.Emails = append(change.Emails, key)
	}
	var tell []func()
	for key, a := range p.awaited {
		for email := range a.emails {
			if e, ok := p.people[email]; ok && e.presence == Present {
				tell = append(tell, a.notify)
				delete(p.awaited, key)
				break
			}
		}
	}
	p.mu.Unlock()
	for _, notify := range tell {
		notify()
	}
	p.publish(change)
}
