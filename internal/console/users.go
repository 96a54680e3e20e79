package console

import (
	"context"
	"fmt"
	"time"
)

// A person is what is known of one address.
type person struct {
	sighting
	user User
	wake[User]
}

func (e *person) observation() Observation[User] {
	return Observation[User]{Presence: e.presence, Value: e.user, At: e.at, Unconfirmed: e.open()}
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
	return e.observation()
}

// FetchUser reads one user from the console. A person who is not in the project is an
// Absent observation, not an error. When the console refuses to show somebody, a
// listing decides, and the error is [ErrReading] until then.
func (p *Project) FetchUser(ctx context.Context, by Caller, email string) (Observation[User], error) {
	p.mu.Lock()
	e := p.person(email)
	refused := e.refusal != nil
	if e.presence != Present {
		e.doubt()
	}
	p.mu.Unlock()
	if refused {
		return p.decideUser(by, email)
	}
	began := time.Now()
	var user User
	err := p.call(ctx, func(ctx context.Context) (err error) { user, err = p.api.GetUser(ctx, by, email); return })
	if err != nil && !Refused(err) {
		return Observation[User]{}, fmt.Errorf("read user %s: %w", email, err)
	}
	p.mu.Lock()
	e = p.person(email)
	if err != nil {
		e.refuse(err, false)
		p.mu.Unlock()
		return p.decideUser(by, email)
	}
	defer p.mu.Unlock()
	_ = e.explain() // they are shown after all
	// The single read may be as stale as a listing: it does not undo our write,
	// nor settle the doubt about one.
	if !e.masks(began, func(former User) bool { return sameUser(former, user) }) || e.unconfirmed {
		e.presence, e.user, e.at, e.unconfirmed = Present, user, began, e.unconfirmed && e.settling(began)
	}
	return e.observation(), nil
}

// decideUser has listings tell what the refusal to show somebody means.
func (p *Project) decideUser(by Caller, email string) (Observation[User], error) {
	var seen Observation[User]
	_, err := decide(p.users, by, func(past readings) (finding, time.Time) {
		p.mu.Lock()
		defer p.mu.Unlock()
		e := p.person(email)
		since := latest(e.doubted, e.shown())
		found := e.judge(past, since)
		switch found {
		case foundAbsent:
			*e = person{sighting: sighting{presence: Absent, at: past.last().StartedAt}}
		case foundThere:
			// The listing told all that the read would have.
			_ = e.explain()
		}
		seen = e.observation()
		return found, since
	})
	if err != nil {
		return Observation[User]{}, fmt.Errorf("read user %s: %w", email, err)
	}
	return seen, nil
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
		*e = person{sighting: sighting{presence: Present, at: time.Now()}, user: user, wake: e.write(e.user)}
	case Ambiguous:
		e.unconfirmed, e.wake = true, e.write(e.user)
	case NotFound:
		e.unconfirmed = e.unconfirmed || e.presence == Present
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

func (p *Project) acceptUsers(l Listing[User], past readings) {
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
		*e = person{sighting: e.seen(l.StartedAt), user: user, wake: e.keep(l.StartedAt)}
	}
	for key, e := range p.people {
		if e.forgettable(l.StartedAt, e.wrote) {
			delete(p.people, key)
		}
		if e.presence != Present || listed[key] || !past.prove(latest(e.at.Add(1), e.shown())) {
			continue
		}
		e.presence = NotListed
		e.doubt()
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
