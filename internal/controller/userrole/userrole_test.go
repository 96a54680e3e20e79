package userrole

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/internal/controller/access"
)

func TestFinalRole(t *testing.T) {
	tests := []struct {
		policy   v1alpha1.UserRoleDeletionPolicy
		to       v1alpha1.RoleName
		mode     v1alpha1.Mode
		previous string
		want     string
	}{
		{policy: "", previous: "Admin"},
		{policy: v1alpha1.UserRoleOrphan, previous: "Admin"},
		{policy: v1alpha1.UserRoleRestore, previous: "Admin", want: "Admin"},
		{policy: v1alpha1.UserRoleRestore},
		{policy: v1alpha1.UserRoleRestore, previous: "Admin", mode: v1alpha1.ModeObserve},
		{policy: v1alpha1.UserRoleDowngrade, previous: "Admin", want: "Read Only"},
		{policy: v1alpha1.UserRoleDowngrade, to: "Member", previous: "Admin", want: "Member"},
		{policy: v1alpha1.UserRoleDowngrade},
	}
	for _, tt := range tests {
		s := &role{obj: &v1alpha1.UserRole{}}
		s.obj.Spec.DeletionPolicy, s.obj.Spec.DowngradeTo, s.obj.Spec.Mode = tt.policy, tt.to, tt.mode
		s.obj.Status.PreviousRole = tt.previous
		if got, ok := s.finalRole(); got != tt.want || ok != (tt.want != "") {
			t.Errorf("%+v: %q, %v", tt, got, ok)
		}
	}
}

func TestDifferences(t *testing.T) {
	user := console.User{Email: ada, Role: "admin", FirstName: "Ada", LastName: "King"}
	tests := []struct {
		name string
		spec v1alpha1.UserRoleSpec
		want []console.Difference
	}{
		{"another spelling", v1alpha1.UserRoleSpec{Role: "Admin"}, nil},
		{"names not managed", v1alpha1.UserRoleSpec{Role: "admin"}, nil},
		{"lower", v1alpha1.UserRoleSpec{Role: "Read Only"}, []console.Difference{{Field: "role", Want: "Read Only", Have: "admin", Revokes: true}}},
		{"names", v1alpha1.UserRoleSpec{Role: "Admin", FirstName: new(""), LastName: new("Lovelace")},
			[]console.Difference{{Field: "firstName", Have: "Ada"}, {Field: "lastName", Want: "Lovelace", Have: "King"}}},
	}
	for _, tt := range tests {
		if got := Differences(&v1alpha1.UserRole{Spec: tt.spec}, user); fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func TestRoleProblem(t *testing.T) {
	tests := []struct {
		name    string
		allowed []v1alpha1.RoleName
		role    string
		problem string // a part of it; "" for none
	}{
		{"any", nil, "Astronaut", ""},
		{"listed", []v1alpha1.RoleName{"Read Only"}, "Read Only", ""},
		{"not listed", []v1alpha1.RoleName{"Read Only"}, "Member", `the role "Member"`},
		{"another spelling of what is listed", []v1alpha1.RoleName{"Read Only"}, "read-only", ""},
		{"another spelling of what is not listed", []v1alpha1.RoleName{"Member"}, "ADMIN", `the role "Admin"`},
		{"the list in another spelling", []v1alpha1.RoleName{"admin"}, "Admin", "spelled exactly so"},
		{"the same spelling as the list, of another role", []v1alpha1.RoleName{"admin"}, "admin", `the role "Admin"`},
		{"custom", []v1alpha1.RoleName{"Data Team"}, "Data Team", ""},
		{"another custom", []v1alpha1.RoleName{"Data Team"}, "Data-Team", `the role "Data-Team"`},
		{"custom in another case", []v1alpha1.RoleName{"Data Team"}, "data team", `the role "data team"`},
		{"no other spelling of Admin", []v1alpha1.RoleName{"Admin"}, "Ad-min", `the role "Ad-min"`},
		{"Owner", nil, "Owner", "Transfer the ownership"},
		{"Owner listed", []v1alpha1.RoleName{"Owner"}, "owner", "Transfer the ownership"},
	}
	for _, tt := range tests {
		connection := &v1alpha1.ConsoleConnection{}
		connection.Spec.AllowedRoles = tt.allowed
		if got := RoleProblem(connection, tt.role); (got == "") != (tt.problem == "") || !strings.Contains(got, tt.problem) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.problem)
		}
	}
}

