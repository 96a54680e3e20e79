package console

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// lateWrite is for how long reads may not yet show a write whose end is not known: the
// last one of the process before this one, or a demotion that may take effect after
// the client gave up. A request ends within half a minute.
const lateWrite = 30*time.Second + settle

// Demotions is what the views of a process know of each other's demotions of
// Admins: two keys may lead to one project. The zero value is ready to use.
type Demotions struct {
	mu    sync.Mutex
	views int
	// former is when it was noted that another process wrote before this one.
	former time.Time
	// underway counts, by [EmailKey], the demotions that may be sent any moment.
	underway map[string]int
	// last are, by [EmailKey], the demotions that took or may have taken effect.
	last map[string]pastDemotion
}

// A pastDemotion is the last one of a person.
type pastDemotion struct {
	view int
	// shown is from when on reads certainly show it; open: its outcome is unknown.
	shown time.Time
	open  bool
}

// join returns a number for a new view.
func (d *Demotions) join() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.views++
	return d.views
}

// NoteFormer notes that another process wrote before this one, up to now: reads
// may be behind what it did, and its last requests may be on their way yet.
func (d *Demotions) NoteFormer() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.former.IsZero() {
		d.former = time.Now()
	}
}

// begin marks key as being demoted, in the name of a view, and chooses another
// Admin to rely on among those given: nobody who is being demoted, or whom reads
// may show as Admin although another view or process demoted them. That Admin
// must be seen by a reading that began at since or later. With nobody to choose,
// until is when it may be different, if it may.
func (d *Demotions) begin(view int, key string, admins []string) (other string, since, until time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	for _, admin := range slices.Sorted(slices.Values(admins)) {
		if d.underway[admin] > 0 {
			continue
		}
		shown := d.shown(view, admin)
		if now.Before(shown) {
			if until.IsZero() || shown.Before(until) {
				until = shown
			}
			continue
		}
		if d.underway == nil {
			d.underway = map[string]int{}
		}
		d.underway[key]++
		return admin, shown, time.Time{}
	}
	return "", time.Time{}, until
}

// shown is from when on reads show every demotion of a person that the view does
// not know of itself. It needs d.mu.
func (d *Demotions) shown(view int, person string) (from time.Time) {
	from = d.formerShown()
	if past, ok := d.last[person]; ok && (past.view != view || past.open) && past.shown.After(from) {
		from = past.shown
	}
	return from
}

// formerShown is from when on reads show what the process before this one wrote.
// It needs d.mu.
func (d *Demotions) formerShown() time.Time {
	if d.former.IsZero() {
		return time.Time{}
	}
	return d.former.Add(lateWrite)
}

// end takes back begin.
func (d *Demotions) end(key string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.underway[key]--; d.underway[key] <= 0 {
		delete(d.underway, key)
	}
}

// sent notes that a change of a person, if it was a demotion, took effect, or,
// when that is open, may have.
func (d *Demotions) sent(view int, key string, open bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.underway[key] == 0 {
		return
	}
	after := settle
	if open {
		after = lateWrite
	}
	if d.last == nil {
		d.last = map[string]pastDemotion{}
	}
	d.last[key] = pastDemotion{view: view, shown: time.Now().Add(after), open: open}
}

// BeginDemotion is called before an Admin is made something less. It makes
// sure, by reading another Admin from the console, that one remains, counting
// nobody who is being demoted at the same time through any view. An Admin seen
// after since is not read again, so that waiting in the quota does not undo the
// reading, unless that reading may not show a demotion of another view, of the
// process before this one, or of our own whose outcome is unknown. When none
// remains, remains is false; else end must be called after the write. While it
// takes a moment to tell, the error is [ErrReading].
func (p *Project) BeginDemotion(ctx context.Context, by Caller, email string, since time.Time) (remains bool, end func(), err error) {
	key := EmailKey(email)
	passedOver := map[string]bool{key: true}
	for {
		other, shown, until := p.demotions.begin(p.view, key, p.admins(passedOver))
		if !until.IsZero() {
			return false, nil, fmt.Errorf("make sure that another Admin remains: %w", wait(by, until))
		}
		if other == "" {
			return false, nil, nil
		}
		end = func() { p.demotions.end(key) }
		seen, err := p.readSince(ctx, by, other, latest(since, shown))
		if err != nil {
			end()
			return false, nil, fmt.Errorf("make sure that another Admin remains: %w", err)
		}
		if seen.Presence == Present && !seen.Unconfirmed && IsAdmin(seen.Value.Role) {
			return true, end, nil
		}
		end()
		passedOver[other] = true
	}
}

// OthersShown is from when on reads certainly show what the process before this
// one wrote; zero when there was none.
func (p *Project) OthersShown() time.Time {
	p.demotions.mu.Lock()
	defer p.demotions.mu.Unlock()
	return p.demotions.formerShown()
}

// UserSince returns what is known of a person from a reading that began at since
// or later. The person is read when there is none; while it is too early for one,
// the error is [ErrReading].
func (p *Project) UserSince(ctx context.Context, by Caller, email string, since time.Time) (Observation[User], error) {
	if time.Now().Before(since) {
		return Observation[User]{}, fmt.Errorf("read user %s: %w", email, wait(by, since))
	}
	return p.readSince(ctx, by, email, since)
}

// readSince reads a person who was not seen at since or later.
func (p *Project) readSince(ctx context.Context, by Caller, email string, since time.Time) (Observation[User], error) {
	seen := p.User(email)
	if seen.Presence != NotListed && !seen.Unconfirmed && !seen.At.Before(since) {
		return seen, nil
	}
	if seen.Presence == Present {
		email = seen.Value.Email
	}
	seen, err := p.FetchUser(ctx, by, email)
	if err == nil && seen.At.Before(since) {
		// That was the answer to an earlier question.
		seen, err = p.FetchUser(ctx, by, email)
	}
	return seen, err
}

// wait has the caller notified at a time.
func wait(by Caller, until time.Time) error {
	if by.Notify != nil {
		time.AfterFunc(time.Until(until), by.Notify)
	}
	return ErrReading
}

// admins returns the keys of the known Admins who were not passed over.
func (p *Project) admins(passedOver map[string]bool) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for key, e := range p.people {
		if !passedOver[key] && e.presence == Present && IsAdmin(e.user.Role) {
			out = append(out, key)
		}
	}
	return out
}
