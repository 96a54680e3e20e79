package team

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/console-access/console-access-operator/api/v1alpha1"
)

// A plan is what is remembered of a Team between reconciliations and need not
// survive the process.
type plan struct {
	uid types.UID
	// intent is when the create intent was recorded, in microseconds as it is
	// stored, whose attempt had ended at intentEnded; inherited: another process
	// made it, and intentEnded is when this one first heard of it.
	intent      int64
	intentEnded time.Time
	inherited   bool
	// lackedSince is when the first of those listings began that lacked the team, be
	// it of the intent's name or of the spec's. None since has had it.
	lackedSince time.Time
	// rivals are the intents of others for the same name, and since when they are
	// known.
	rivals map[string]time.Time
	// reserved is the name that is kept for a request of this object.
	reserved string
	// heldBack are the people whom the console refused, by their keys.
	heldBack map[string]heldAddress
	// deleted is the id of the team that was deleted for this object.
	deleted string
	// checked is when the team was last read by itself.
	checked time.Time
}

// attempted notes that the attempt has ended whose intent was recorded then; of
// an inherited one, as far as can be known.
func (p *plan) attempted(intent int64, inherited bool) {
	p.intent, p.intentEnded, p.inherited = intent, time.Now(), inherited
	p.lackedSince = time.Time{}
}

// lookup returns when a listing must have begun to be the one to be read now,
// and when the next is to be read, if that is known.
func (p *plan) lookup(now time.Time) (since, next time.Time) {
	var due []time.Time
	for _, pause := range lookups {
		due = append(due, p.intentEnded.Add(pause))
	}
	if p.inherited {
		// Who lost its leadership and does not know yet may be about to send the
		// request.
		due = append(due, p.intentEnded.Add(rivalry))
	}
	since = p.intentEnded
	for _, at := range due {
		if !now.After(at) {
			return since, at
		}
		if at.After(since) {
			since = at
		}
	}
	return since, time.Time{}
}

// lacks notes that the listing that began then lacked the team.
func (p *plan) lacks(began time.Time) {
	if p.lackedSince.IsZero() {
		p.lackedSince = began
	}
}

type plans struct {
	mu sync.Mutex
	by map[types.NamespacedName]*plan
	// reserved are the names for which a request was sent to create a team, or to
	// rename one, that neither the cache nor a listing may show yet.
	reserved map[string]*reservation
}

// A reservation keeps a name for one Team. end is set when the answer to the
// request was lost: by then it has taken effect, if it does at all. It is kept
// beyond that, because a listing from before does not show the effect.
type reservation struct {
	by  *plan
	end time.Time
}

func (p *plans) of(name types.NamespacedName, obj *v1alpha1.Team) *plan {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.by == nil {
		p.by = map[types.NamespacedName]*plan{}
	}
	known, ok := p.by[name]
	if !ok || known.uid != obj.UID {
		p.release(known)
		known = &plan{uid: obj.UID, heldBack: map[string]heldAddress{}}
		p.by[name] = known
	}
	if obj.Status.CreateIntent == nil {
		p.release(known)
	}
	return known
}

// reservedFor returns until when a name is kept for another Team, zero when it is
// free. When that has passed, only a listing from later shows what came of it.
func (p *plans) reservedFor(name string, by *plan) (end time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch known := p.reserved[name]; {
	case known == nil || known.by == by:
		return time.Time{}
	case known.end.IsZero():
		return time.Now().Add(reservedPause)
	default:
		return known.end
	}
}

// reserve keeps a name for a request that is about to be sent, until the cache
// shows the outcome. It is false while the name is another's.
func (p *plans) reserve(name string, by *plan) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known := p.reserved[name]; known != nil && known.by != by && (known.end.IsZero() || time.Now().Before(known.end)) {
		return false
	}
	p.release(by)
	if p.reserved == nil {
		p.reserved = map[string]*reservation{}
	}
	p.reserved[name], by.reserved = &reservation{by: by}, name
	return true
}

// settle ends a reservation whose request had no effect.
func (p *plans) settle(by *plan) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.release(by)
}

// leaveOpen has a reservation end when a request whose answer was lost can have no
// effect any more.
func (p *plans) leaveOpen(by *plan) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known := p.reserved[by.reserved]; known != nil && known.by == by {
		known.end = time.Now().Add(rivalry)
	}
}

// release needs p.mu.
func (p *plans) release(by *plan) {
	if by == nil || by.reserved == "" {
		return
	}
	if known := p.reserved[by.reserved]; known != nil && known.by == by && known.end.IsZero() {
		delete(p.reserved, by.reserved)
	}
	by.reserved = ""
}

func (p *plans) forget(name types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.release(p.by[name])
	delete(p.by, name)
}
