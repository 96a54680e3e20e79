package chaos

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/chaos/audit"
)

// grantable are the roles that UserRoles ask for. There are Admins without a
// UserRole, so that nobody is the last one.
var grantable = []v1alpha1.RoleName{"Member", "Member", "Read Only", "Admin", "Analyst"}

// applyRole creates a UserRole for somebody who has none.
func (p *program) applyRole() {
	for _, i := range p.rng.Perm(len(p.roles)) {
		s := p.roles[i]
		if s.fixed || s.life != nil && (s.life.Deleted.IsZero() || !gone(p, s.life)) {
			continue
		}
		s.obj.Spec = p.roleSpec(s.email)
		p.createRole(s)
		return
	}
}

func (p *program) createRole(s *roleSlot) {
	s.obj = &v1alpha1.UserRole{ObjectMeta: metav1.ObjectMeta{Namespace: s.obj.Namespace, Name: s.obj.Name}, Spec: s.obj.Spec}
	name := client.ObjectKeyFromObject(s.obj).String()
	s.life = p.c.ledger.UserRole(name, s.obj.Spec)
	p.c.watcher.roles.follow(name, s.life)
	p.c.e.Create(s.obj)
	p.c.ledger.Note(func() { s.life.Specs[0].Applied = time.Now() })
	p.done["applies"]++
}

func (p *program) editRole() {
	s := p.aliveRole()
	if s == nil {
		return
	}
	want := p.roleSpec(s.email)
	s.obj.Spec = want
	p.c.ledger.Note(func() {
		s.life.Specs = append(s.life.Specs, audit.Spec[v1alpha1.UserRoleSpec]{Since: time.Now(), Spec: want})
	})
	patch(p, s.obj, func(u *v1alpha1.UserRole) { u.Spec = *want.DeepCopy() })
	p.c.ledger.Note(func() { s.life.Specs[len(s.life.Specs)-1].Applied = time.Now() })
	p.done["edits"]++
}

func (p *program) deleteRole() {
	if s := p.aliveRole(); s != nil && !s.fixed {
		remove(p, s.obj, s.life)
		p.done["deletions"]++
	}
}

func (p *program) roleSpec(email string) v1alpha1.UserRoleSpec {
	spec := v1alpha1.UserRoleSpec{Email: v1alpha1.EmailAddress(email), Role: pick(p.rng, grantable)}
	spec.ConnectionRef.Name = p.c.e.Connection.Name
	if p.some(30) {
		first := fmt.Sprintf("First %d", p.rng.IntN(100))
		spec.FirstName = &first
	}
	if p.some(20) {
		last := fmt.Sprintf("Last %d", p.rng.IntN(100))
		spec.LastName = &last
	}
	spec.DeletionPolicy = pick(p.rng, []v1alpha1.UserRoleDeletionPolicy{
		v1alpha1.UserRoleOrphan, v1alpha1.UserRoleRestore, v1alpha1.UserRoleDowngrade,
	})
	spec.DowngradeTo = pick(p.rng, []v1alpha1.RoleName{consolesim.RoleReadOnly, consolesim.RoleMember})
	return spec
}
