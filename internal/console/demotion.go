package console

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Demotions is what the views of a process know of each other's demotions of
// Admins: two keys may lead to one project. The zero value is ready to use.
type Demotions struct {
	mu    sync.Mutex
	views int
	// underway counts, by [EmailKey], the demotions that may be sent any moment.
	underway map[string]int
	// last are, by view, the demotions that took or may have taken effect.
	last map[int]pastDemotions
}

// pastDemotions holds when the demotions of one view ended.
type pastDemotions struct {
	latest time.Time
	people map[string]time.Time
}

// join returns a number for a new view.
func (d *Demotions) join() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.views++
	return d.views
}

// begin marks key as being demoted, in the name of a view, and chooses another
// Admin to rely on among those given: nobody who is being demoted, or just was
// through another view, which a read may not show yet. That Admin must be seen
// at since or later, when all demotions of other views so far had ended. With
// nobody to choose, until is when it may be different, if it may.
func (d *Demotions) begin(view int, key string, admins []string) (other string, since, until time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	var free []string
	for _, admin := range admins {
		if d.underway[admin] > 0 {
			continue
		}
		settled := d.settled(view, admin)
		if now.Before(settled) {
			if until.IsZero() || settled.Before(until) {
				until = settled
			}
			continue
		}
		free = append(free, admin)
	}
	if len(free) == 0 {
		return "", time.Time{}, until
	}
	for other, past := range d.last {
		if other != view && past.latest.After(since) {
			since = past.latest
		}
	}
	if d.underway == nil {
		d.underway = map[string]int{}
	}
	d.underway[key]++
	return slices.Min(free), since, time.Time{}
}

// settled is from when on reads show the last demotion of a person through
// other views than this. It needs d.mu.
func (d *Demotions) settled(view int, person string) (at time.Time) {
	for other, past := range d.last {
		if ended, ok := past.people[person]; ok && other != view && ended.Add(settle).After(at) {
			at = ended.Add(settle)
		}
	}
	return at
}

// end takes back begin.
func (d *Demotions) end(key string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.underway[key]--; d.underway[key] <= 0 {
		delete(d.underway, key)
	}
}

// sent notes that a change of a person, if it was a demotion, took effect or
// may have.
func (d *Demotions) sent(view int, key string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.underway[key] == 0 {
		return
	}
	now := time.Now()
	past := d.last[view]
	if past.people == nil {
		past.people = map[string]time.Time{}
	}
	for person, ended := range past.people {
		if now.Sub(ended) > settle {
			delete(past.people, person)
		}
	}
	past.latest, past.people[key] = now, now
	if d.last == nil {
		d.last = map[int]pastDemotions{}
	}
	d.last[view] = past
}

// BeginDemotion is called before an Admin is made something less. It makes
// sure, by reading another Admin from the console, that one remains, counting
// nobody who is being demoted at the same time through any view. An Admin seen
// after since is not read again, unless somebody was demoted through another
// view meanwhile, so that waiting in the quota does not undo the reading. One
// who may just have been demoted, by a write whose outcome is unknown, does not
// count. When none remains, remains is false; else end must be called after the
// write. While it takes a moment to tell, the error is [ErrReading].
func (p *Project) BeginDemotion(ctx context.Context, by Caller, email string, since time.Time) (remains bool, end func(), err error) {
	key := EmailKey(email)
	passedOver := map[string]bool{key: true}
	for {
		other, after, until := p.demotions.begin(p.view, key, p.admins(passedOver))
		if !until.IsZero() {
			if by.Notify != nil {
				time.AfterFunc(time.Until(until), by.Notify)
			}
			return false, nil, fmt.Errorf("make sure that another Admin remains: %w", ErrReading)
		}
		if other == "" {
			return false, nil, nil
		}
		end = func() { p.demotions.end(key) }
		if after.Before(since) {
			after = since
		}
		seen := p.User(other)
		if seen.Unconfirmed || seen.At.Before(after) {
			seen, err = p.FetchUser(ctx, by, seen.Value.Email)
		}
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