func TestUserProblem(t *testing.T) {
	connection := &v1alpha1.ConsoleConnection{}
	if got := UserProblem(connection, "Ada@Example.com", "Admin"); got != "" {
		t.Errorf("a connection without a list protects: %s", got)
	}
	if got := UserProblem(connection, ada, "owner"); !strings.Contains(got, "Transfer the ownership") {
		t.Errorf("the Owner: %q", got)
	}
	connection.Spec.ProtectedUsers = []v1alpha1.EmailAddress{ada}
	if got := UserProblem(connection, "Ada@Example.com", ""); !strings.Contains(got, "spec.protectedUsers") {
		t.Errorf("somebody protected: %q", got)
	}
}

// Custom roles that differ in a hyphen are two: one is not granted for the other,
// and who has the one has not the other.
func TestCustomRolesAreNamedExactly(t *testing.T) {
	allow := func(c *v1alpha1.ConsoleConnection) { c.Spec.AllowedRoles = []v1alpha1.RoleName{"Data Team"} }
	inBubble(t, allow, func(t *testing.T, b *bench) {
		b.sim.PutRole(consolesim.Role{Name: "Data Team"})
		b.sim.PutRole(consolesim.Role{Name: "Data-Team"})
		b.put(ada, "Member")
		b.put(grace, "Data-Team")
		b.apply(t, "ada", ada, "Data-Team", nil)
		b.apply(t, "grace", grace, "Data Team", nil)
		b.reconcile(t, "ada")
		b.reconcile(t, "grace")
		b.wants(t, "ada", v1alpha1.ReasonRoleNotAllowed)
		b.has(t, ada, "Member")
		b.wants(t, "grace", v1alpha1.ReasonSynced)
		b.has(t, grace, "Data Team")
	})
}

// The Owner is never changed, whatever a manifest says, nor is anybody made Owner.
func TestOwnerIsNeverOurs(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bench) {
		b.put(ada, "Owner")
		b.put(grace, "Admin")
		b.apply(t, "ada", ada, "Member", func(s *v1alpha1.UserRoleSpec) {
			s.FirstName, s.DeletionPolicy = new("Ada"), v1alpha1.UserRoleDowngrade
		})
		b.apply(t, "grace", grace, "owner", nil)
		b.apply(t, "new", "new@example.com", "Owner", func(s *v1alpha1.UserRoleSpec) { s.WhenMissing = v1alpha1.WhenMissingInvite })
		for _, name := range []string{"ada", "grace", "new"} {
			b.reconcile(t, name)
		}
		b.wants(t, "ada", v1alpha1.ReasonProtectedUser)
		b.wants(t, "grace", v1alpha1.ReasonRoleNotAllowed)
		b.wants(t, "new", v1alpha1.ReasonRoleNotAllowed)
		if !b.delete(t, "ada") {
			t.Errorf("not let go: %+v", b.get(t, "ada").Status.Conditions)
		}
		if n := b.sim.Count(consolesim.UpdateUser) + b.sim.Count(consolesim.InviteUsers); n != 0 {
			t.Errorf("%d requests to change the Owner, or to make one", n)
		}
	})
	// Who was Owner when the object was first synced is not made so again.
	inBubble(t, nil, func(t *testing.T, b *bench) {
		b.put(ada, "Owner")
		b.put(grace, "Admin")
		b.apply(t, "ada", ada, "Member", func(s *v1alpha1.UserRoleSpec) { s.DeletionPolicy = v1alpha1.UserRoleRestore })
		b.reconcile(t, "ada")
		b.put(ada, "Admin")
		b.put(grace, "Owner")
		b.put("alan@example.com", "Admin")
		time.Sleep(time.Minute)
		_ = b.project.ReadUsers(console.Caller{Key: "lister"}, time.Now())
		time.Sleep(time.Second)
		b.reconcile(t, "ada")
		b.wants(t, "ada", v1alpha1.ReasonSynced)
		if !b.delete(t, "ada") {
			t.Errorf("not let go: %+v", b.get(t, "ada").Status.Conditions)
		}
		b.has(t, ada, "Member")
	})
}

