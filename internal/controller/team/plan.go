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
	// missing counts the listings since intentEnded that lacked the team, the last
	// of which began at missingAt.
	missing   int
	missingAt time.Time
	// rivals are the intents of others for the same name, and since when they are
	// known.
	rivals map[string]time.Time
	// creating is what was reserved for a request to create a team.
	creating string
	// heldBack are addresses that the console refused as unknown, and when.
	heldBack map[string]time.Time
	// lacked counts the incomplete listings in a row that lacked the team's
	// name, the last of which began at lackedAt.
	lacked   int
	lackedAt time.Time
	// deleted is the id of the team that was deleted for this object.
	deleted string
	// checked is when the team was last read by itself.
	checked time.Time
}

// attempted notes that the attempt has ended whose intent was recorded then; of
// an inherited one, as far as can be known.
func (p *plan) attempted(intent int64, inherited bool) {
	p.intent, p.intentEnded, p.inherited = intent, time.Now(), inherited
	p.missing, p.missingAt = 0, time.Time{}
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
	if p.missing > 0 && p.missing < proof {
		due = append(due, p.missingAt.Add(lookups[0]))
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

// missed notes that a listing lacked the team.
func (p *plan) missed(began time.Time) {
	if began.After(p.missingAt) {
		p.missing, p.missingAt = p.missing+1, began
	}
}

type plans struct {
	mu sync.Mutex
	by map[types.NamespacedName]*plan
	// reserved are the names for which a request to create a team was sent that
	// the cache may not tell of yet.
	reserved map[string]*plan
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
		known = &plan{uid: obj.UID, heldBack: map[string]time.Time{}}
		p.by[name] = known
	}
	if obj.Status.CreateIntent == nil {
		p.release(known)
	}
	return known
}

// reserve keeps a name for a request that is about to be sent, until the cache
// shows the outcome. It is false while the name is another's.
func (p *plans) reserve(name string, by *plan) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if holder := p.reserved[name]; holder != nil && holder != by {
		return false
	}
	p.release(by)
	if p.reserved == nil {
		p.reserved = map[string]*plan{}
	}
	p.reserved[name], by.creating = by, name
	return true
}

// release needs p.mu.
func (p *plans) release(by *plan) {
	if by != nil && by.creating != "" {
		delete(p.reserved, by.creating)
		by.creating = ""
	}
}

func (p *plans) forget(name types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.release(p.by[name])
	delete(p.by, name)
}
