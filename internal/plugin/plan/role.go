package plan

import (
	"slices"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/controller/userrole"
)

// role plans for one UserRole as its reconciler would go about it.
func (p *planner) role(c *Change, obj *v1alpha1.UserRole) {
	spec := &obj.Spec
	problem := userrole.RoleProblem(p.Connection, string(spec.Role))
	switch {
	case spec.Suspend:
		c.problem(v1alpha1.ReasonSuspended, "spec.suspend is true, so nothing is done.")
		return
	case problem != "":
		c.problem(v1alpha1.ReasonRoleNotAllowed, "%s", problem)
		return
	}
	user, present := p.user(string(spec.Email))
	guarded := userrole.UserProblem(p.Connection, string(spec.Email), user.Role)
	switch {
	case !present && spec.WhenMissing == v1alpha1.WhenMissingInvite && spec.Mode != v1alpha1.ModeObserve && guarded == "":
		p.invite(c, obj)
		return
	case !present:
		c.problem(v1alpha1.ReasonUserNotFound,
			"%s is not in the console project. Invite them there, or set spec.whenMissing to Invite; the role is set when they appear.", spec.Email)
		return
	}
	differences := userrole.Differences(obj, user)
	if guarded != "" && len(differences) > 0 && spec.Mode != v1alpha1.ModeObserve {
		c.differ(None, spec.Mode, differences)
		c.problem(v1alpha1.ReasonProtectedUser, "%s", guarded)
		return
	}
	c.differ(Update, spec.Mode, differences)
	p.keepDrift(c, obj)

	if c.Action != Update {
		return
	}
	switch was, will := console.IsAdmin(user.Role), console.IsAdmin(string(spec.Role)); {
	case was && !will:
		p.demoted[console.EmailKey(user.Email)] = true
	case will && !was:
		p.promoted = true
	}
}

// invite plans for a person who is not in the project, unless they were invited
// already.
func (p *planner) invite(c *Change, obj *v1alpha1.UserRole) {
	_, before := p.Connection.Status.Invitations[obj.Claim()]
	if known, _ := p.inCluster(obj).(*v1alpha1.UserRole); before || known != nil && known.Status.InvitedAt != nil {
		c.problem(v1alpha1.ReasonInvited, "%s was invited and has not joined the console project yet.", obj.Spec.Email)
		return
	}
	c.Action = Invite
	c.Fields = []Field{{Field: "role", Then: console.DocumentedRole(string(obj.Spec.Role))}}
}

// keepOneAdmin tells when the plan would demote every Admin there is: the last
// one stays.
func (p *planner) keepOneAdmin() {
	remains := p.promoted || slices.ContainsFunc(p.Inventory.Users, func(u console.User) bool {
		return console.IsAdmin(u.Role) && !p.demoted[console.EmailKey(u.Email)]
	})
	if remains {
		return
	}
	for i := range p.out.Changes {
		c := &p.out.Changes[i]
		if c.Kind == "UserRole" && p.demoted[c.Of] {
			c.problem(v1alpha1.ReasonLastAdmin, "Every Admin of the project would become something less; the last of them stays Admin. Make somebody else Admin first.")
		}
	}
}
