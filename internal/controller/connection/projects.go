package connection

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/quota"
)

// A Target is where a console's calls go and what they pay with.
type Target struct {
	Provider v1alpha1.Provider
	Endpoint string
	APIKey   string
	CABundle []byte
	Limiter  *quota.Limiter
}

// Format keeps the key out of whatever prints a Target, a panic not excepted.
func (t Target) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "connection.Target{Provider: %q, Endpoint: %q}", t.Provider, t.Endpoint)
}

// A Dial makes the client for a target. Its errors must not hold the key.
type Dial func(Target) (console.API, error)

// syncTimeout bounds the wait until a group's record holds what it inherits.
const syncTimeout = 10 * time.Second

// projects holds one view for each project in use and one limiter for each
// quota group, however many connections lead there.
type projects struct {
	dial       Dial
	quotas     Quotas
	recordLost func(group, reason string)
	// paused is called when the console has refused calls that a group pays for,
	// or takes them again; nil: nobody is interested.
	paused func(group string)

	// demotions is shared by all views: two keys may lead to one project.
	demotions console.Demotions

	mu     sync.Mutex
	views  map[string]*view
	groups map[string]*group
	closed bool
}

type view struct {
	project *console.Project
	users   map[string]bool
}

type group struct {
	limiter *quota.Limiter
	configs map[string]quota.Config
	applied quota.Config
}

