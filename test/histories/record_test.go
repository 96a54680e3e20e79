package histories

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/console-access/console-access-operator/internal/quota"
)

var recordDepth = flag.Int("record-depth", 4, "how many steps the exhaustive exploration of the quota's record makes")

// A disk keeps the record of a quota.
type disk struct {
	mu      sync.Mutex // of its handles, too
	record  quota.Record
	version int
}

// A handle is a process's way to the disk.
type handle struct {
	d     *disk
	known int
	cut   bool // the process is gone
	loses bool // the answer to the next save is lost
}

var errDisk = errors.New("the record cannot be reached")

func (h *handle) Load(context.Context) (quota.Record, error) {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	if h.cut {
		return quota.Record{}, errDisk
	}
	h.known = h.d.version
	if h.d.version == 0 {
		return quota.Record{}, quota.ErrNoRecord
	}
	return h.d.record, nil
}

func (h *handle) Save(_ context.Context, r quota.Record) error {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	switch {
	case h.cut:
		return errDisk
	case h.known != h.d.version:
		return quota.ErrConflict
	}
	h.d.version++
	h.d.record = r
	if h.loses {
		h.loses = false
		return errDisk
	}
	h.known = h.d.version
	return nil
}

// change changes what becomes of the next calls.
func (h *handle) change(to func(*handle)) {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	to(h)
}

// gone ends the process's access.
func (h *handle) gone() { h.change(func(h *handle) { h.cut = true }) }

// lose says whether the answer to the next save is lost.
func (h *handle) lose(yes bool) { h.change(func(h *handle) { h.loses = yes }) }

// fresh reports whether nothing was ever saved.
func (d *disk) fresh() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.version == 0
}

// recordWindow is small, so that few steps can fill it.
var recordWindow = quota.Window{Requests: 4, Per: 10 * time.Second}

// A duel is two processes that draw from one quota, and a server that counts.
type duel struct {
	d       *disk
	names   []string
	handles []*handle
	limits  []*quota.Limiter
	mu      sync.Mutex
	seen    []time.Time
}

// replace begins a process, in the place of the one there was.
func (u *duel) replace(i int) {
	if u.limits[i] != nil {
		u.handles[i].gone()
		u.limits[i].Close()
	}
	h := &handle{d: u.d}
	offset := []time.Duration{time.Second, -time.Second}[i]
	l := quota.New(quota.Config{Windows: []quota.Window{recordWindow}, Share: 100}, quota.WithMaxCall(5*time.Second),
		quota.WithJitter(func() float64 { return 0.5 }),
		quota.WithStore(h, quota.Durability{
			Identity: u.names[i], Fresh: u.d.fresh(), Clock: func() time.Time { return time.Now().Add(offset) },
		}))
	u.handles[i], u.limits[i] = h, l
}

// permit asks for a permit as a reconciler does.
func (u *duel) permit(i int) *quota.Permit {
	for range 2 {
		p, err := u.limits[i].TryAcquire(quota.Request{Key: "object", Lane: quota.Change, Mutation: true, Notify: func() {}})
		if err == nil {
			return p
		}
		synctest.Wait()
	}
	return nil
}

// see counts a request.
func (u *duel) see() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.seen = append(u.seen, time.Now())
}

// use makes as many requests as there are tokens.
func (u *duel) use(i int) {
	for p := u.permit(i); p != nil; p = u.permit(i) {
		u.see()
		p.Done(quota.Outcome{})
	}
}

// lag makes a request that the server sees three seconds later, when the
// process may be gone.
func (u *duel) lag(i int) {
	if p := u.permit(i); p != nil {
		time.AfterFunc(3*time.Second, func() {
			u.see()
			p.Done(quota.Outcome{Kind: quota.Unavailable, Lost: true})
		})
	}
}

// steps are what can happen next in a duel.
var steps = []struct {
	name string
	do   func(*duel)
}{
	{"a uses", func(u *duel) { u.use(0) }},
	{"b uses", func(u *duel) { u.use(1) }},
	{"a lags", func(u *duel) { u.lag(0) }},
	{"a crashes", func(u *duel) { u.replace(0) }},
	{"b crashes", func(u *duel) { u.replace(1) }},
	{"a loses an answer", func(u *duel) { u.handles[0].lose(true) }},
	{"b loses an answer", func(u *duel) { u.handles[1].lose(true) }},
	{"time passes", func(*duel) { time.Sleep(4 * time.Second) }},
}

// fight runs one sequence of steps and says what was wrong.
func fight(t *testing.T, sequence []int) (wrong string) {
	synctest.Test(t, func(*testing.T) {
		u := &duel{d: &disk{}, names: []string{"a", "b"}, handles: make([]*handle, 2), limits: make([]*quota.Limiter, 2)}
		u.replace(0)
		u.replace(1)
		for _, s := range sequence {
			steps[s].do(u)
			synctest.Wait()
		}
		// Nothing fails any more: somebody gets a token within a minute, beside
		// what a save whose answer was lost takes to be made again.
		u.handles[0].lose(false)
		u.handles[1].lose(false)
		time.Sleep(time.Minute)
		u.use(0)
		u.use(1)
		if most := u.most(); most > recordWindow.Requests {
			wrong = fmt.Sprintf("%d requests in a window of %d", most, recordWindow.Requests)
		} else if last := u.seen[max(0, len(u.seen)-1):]; len(last) == 0 || time.Since(last[0]) > 0 {
			wrong = "nobody gets a token although a minute has passed"
		}
		for i, h := range u.handles {
			h.gone()
			u.limits[i].Close()
		}
	})
	return wrong
}

// most is the most requests that a window has held.
func (u *duel) most() (most int) {
	slices.SortFunc(u.seen, time.Time.Compare)
	for i := range u.seen {
		first := i
		for first > 0 && u.seen[i].Sub(u.seen[first-1]) < recordWindow.Per {
			first--
		}
		most = max(most, i-first+1)
	}
	return most
}

// TestQuotaRecord explores the record of the quota exhaustively: two processes
// with clocks of their own use one record, in all sequences of as many steps as
// -record-depth says.
func TestQuotaRecord(t *testing.T) {
	cases := 1
	for range *recordDepth {
		cases *= len(steps)
	}
	sideBySide(t, cases, func(t *testing.T, n int) {
		var sequence []int
		var names []string
		for range *recordDepth {
			sequence, names = append(sequence, n%len(steps)), append(names, steps[n%len(steps)].name)
			n /= len(steps)
		}
		if wrong := fight(t, sequence); wrong != "" {
			t.Errorf("%s: %s", strings.Join(names, ", "), wrong)
		}
	})
	t.Logf("%d sequences of %d steps", cases, *recordDepth)
}