func TestDeletion(t *testing.T) {
	allow := func(roles ...v1alpha1.RoleName) func(*v1alpha1.ConsoleConnection) {
		return func(c *v1alpha1.ConsoleConnection) { c.Spec.AllowedRoles = roles }
	}
	policy := func(p v1alpha1.UserRoleDeletionPolicy, to v1alpha1.RoleName) func(*v1alpha1.UserRoleSpec) {
		return func(s *v1alpha1.UserRoleSpec) { s.DeletionPolicy, s.DowngradeTo = p, to }
	}
	tests := []struct {
		name    string
		connect func(*v1alpha1.ConsoleConnection)
		had     string
		role    string
		spec    func(*v1alpha1.UserRoleSpec)
		want    string
	}{
		{"orphan", nil, "Read Only", "Member", nil, "Member"},
		{"restore", nil, "Read Only", "Member", policy(v1alpha1.UserRoleRestore, ""), "Read Only"},
		{"restore upwards", nil, "Admin", "Member", policy(v1alpha1.UserRoleRestore, ""), "Admin"},
		{"downgrade", nil, "Read Only", "Admin", policy(v1alpha1.UserRoleDowngrade, ""), "Read Only"},
		{"downgrade is no way up", allow("Member"), "Read Only", "Member", policy(v1alpha1.UserRoleDowngrade, "Admin"), "Member"},
		{"nor to a spelling of Admin", nil, "Read Only", "Member", policy(v1alpha1.UserRoleDowngrade, "ADMIN"), "Member"},
		{"nor to Owner", nil, "Read Only", "Member", policy(v1alpha1.UserRoleDowngrade, "owner"), "Member"},
		{"nor to another custom role", allow("Member", "Data Team"), "Read Only", "Member", policy(v1alpha1.UserRoleDowngrade, "Data-Team"), "Member"},
		{"nor is restore", allow("Member"), "Admin", "Member", policy(v1alpha1.UserRoleRestore, ""), "Member"},
		{"what takes away is always allowed", allow("Member"), "Member", "Member", policy(v1alpha1.UserRoleDowngrade, ""), "Read Only"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, tt.connect, func(t *testing.T, b *bench) {
				b.put(ada, tt.had)
				b.put(grace, "Admin")
				b.apply(t, "ada", ada, tt.role, tt.spec)
				b.reconcile(t, "ada")
				b.wants(t, "ada", v1alpha1.ReasonSynced)
				b.has(t, ada, tt.role)
				if got := b.get(t, "ada").Status.PreviousRole; got != tt.had {
					t.Errorf("the previous role is %q, want %q", got, tt.had)
				}
				if !b.delete(t, "ada") {
					t.Errorf("not let go: %+v", b.get(t, "ada").Status.Conditions)
				}
				b.has(t, ada, tt.want)
			})
		})
	}
}

// A console that spells roles otherwise than it accepts them gets back the role
// that it had, and what a spec calls a role in its words.
func TestRolesAreWrittenAsDocumented(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bench) {
		err := b.sim.SetBehavior(func(s *consolesim.Behavior) { s.RoleSpelling = consolesim.SpellingKebab })
		if err != nil {
			t.Fatal(err)
		}
		b.put(ada, "Read Only")
		b.apply(t, "ada", ada, "member", func(s *v1alpha1.UserRoleSpec) { s.DeletionPolicy = v1alpha1.UserRoleRestore })
		b.reconcile(t, "ada")
		b.wants(t, "ada", v1alpha1.ReasonSynced)
		b.has(t, ada, "Member")
		if !b.delete(t, "ada") {
			t.Errorf("not let go: %+v", b.get(t, "ada").Status.Conditions)
		}
		b.has(t, ada, "Read Only")
	})
}

func TestLastAdmin(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bench) {
		b.put(ada, "Admin")
		b.put(grace, "Admin")
		down := func(s *v1alpha1.UserRoleSpec) { s.DeletionPolicy = v1alpha1.UserRoleDowngrade }
		b.apply(t, "ada", ada, "Member", nil)
		b.apply(t, "grace", grace, "Admin", down)
		b.reconcile(t, "ada")
		b.reconcile(t, "grace")
		b.has(t, ada, "Member")
		if b.delete(t, "grace") {
			t.Error("the last Admin's object was let go")
		}
		b.wants(t, "grace", v1alpha1.ReasonLastAdmin)
		b.has(t, grace, "Admin")
		b.put("alan@example.com", "Admin")
		time.Sleep(time.Minute)
		_ = b.project.ReadUsers(console.Caller{Key: "lister"}, time.Now())
		time.Sleep(time.Second)
		b.reconcile(t, "grace")
		b.has(t, grace, "Read Only")
	})
}

