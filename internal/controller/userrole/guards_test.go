package userrole

import (
	"fmt"
	"testing"
	"time"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/consolesim"
)

// list has users listed again.
func (b *bench) list() {
	_ = b.project.ReadUsers(console.Caller{Key: "lister"}, time.Now())
	time.Sleep(time.Second)
}

// Whatever somebody made of a person since the last listing, a deletion takes it
// back as its policy says, in a project of any size.
func TestDeletionLooksAgain(t *testing.T) {
	for _, policy := range []v1alpha1.UserRoleDeletionPolicy{v1alpha1.UserRoleRestore, v1alpha1.UserRoleDowngrade} {
		for _, pageSize := range []int{0, 1} {
			t.Run(fmt.Sprintf("%s, page size %d", policy, pageSize), func(t *testing.T) {
				inBubble(t, nil, func(t *testing.T, b *bench) {
					b.behave(t, func(s *consolesim.Behavior) { s.MaxPageSize = pageSize })
					b.put(ada, "Read Only")
					b.put(grace, "Admin")
					b.apply(t, "ada", ada, "Read Only", func(s *v1alpha1.UserRoleSpec) { s.DeletionPolicy = policy })
					b.reconcile(t, "ada")
					b.wants(t, "ada", v1alpha1.ReasonSynced)
					time.Sleep(time.Minute)
					b.put(ada, "Admin") // by hand
					time.Sleep(5 * time.Minute)
					reads := len(b.sim.Requests())
					if !b.delete(t, "ada") {
						t.Errorf("not let go: %+v", b.get(t, "ada").Status.Conditions)
					}
					b.has(t, ada, "Read Only")
					// The person, another Admin, and the change.
					if n := len(b.sim.Requests()) - reads; n > 3 {
						t.Errorf("%d requests, want three", n)
					}
				})
			})
		}
	}
}

// A deletion right after a change of the process does not take what reads show
// for what that one made of the person.
func TestDeletionAfterAChangeOfProcess(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bench) {
		b.put(ada, "Read Only")
		b.put(grace, "Admin")
		b.list()
		b.behave(t, func(s *consolesim.Behavior) { s.StaleReads = 10 * time.Second })
		time.Sleep(time.Minute)
		b.apply(t, "ada", ada, "Admin", func(s *v1alpha1.UserRoleSpec) { s.DeletionPolicy = v1alpha1.UserRoleDowngrade })
		b.once(t, "ada")
		time.Sleep(100 * time.Millisecond)
		b.once(t, "ada")
		b.has(t, ada, "Admin")
		defer b.restart()()
		if b.delete(t, "ada") {
			t.Error("let go on the word of a reading that may be behind")
		}
		b.has(t, ada, "Admin")
		time.Sleep(time.Minute)
		b.reconcile(t, "ada")
		b.has(t, ada, "Read Only")
	})
}

// Two Admins are to be demoted, and the process changes between the two, while
// reads are behind: one stays Admin.
func TestLastAdminOfTwoProcesses(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bench) {
		b.put(ada, "Admin")
		b.put(grace, "Admin")
		b.list()
		b.behave(t, func(s *consolesim.Behavior) { s.StaleReads = 5 * time.Second })
		time.Sleep(time.Minute)
		b.apply(t, "ada", ada, "Member", nil)
		b.apply(t, "grace", grace, "Member", nil)
		b.once(t, "ada")
		time.Sleep(100 * time.Millisecond)
		b.once(t, "ada")
		b.has(t, ada, "Member")
		defer b.restart()()
		b.reconcile(t, "grace")
		b.wants(t, "grace", v1alpha1.ReasonProgressing)
		b.has(t, grace, "Admin")
		time.Sleep(time.Minute)
		reads := b.sim.Count(consolesim.GetUser)
		b.reconcile(t, "grace")
		b.wants(t, "grace", v1alpha1.ReasonLastAdmin)
		if n := b.sim.Count(consolesim.GetUser) - reads; n > 1 {
			t.Errorf("%d reads of people, want one", n)
		}
		// Both Admins again, by hand: one of the two may go.
		b.put(ada, "Admin")
		b.list()
		b.reconcile(t, "grace")
		b.has(t, grace, "Member")
		b.reconcile(t, "ada")
		b.wants(t, "ada", v1alpha1.ReasonLastAdmin)
	})
}

// An Admin whom the process before this one made one, as the object says, is
// not demoted as if they were none because reads are behind.
func TestRecordedAdminIsDemotedAsOne(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bench) {
		b.put(ada, "Member")
		b.put(grace, "Admin")
		b.list()
		b.behave(t, func(s *consolesim.Behavior) { s.StaleReads = 10 * time.Second })
		time.Sleep(time.Minute)
		b.apply(t, "ada", ada, "Admin", nil)
		b.once(t, "ada")
		time.Sleep(100 * time.Millisecond)
		b.once(t, "ada")
		b.wants(t, "ada", v1alpha1.ReasonSynced)
		b.put(grace, "Member") // by hand
		defer b.restart()()
		b.edit(t, "ada", func(s *v1alpha1.UserRoleSpec) { s.Role = "Read Only" })
		b.reconcile(t, "ada")
		b.has(t, ada, "Admin")
		time.Sleep(time.Minute)
		b.reconcile(t, "ada")
		b.wants(t, "ada", v1alpha1.ReasonLastAdmin)
		b.has(t, ada, "Admin")
	})
}
