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
	// intentEnded is when the attempt behind the create intent had ended.
	intentEnded time.Time
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

type plans struct {
	mu sync.Mutex
	by map[types.NamespacedName]*plan
}

func (p *plans) of(name types.NamespacedName, obj *v1alpha1.Team) *plan {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.by == nil {
		p.by = map[types.NamespacedName]*plan{}
	}
	known, ok := p.by[name]
	if !ok || known.uid != obj.UID {
		known = &plan{uid: obj.UID, heldBack: map[string]time.Time{}}
		p.by[name] = known
	}
	return known
}

func (p *plans) forget(name types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.by, name)
}