func TestProtectedUsersAreNotChanged(t *testing.T) {
	protect := func(c *v1alpha1.ConsoleConnection) { c.Spec.ProtectedUsers = []v1alpha1.EmailAddress{ada} }
	inBubble(t, protect, func(t *testing.T, b *bench) {
		b.put(ada, "Admin")
		b.put(grace, "Admin")
		b.apply(t, "ada", ada, "Member", func(s *v1alpha1.UserRoleSpec) { s.DeletionPolicy = v1alpha1.UserRoleDowngrade })
		b.reconcile(t, "ada")
		b.wants(t, "ada", v1alpha1.ReasonProtectedUser)
		if !b.delete(t, "ada") || b.sim.Count(consolesim.UpdateUser) != 0 {
			t.Errorf("%d updates of somebody protected", b.sim.Count(consolesim.UpdateUser))
		}
	})
}

// Somebody whose address has the Kelvin sign for a K is somebody else.
func TestOnlyASCIILettersFold(t *testing.T) {
	const kim, kelvin = "kim@example.com", "\u212aim@example.com"
	protect := func(c *v1alpha1.ConsoleConnection) {
		c.Spec.ProtectedUsers = []v1alpha1.EmailAddress{"ADA@example.com"}
	}
	inBubble(t, protect, func(t *testing.T, b *bench) {
		b.put(kelvin, "Admin")
		b.put(kim, "Read Only")
		b.put(ada, "Admin")
		b.apply(t, "kim", "KIM@example.com", "Member", nil)
		b.apply(t, "ada", "Ada@Example.com", "Member", nil)
		b.reconcile(t, "kim")
		b.reconcile(t, "ada")
		b.wants(t, "kim", v1alpha1.ReasonSynced)
		b.has(t, kim, "Member")
		b.has(t, kelvin, "Admin")
		b.wants(t, "ada", v1alpha1.ReasonProtectedUser)
	})
	inBubble(t, nil, func(t *testing.T, b *bench) {
		b.put(kelvin, "Admin")
		b.apply(t, "kim", kim, "Member", nil)
		b.reconcile(t, "kim")
		b.wants(t, "kim", v1alpha1.ReasonUserNotFound)
		b.has(t, kelvin, "Admin")
	})
}

// An invitation is sent once in seven days, also by a new process.
func TestInvitation(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bench) {
		b.apply(t, "ada", ada, "Member", func(s *v1alpha1.UserRoleSpec) { s.WhenMissing = v1alpha1.WhenMissingInvite })
		again := b.reconcile(t, "ada").RequeueAfter
		b.wants(t, "ada", v1alpha1.ReasonInvited)
		b.Memory = &access.Memory{}
		b.reconcile(t, "ada")
		if n := b.sim.Count(consolesim.InviteUsers); n != 1 || again < access.InviteAgainAfter-time.Hour || b.project.Awaiting() != 1 {
			t.Errorf("%d invitations, the next after %v, %d wait", n, again, b.project.Awaiting())
		}
		time.Sleep(again)
		b.reconcile(t, "ada")
		if n := b.sim.Count(consolesim.InviteUsers); n != 2 {
			t.Errorf("%d invitations after seven days, want 2", n)
		}
		b.sim.AcceptInvite(ada)
		_ = b.project.ReadUsers(console.Caller{Key: "lister"}, time.Now())
		time.Sleep(time.Second)
		b.reconcile(t, "ada")
		b.wants(t, "ada", v1alpha1.ReasonSynced)
		if b.get(t, "ada").Status.InvitedAt != nil || b.project.Awaiting() != 0 {
			t.Error("somebody who joined still counts as invited")
		}
	})
}

// A console that answers with success and keeps the old role is written to
// twice, and then once an interval.
func TestConsoleThatDoesNotKeepTheRole(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bench) {
		b.put(ada, "Member")
		b.sim.Inject(consolesim.Fault{Endpoint: consolesim.UpdateUser, Effect: consolesim.EffectError, Status: 200, ContentType: "application/json",
			Body: `{"message":"ok","data":{"email":"ada@example.com","firstName":"","lastName":"","role":"Member"}}`})
		b.apply(t, "ada", ada, "Admin", nil)
		again := b.reconcile(t, "ada").RequeueAfter
		b.wants(t, "ada", v1alpha1.ReasonDriftDetected)
		if n := b.sim.Count(consolesim.UpdateUser); n != 2 || again != 10*time.Minute {
			t.Errorf("%d updates, again after %v", n, again)
		}
		if diff := b.get(t, "ada").Status.Diff; len(diff) != 1 || diff[0] != (v1alpha1.FieldDiff{Field: "role", Want: "Admin", Have: "Member"}) {
			t.Errorf("the status tells of %+v", diff)
		}
	})
}
