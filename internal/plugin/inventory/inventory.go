// Package inventory reads everything that a console project holds, once.
package inventory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/quota"
)

const (
	// maxReads is how often a listing is read again that changed meanwhile, and
	// a call is made again that failed for reasons that pass.
	maxReads = 4
	// parallel is how many teams are read at a time.
	parallel = 4
)

// An Inventory is what a project held when it was read.
type Inventory struct {
	// Users are sorted by address.
	Users []console.User
	// Teams are sorted by name, then id. Those that the console tells no id of
	// may lack their members.
	Teams []console.Team
}

// Progress tells how far the reading is. It is called from several goroutines,
// one at a time.
type Progress func(what string, done, of int)

// by is in whose name calls pay: somebody waits for the answer.
var by = quota.Request{Key: "plugin", Turn: "plugin", Lane: quota.Change}

// Read reads users, teams and, where listings lack them, each team's members.
func Read(ctx context.Context, api console.API, progress Progress) (*Inventory, error) {
	inv := &Inventory{}
	var err error
	progress("users", 0, 0)
	if inv.Users, err = list(ctx, "users", api.ListUsers); err != nil {
		return nil, err
	}
	progress("teams", 0, 0)
	if inv.Teams, err = list(ctx, "teams", api.ListTeams); err != nil {
		return nil, err
	}
	if err := inv.readMembers(ctx, api, progress); err != nil {
		return nil, err
	}
	slices.SortFunc(inv.Users, func(a, b console.User) int {
		return strings.Compare(console.EmailKey(a.Email), console.EmailKey(b.Email))
	})
	slices.SortFunc(inv.Teams, func(a, b console.Team) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
	})
	return inv, nil
}

// list reads a listing until its pages agree with each other, and where that
// does not prove it complete, with those of the reading before.
func list[T any](ctx context.Context, what string, read func(context.Context, quota.Request) (console.Listing[T], error)) ([]T, error) {
	digest := uint64(0)
	for range maxReads {
		l, err := again(ctx, func() (console.Listing[T], error) { return read(ctx, by) })
		if err != nil {
			return nil, err
		}
		if l.Complete || digest != 0 && l.Digest == digest {
			return l.Items, nil
		}
		digest = l.Digest
	}
	return nil, fmt.Errorf("the console's list of %s changed each of the %d times it was read, so something may be missing from it: "+
		"try again when nobody changes %[1]s", what, maxReads)
}

// again makes a call again that failed for a reason that passes. The quota
// sees to it that it is not made too soon.
func again[T any](ctx context.Context, call func() (T, error)) (T, error) {
	for try := 1; ; try++ {
		v, err := call()
		class := console.ClassOf(err)
		if class != console.Unavailable && class != console.Throttled || try == maxReads || ctx.Err() != nil {
			return v, Explain(err)
		}
	}
}

// readMembers reads each team that the listing did not tell the members of. A team
// that was deleted meanwhile is left out, which a listing has to prove: a refusal alone
// may be about something else.
func (inv *Inventory) readMembers(ctx context.Context, api console.API, progress Progress) error {
	var missing []int
	for i, team := range inv.Teams {
		if !team.MembersKnown && team.ID != "" {
			missing = append(missing, i)
		}
	}
	var mu sync.Mutex
	done, refused := 0, map[string]error{}
	group, reading := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, i := range missing {
		group.Go(func() error {
			team, err := again(reading, func() (console.Team, error) { return api.GetTeam(reading, by, inv.Teams[i].ID) })
			if err != nil {
				err = fmt.Errorf("read the members of team %q: %w", inv.Teams[i].Name, err)
			}
			if err != nil && !console.Refused(err) {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			done++
			if err != nil {
				refused[inv.Teams[i].ID] = err
			} else {
				inv.Teams[i] = team
			}
			progress("members of teams", done, len(missing))
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return inv.leaveOut(ctx, api, refused)
}

// leaveOut takes away the teams that the console refused to show, by id, and that a
// listing lacks. It returns the refusal of one that is listed.
func (inv *Inventory) leaveOut(ctx context.Context, api console.API, refused map[string]error) error {
	if len(refused) == 0 {
		return nil
	}
	listed, err := list(ctx, "teams", api.ListTeams)
	if err != nil {
		return err
	}
	for _, team := range listed {
		if err := refused[team.ID]; err != nil {
			return err
		}
	}
	inv.Teams = slices.DeleteFunc(inv.Teams, func(team console.Team) bool { return refused[team.ID] != nil })
	return nil
}

// Explain adds to a failed call what can be done about it.
func Explain(err error) error {
	hint := ""
	switch console.ClassOf(err) {
	case console.Unauthorized:
		return errors.New("the console does not accept the API key: give an active Console API key of the project (not a client or server key)")
	case console.Forbidden:
		hint = "use a Console API key with the permission to read users and teams"
	case console.Throttled:
		hint = "others use up the console's rate limit; try again in some minutes"
	case console.Unavailable:
		hint = "check --endpoint, the way to it, and the console's own status"
	default:
		return err
	}
	return fmt.Errorf("%w: %s", err, hint)
}