// fingerprint identifies a project's view: what is reached, how, and under
// which quota.
func fingerprint(t Target, group string) string {
	sum := sha256.New()
	for _, part := range []string{string(t.Provider), t.Endpoint, t.APIKey, string(t.CABundle), group} {
		fmt.Fprintf(sum, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// groupOf names the quota a connection draws from. Without a name of its own,
// connections with the same endpoint and key share one; the name is a digest
// from which the key cannot be found.
func groupOf(spec *v1alpha1.ConsoleConnectionSpec, key string) string {
	if spec.RateLimit.Group != "" {
		return spec.RateLimit.Group
	}
	return keyDigest(spec, key)
}

// keyDigest identifies an endpoint and the key for it.
func keyDigest(spec *v1alpha1.ConsoleConnectionSpec, key string) string {
	sum := sha256.Sum256([]byte(strings.TrimRight(spec.Endpoint, "/") + "\x00" + key))
	return "auto-" + hex.EncodeToString(sum[:6])
}

// join has a connection draw from a quota group. previous is the group that its
// status names: the one that it may have sent requests under, in this process or
// another. They count for the new group from now on, and that is recorded when
// join returns. It can be called again after an error.
func (p *projects) join(ctx context.Context, connection, name, previous string, cfg quota.Config) error {
	p.mu.Lock()
	if p.closed {
		// A reconciliation under way when the process stops begins nothing anew.
		p.mu.Unlock()
		return quota.ErrClosed
	}
	former := p.groups[previous]
	if previous != "" && former == nil {
		p.demotions.NoteFormer()
	}
	moves := previous != name
	var known []quota.Record
	if moves {
		// Nothing is sent any more that pays the previous group.
		for _, v := range p.views {
			if v.users[connection] && len(v.users) == 1 {
				v.project.Halt()
			}
		}
		if former != nil {
			known = append(known, former.limiter.Export())
		}
		p.dropOthers(connection, "")
	}
	g := p.group(name, previous, cfg)
	p.leave(connection, name)
	g.configs[connection] = cfg
	g.apply()
	p.mu.Unlock()
	if !moves {
		return nil
	}
	if previous != "" {
		if err := p.inherit(ctx, g, name, previous, known); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	return g.limiter.Sync(ctx)
}

// group returns the group of that name, which begins with cfg if it is new. A
// connection that comes from another group expects no record of this one. It
// needs p.mu.
func (p *projects) group(name, previous string, cfg quota.Config) *group {
	g, ok := p.groups[name]
	if ok {
		return g
	}
	lost := func(reason string) { p.recordLost(name, reason) }
	g = &group{limiter: p.quotas.limiter(name, cfg, previous != name, lost), configs: map[string]quota.Config{}, applied: cfg}
	p.groups[name] = g
	if p.paused != nil {
		g.limiter.OnPause(func() { p.paused(name) })
	}
	return g
}

// inherit has the requests made under the previous group count for g: those that
// are known in this process, and those that are recorded, unless that is the same.
func (p *projects) inherit(ctx context.Context, g *group, name, previous string, known []quota.Record) error {
	whole := len(known) > 0 && known[0].Writer != ""
	stored, err := p.quotas.record(ctx, previous)
	switch {
	case err == nil:
		if !whole || known[0].Writer != stored.Writer {
			known = append(known, stored)
		}
	case errors.Is(err, errNotKept):
	case errors.Is(err, quota.ErrNoRecord), errors.Is(err, quota.ErrDamaged):
		if !whole {
			known = []quota.Record{{}}
			p.recordLost(name, "the record of the calls made under the former key or group is missing or damaged")
		}
	default:
		return fmt.Errorf("read the record of quota group %q: %w", previous, err)
	}
	g.limiter.Import(previous, known...)
	return nil
}

// acquire returns the view of the target's project for a connection, which has
// joined the group.
func (p *projects) acquire(connection string, t Target, groupName string) (*console.Project, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t.Limiter = p.groups[groupName].limiter
	print := fingerprint(t, groupName)
	v, ok := p.views[print]
	if !ok {
		api, err := p.dial(t)
		if err != nil {
			return nil, err
		}
		v = &view{project: console.NewProject(api, t.Limiter, console.ShareDemotions(&p.demotions)), users: map[string]bool{}}
		p.views[print] = v
	}
	v.users[connection] = true
	p.dropOthers(connection, print)
	if p.closed {
		v.project.Close()
	}
	return v.project, nil
}

// release ends a connection's use of any view. Its group's limiter stays, so
// that requests made still count if the connection comes back.
func (p *projects) release(connection string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dropOthers(connection, "")
	p.leave(connection, "")
}

// leave takes a connection's limits out of every group but one. It needs p.mu.
func (p *projects) leave(connection, keep string) {
	for name, g := range p.groups {
		if _, in := g.configs[connection]; in && name != keep {
			delete(g.configs, connection)
			g.apply()
		}
	}
}

// apply has the limiter keep to the limits of all who draw from the group, and
// to the last ones when nobody does.
func (g *group) apply() {
	if len(g.configs) == 0 {
		return
	}
	if all := merged(g.configs); !reflect.DeepEqual(all, g.applied) {
		g.applied = all
		g.limiter.Reconfigure(all)
	}
}

// dropOthers needs p.mu.
func (p *projects) dropOthers(connection, keep string) {
	for print, v := range p.views {
		if print == keep || !v.users[connection] {
			continue
		}
		delete(v.users, connection)
		if len(v.users) == 0 {
			v.project.Close()
			delete(p.views, print)
		}
	}
}

// close ends every view and limiter.
func (p *projects) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, v := range p.views {
		v.project.Close()
	}
	var closing sync.WaitGroup
	for _, name := range slices.Sorted(maps.Keys(p.groups)) {
		// One whose record cannot be saved does not keep the others from it.
		closing.Go(p.groups[name].limiter.Close)
	}
	closing.Wait()
}

// configOf is a connection's limit as its limiter is told it: the share is
// taken off already, so that connections of one group can differ in it.
func configOf(limit *v1alpha1.RateLimit) quota.Config {
	cfg := quota.Config{Share: 100, MutationsOnly: limit.Counts == v1alpha1.CountsMutations}
	share := int(limit.Share)
	if share == 0 {
		share = 90
	}
	for _, w := range limit.Windows {
		cfg.Windows = append(cfg.Windows, quota.Window{Requests: max(1, int(w.Requests)*share/100), Per: w.Per.Duration})
	}
	return cfg
}

// merged makes all limits of a group hold at once: for each length of window
// the lowest number, and everything counts unless nobody says so.
func merged(configs map[string]quota.Config) quota.Config {
	out := quota.Config{Share: 100, MutationsOnly: true}
	for _, cfg := range configs {
		out.MutationsOnly = out.MutationsOnly && cfg.MutationsOnly
		for _, w := range cfg.Windows {
			i := slices.IndexFunc(out.Windows, func(o quota.Window) bool { return o.Per == w.Per })
			if i < 0 {
				out.Windows = append(out.Windows, w)
			} else {
				out.Windows[i].Requests = min(out.Windows[i].Requests, w.Requests)
			}
		}
	}
	slices.SortFunc(out.Windows, func(a, b quota.Window) int { return int(a.Per - b.Per) })
	return out
}
