package consolesim

import (
	"maps"
	"reflect"
	"slices"
	"time"
)

// Change is one team or one user that became another: through the API or by
// hand. Of the two pairs the one of what did not change is nil; within the
// other, Before is nil for what is new, and After for what is gone.
type Change struct {
	At      time.Time
	Project string
	// Request is the number of the request that made it; 0: by hand.
	Request               int
	TeamBefore, TeamAfter *Team
	UserBefore, UserAfter *User
}

// observed applies a change to the project and tells the observer what became
// of it. A request that leaves everything as it was is no change.
func (p *Project) observed(change func()) {
	tell := p.srv.opts.Observe
	if tell == nil {
		change()
		return
	}
	before := p.now.clone()
	change()
	c := Change{At: time.Now(), Project: p.name}
	if p.srv.performing != nil {
		c.Request = p.srv.performing.Number
	}
	differences(before.users.rows, p.now.users.rows, func(was, is *User) {
		c := c
		c.UserBefore, c.UserAfter = was, is
		tell(c)
	})
	differences(before.teams.rows, p.now.teams.rows, func(was, is *Team) {
		c := c
		c.TeamBefore, c.TeamAfter = was, is
		tell(c)
	})
}

// differences calls tell for every key whose rows differ, in their order.
func differences[T any](before, after map[string]T, tell func(was, is *T)) {
	all := map[string]T{}
	maps.Copy(all, before)
	maps.Copy(all, after)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		was, had := before[key]
		is, has := after[key]
		switch {
		case !had:
			tell(nil, &is)
		case !has:
			tell(&was, nil)
		case !reflect.DeepEqual(was, is):
			tell(&was, &is)
		}
	}
}
