package integration

import (
	"testing"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/harness"
)

// TestUserRoleEdits: each change of the role or name is one write.
func TestUserRoleEdits(t *testing.T) {
	e := harness.Shared(t, harness.Options{})
	role := e.UserRole(barbara, "Member")
	e.Create(role)
	e.WaitReady(role)
	e.WantWrites(0)
	for _, edit := range []struct {
		spec func(*v1alpha1.UserRoleSpec)
		want consolesim.User
	}{
		{func(s *v1alpha1.UserRoleSpec) { s.Role = "Admin" }, consolesim.User{Role: "Admin", FirstName: "Barbara", LastName: "Liskov"}},
		{func(s *v1alpha1.UserRoleSpec) { s.FirstName = ptr("B.") }, consolesim.User{Role: "Admin", FirstName: "B.", LastName: "Liskov"}},
		{func(s *v1alpha1.UserRoleSpec) { s.LastName = ptr("") }, consolesim.User{Role: "Admin", FirstName: "B."}},
		{func(s *v1alpha1.UserRoleSpec) { s.Role, s.FirstName = "Analyst", ptr("Barbara") }, consolesim.User{Role: "Analyst", FirstName: "Barbara"}},
	} {
		mark := e.Mark()
		harness.Update(e, role, func(role *v1alpha1.UserRole) { edit.spec(&role.Spec) })
		e.WaitReady(role)
		got, _ := e.Sim.User(barbara)
		edit.want.Email, edit.want.UserID = barbara, got.UserID
		if got != edit.want {
			e.Fatalf("the console has %+v, want %+v", got, edit.want)
		}
		if n := len(e.Writes(mark)); n != 1 {
			e.Fatalf("%d writes, want 1", n)
		}
	}
	if role.Status.PreviousRole != "Member" {
		t.Errorf("previous role %q, want the first", role.Status.PreviousRole)
	}
	e.WantQuiet()
}

// TestUserRoleDeletion: what the person is left with.
func TestUserRoleDeletion(t *testing.T) {
	tests := map[string]struct {
		policy      v1alpha1.UserRoleDeletionPolicy
		downgradeTo v1alpha1.RoleName
		change      func(*v1alpha1.UserRoleSpec)
		want        string
	}{
		"default":                    {want: "Admin"},
		"Orphan":                     {policy: v1alpha1.UserRoleOrphan, want: "Admin"},
		"Restore":                    {policy: v1alpha1.UserRoleRestore, want: "Member"},
		"Downgrade":                  {policy: v1alpha1.UserRoleDowngrade, want: "Read Only"},
		"Downgrade to a custom role": {policy: v1alpha1.UserRoleDowngrade, downgradeTo: "Analyst", want: "Analyst"},
		"Restore, suspended":         {policy: v1alpha1.UserRoleRestore, change: func(s *v1alpha1.UserRoleSpec) { s.Suspend = true }, want: "Member"},
		"Restore, observed":          {policy: v1alpha1.UserRoleRestore, change: func(s *v1alpha1.UserRoleSpec) { s.Mode = v1alpha1.ModeObserve }, want: "Admin"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			e := harness.Shared(t, harness.Options{})
			role := e.UserRole(alan, "Admin", func(s *v1alpha1.UserRoleSpec) { s.DeletionPolicy, s.DowngradeTo = test.policy, test.downgradeTo })
			e.Create(role)
			e.WaitReady(role)
			e.WantRole(alan, "Admin")
			if test.change != nil {
				harness.Update(e, role, func(role *v1alpha1.UserRole) { test.change(&role.Spec) })
			}
			e.Delete(role)
			e.WaitGone(role)
			e.WantRole(alan, test.want)
		})
	}
}

// TestInvitedOnce: one invitation is sent, it survives a restart, and the role
// is kept true from the day the person appears.
func TestInvitedOnce(t *testing.T) {
	e := harness.Own(t, harness.Options{})
	const zoe = "zoe@example.com"
	role := e.UserRole(zoe, "Analyst", func(s *v1alpha1.UserRoleSpec) { s.WhenMissing = v1alpha1.WhenMissingInvite })
	waits := e.UserRole("yan@example.com", "Member")
	e.Create(role, waits)
	e.WaitMessage(role, v1alpha1.ReasonInvited, zoe, "repeated after")
	e.WaitMessage(waits, v1alpha1.ReasonUserNotFound, "yan@example.com", "whenMissing")
	e.WaitEvent(role, "Invited", zoe)
	e.Compared(2)
	e.Operator.Stop()
	e.Operator.Start(t)
	e.Compared(2)
	e.WantWrites(0, consolesim.InviteUsers)

	e.Sim.AcceptInvite(zoe)
	e.Sim.PutUser(consolesim.User{Email: "yan@example.com", Role: "Read Only"})
	e.WaitReady(role, waits)
	e.WantRole(zoe, "Analyst")
	e.WantRole("yan@example.com", "Member")
	if role.Status.InvitedAt != nil || role.Status.UserID == "" {
		t.Errorf("status %+v, want the person and no invitation", role.Status)
	}
	e.WantWrites(0, consolesim.InviteUsers, consolesim.UpdateUser)
}

