package userrole

import (
	"fmt"
	"slices"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/controller/condition"
)

// RoleProblem says why UserRoles of a connection may not grant a role, and what
// to do about it; "" when they may. What counts is the role that the console would
// be sent, and the connection must list it by that very name: no other spelling is
// a permission.
func RoleProblem(connection *v1alpha1.ConsoleConnection, role string) string {
	allowed := connection.Spec.AllowedRoles
	switch documented := console.DocumentedRole(role); {
	case documented == console.RoleOwner:
		return "Nobody is made the project's Owner through this operator. Transfer the ownership in the console, and set spec.role to another role or delete this object."
	case len(allowed) == 0, slices.Contains(allowed, v1alpha1.RoleName(documented)):
		return ""
	default:
		return fmt.Sprintf("ConsoleConnection %q does not let UserRoles grant the role %q. "+
			"Use one of spec.allowedRoles, or ask the connection's owner to add it there, spelled exactly so.",
			connection.Name, documented)
	}
}

// UserProblem says why nothing of a person is changed, and what to do about it; ""
// when it may be. role is the one that the person has; "" for somebody who is not
// in the project.
func UserProblem(connection *v1alpha1.ConsoleConnection, email, role string) string {
	protected := slices.ContainsFunc(connection.Spec.ProtectedUsers, func(protected v1alpha1.EmailAddress) bool {
		return console.SameEmail(string(protected), email)
	})
	switch {
	case protected:
		return fmt.Sprintf("ConsoleConnection %q protects %s, so nothing of theirs is changed. "+
			"Change them in the console by hand, or ask the connection's owner to remove them from spec.protectedUsers.",
			connection.Name, email)
	case console.IsOwner(role):
		return fmt.Sprintf("%s is the project's Owner, of whom nothing is changed through this operator. Transfer the ownership in the console first, or delete this object.", email)
	}
	return ""
}

// guarded returns the outcome for a person of whom nothing may be changed.
func (s *role) guarded(role string) *condition.Verdict {
	problem := UserProblem(s.Connection, string(s.obj.Spec.Email), role)
	if problem == "" {
		return nil
	}
	v := condition.Stuck(v1alpha1.ReasonProtectedUser, "%s", problem)
	return &v
}

// mayEndWith reports whether a deletion may leave a person who has one role with
// another: it is no way around the roles that may be granted, and Downgrade never
// makes anybody Admin.
func (s *role) mayEndWith(had, role string) bool {
	downgrade := s.obj.Spec.DeletionPolicy == v1alpha1.UserRoleDowngrade
	switch {
	case console.Lowers(had, role):
		return true
	case downgrade && console.IsAdmin(role):
		return false
	}
	return RoleProblem(s.Connection, role) == ""
}
