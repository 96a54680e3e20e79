package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/chaos/audit"
	"github.com/console-access/console-access-operator/test/harness"
)

// meanPause is between two steps of the program on average.
const meanPause = 350 * time.Millisecond

// A program applies, edits and deletes, and edits by hand. It runs in the test's
// goroutine.
type program struct {
	c   *campaign
	rng *rand.Rand
	// spaces are the namespaces of the objects.
	spaces []string
	teams  []*teamSlot
	roles  []*roleSlot

	// away are people who left the project.
	away []consolesim.User

	// names is how many names of teams have been given; freed are those that
	// nobody has any more.
	names int
	freed []string
	// keys counts the API keys; revoked is the one to be revoked next.
	keys int
	old  string

	done map[string]int // steps, by what they did
}

// A teamSlot is a name for a Team, of which there is none or one at a time.
type teamSlot struct {
	obj  *v1alpha1.Team // as it was applied last; nil: there is none
	life *audit.Team
	// formers are the names it had before.
	formers []string
	// fixed is never deleted or renamed: it stands for a case of its own.
	fixed bool
}

// A roleSlot is a person for whom there is a UserRole or none.
type roleSlot struct {
	email string
	obj   *v1alpha1.UserRole
	life  *audit.UserRole
	fixed bool
}

// run applies everything at once, and then takes one step after the other.
func (p *program) run(ctx context.Context) {
	for _, s := range p.teams {
		p.createTeam(s)
	}
	for _, s := range p.roles {
		p.createRole(s)
	}
	told := time.Now()
	for ctx.Err() == nil {
		p.step()
		pause(ctx, time.Duration(p.rng.ExpFloat64()*float64(meanPause)))
		if time.Since(told) > 15*time.Second {
			told = time.Now()
			p.c.progress()
		}
	}
}

// step does one thing.
func (p *program) step() {
	steps := []struct {
		weight int
		do     func()
	}{
		{20, p.editTeam}, {6, p.renameTeam}, {7, p.deleteTeam}, {12, func() { p.applyTeam() }}, {6, p.fleeting}, {1, p.deleteMany},
		{14, p.editRole}, {6, p.deleteRole}, {8, p.applyRole}, {1, p.editMany},
		{14, p.editByHand}, {2, p.leave}, {3, p.comeBack}, {2, p.rotate}, {4, p.revoke}, {4, p.approve},
	}
	total := 0
	for _, s := range steps {
		total += s.weight
	}
	n := p.rng.IntN(total)
	for _, s := range steps {
		if n -= s.weight; n < 0 {
			s.do()
			return
		}
	}
}

func pick[T any](rng *rand.Rand, list []T) T { return list[rng.IntN(len(list))] }

// some reports true so many times in a hundred.
func (p *program) some(percent int) bool { return p.rng.IntN(100) < percent }

// alive draws one of the Teams that are there and not being deleted.
func (p *program) aliveTeam(fixedToo bool) *teamSlot {
	var list []*teamSlot
	for _, s := range p.teams {
		if s.obj != nil && s.life.Deleted.IsZero() && (fixedToo || !s.fixed) {
			list = append(list, s)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return pick(p.rng, list)
}

func (p *program) aliveRole() *roleSlot {
	var list []*roleSlot
	for _, s := range p.roles {
		if s.obj != nil && s.life.Deleted.IsZero() {
			list = append(list, s)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return pick(p.rng, list)
}

// gone tells whether the watcher has seen the end of a life, or there was none.
func gone[S any](p *program, life *audit.Life[S]) (is bool) {
	p.c.ledger.Note(func() { is = life == nil || !life.Gone.IsZero() })
	return is
}

// patch applies a spec as kubectl replace does, whatever the managers have done
// to the object meanwhile.
func patch[T client.Object](p *program, obj T, change func(T)) {
	harness.Update(p.c.e, obj, change)
}

// remove sends the deletion of an object.
func remove[S any](p *program, obj client.Object, life *audit.Life[S]) {
	p.c.ledger.Note(func() { life.Deleted = time.Now() })
	p.c.e.Delete(obj)
}

// rotate gives the connection another key. The old one is revoked before, or
// some steps later.
func (p *program) rotate() {
	if p.old != "" {
		return
	}
	p.keys++
	key := fmt.Sprintf("%s-%d", p.c.e.Key, p.keys)
	p.old = p.c.e.Key
	if p.keys > 1 {
		p.old = fmt.Sprintf("%s-%d", p.c.e.Key, p.keys-1)
	}
	p.c.e.Sim.AddKey(key)
	if p.some(40) {
		p.revoke()
	}
	p.c.e.SetKey(p.c.e.Namespace, key)
	p.done["key rotations"]++
}

// revoke ends the life of the key before.
func (p *program) revoke() {
	if p.old != "" {
		p.c.e.Sim.RevokeKey(p.old)
		p.old = ""
	}
}

// approve lets held deletions pass, as a person does who was told, and says of a project
// that lacks most of what is recorded that it is the right one.
func (p *program) approve() {
	p.c.e.Refresh(p.c.e.Connection)
	if ready := meta.FindStatusCondition(p.c.e.Connection.Status.Conditions, v1alpha1.ReadyCondition); ready != nil {
		if _, rest, ok := strings.Cut(ready.Message, v1alpha1.ApproveProjectAnnotation+"="); ok {
			digest, _, _ := strings.Cut(rest, ",")
			p.c.e.Annotate(p.c.e.Connection, v1alpha1.ApproveProjectAnnotation, digest)
		}
	}
	if p.c.e.Connection.Status.HeldDeletes == 0 {
		return
	}
	p.c.ledger.Approved(time.Now())
	p.c.e.Annotate(p.c.e.Connection, v1alpha1.ApproveDeletesAnnotation, "all")
	p.done["approvals of held deletions"]++
}

func (p *program) key(s *teamSlot) types.NamespacedName { return client.ObjectKeyFromObject(s.obj) }