// TestLastAdmin: however many Admins are demoted at once, one remains, and is
// demoted when there is another.
func TestLastAdmin(t *testing.T) {
	e := harness.Shared(t, harness.Options{Behavior: func(b *consolesim.Behavior) { b.RoleSpelling = consolesim.SpellingLower }})
	for _, email := range []string{alan, barbara} {
		e.Sim.PutUser(consolesim.User{Email: email, Role: "Admin"})
	}
	roles := []*v1alpha1.UserRole{e.UserRole(ada, "Member"), e.UserRole(alan, "Member"), e.UserRole(barbara, "Analyst"), e.UserRole(grace, "Read Only")}
	for _, role := range roles {
		e.Create(role)
	}
	var last *v1alpha1.UserRole
	e.WaitUntil("wait for one to be the last", func() bool {
		ready := 0
		for _, role := range roles {
			e.Refresh(role)
			switch harness.Ready(role).Reason {
			case v1alpha1.ReasonSynced:
				ready++
			case v1alpha1.ReasonLastAdmin:
				last = role
			}
		}
		return ready == 3 && last != nil
	})
	e.WaitMessage(last, v1alpha1.ReasonLastAdmin, string(last.Spec.Email), "Make somebody else Admin first")
	e.WantRole(string(last.Spec.Email), "Admin")
	e.WantQuiet()

	// Nor does a deletion take the last one away.
	harness.Update(e, last, func(role *v1alpha1.UserRole) { role.Spec.DeletionPolicy = v1alpha1.UserRoleDowngrade })
	e.Delete(last)
	e.WaitMessage(last, v1alpha1.ReasonLastAdmin, "deletionPolicy")
	e.Sim.PutUser(consolesim.User{Email: edsger, Role: "Admin"})
	e.WaitGone(last)
	e.WantRole(string(last.Spec.Email), "Read Only")
	e.WantRole(edsger, "Admin")
}

// TestProtectedUser: nothing of a protected person is changed, neither by an
// object nor by its end, nor by an invitation.
func TestProtectedUser(t *testing.T) {
	const zoe = "zoe@example.com"
	e := harness.Shared(t, harness.Options{Connection: func(c *v1alpha1.ConsoleConnectionSpec) {
		c.ProtectedUsers = emails("ALAN@example.com", zoe)
	}})
	role := e.UserRole(alan, "Admin", func(s *v1alpha1.UserRoleSpec) { s.DeletionPolicy = v1alpha1.UserRoleDowngrade })
	invited := e.UserRole(zoe, "Member", func(s *v1alpha1.UserRoleSpec) { s.WhenMissing = v1alpha1.WhenMissingInvite })
	e.Create(role, invited)
	e.WaitMessage(role, v1alpha1.ReasonProtectedUser, alan, "spec.protectedUsers")
	e.WaitReason(invited, v1alpha1.ReasonProtectedUser)
	harness.Update(e, role, func(role *v1alpha1.UserRole) { role.Spec.Role = "Member" })
	e.WaitReady(role)
	e.Delete(role)
	e.WaitGone(role)
	e.WantRole(alan, "Member")
	e.WantWrites(0)
}

// TestAllowedRoles: a role that the connection does not list is not granted,
// until it does.
func TestAllowedRoles(t *testing.T) {
	e := harness.Shared(t, harness.Options{Connection: func(c *v1alpha1.ConsoleConnectionSpec) {
		c.AllowedRoles = []v1alpha1.RoleName{"Member", "Read Only"}
	}})
	role, other := e.UserRole(alan, "Admin"), e.UserRole(edsger, "Member")
	e.Create(role, other)
	e.WaitMessage(role, v1alpha1.ReasonRoleNotAllowed, `"Admin"`, "spec.allowedRoles")
	e.WaitReady(other)
	e.WantRole(alan, "Member")
	harness.Update(e, e.Connection, func(c *v1alpha1.ConsoleConnection) { c.Spec.AllowedRoles = append(c.Spec.AllowedRoles, "Admin") })
	e.WaitReady(role)
	e.WantRole(alan, "Admin")
}

// TestUnknownRole: the console refuses a role it does not have, in its own
// words, and it heals when the role is made.
func TestUnknownRole(t *testing.T) {
	e := harness.Shared(t, harness.Options{})
	role := e.UserRole(alan, "Astronaut")
	e.Create(role)
	e.WaitMessage(role, v1alpha1.ReasonRejected, "Astronaut", "tried again every 1s")
	e.WantRole(alan, "Member")
	e.Sim.PutRole(consolesim.Role{Name: "Astronaut"})
	e.WaitReady(role)
	e.WantRole(alan, "Astronaut")
}

// TestReadOnlyKey: what the key may not do is told, and all else still works.
func TestReadOnlyKey(t *testing.T) {
	e := harness.Shared(t, harness.Options{Unconnected: true})
	e.Sim.AddReadOnlyKey("canary-read-only")
	e.CreateSecret(e.Namespace, "canary-read-only")
	e.Create(e.NewConnection(e.Namespace))
	same, other := e.UserRole(alan, "Member"), e.UserRole(edsger, "Member")
	e.Create(same, other)
	e.WaitReady(same)
	e.WaitMessage(other, v1alpha1.ReasonForbidden, "permission")
	e.WantRole(edsger, "Read Only")
}
