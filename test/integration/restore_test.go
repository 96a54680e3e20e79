package integration

import (
	"fmt"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/test/harness"
)

// TestRestoredWithoutStatus: everything is lost and comes back from a backup that has
// no status, the connection last, as Velero restores it in this or another cluster.
// Nothing is written to the console, and every object stands for what it did.
func TestRestoredWithoutStatus(t *testing.T) {
	for _, finalizers := range []bool{true, false} {
		t.Run(fmt.Sprintf("with finalizers %v", finalizers), func(t *testing.T) {
			e := harness.Own(t, harness.Options{Connection: seldom})
			growth := e.Team("growth", v1alpha1.TeamSpec{Name: "Growth", Members: []v1alpha1.EmailAddress{ada}})
			renamed := e.Team("renamed", v1alpha1.TeamSpec{Name: "Before"})
			role := e.UserRole(alan, "Member", func(s *v1alpha1.UserRoleSpec) { s.DeletionPolicy = v1alpha1.UserRoleRestore })
			invited := e.UserRole("somebody-new@example.com", "Member", func(s *v1alpha1.UserRoleSpec) { s.WhenMissing = v1alpha1.WhenMissingInvite })
			objects := []client.Object{growth, renamed, role, invited}
			e.Create(objects...)
			e.WaitReady(growth, renamed, role)
			e.WaitReason(invited, v1alpha1.ReasonInvited)
			harness.Update(e, renamed, func(team *v1alpha1.Team) { team.Spec.Name = "After" })
			e.WaitReady(renamed)
			ids := []string{growth.Status.ID, renamed.Status.ID}
			e.Refresh(role)
			previous := role.Status.PreviousRole
			e.Operator.Stop()
			mark := e.Mark()

			backup := append(objects, e.Connection)
			for _, obj := range backup {
				e.Refresh(obj)
				lost := obj.DeepCopyObject().(client.Object)
				before := lost.DeepCopyObject().(client.Object)
				lost.SetFinalizers(nil)
				if err := e.Client().Patch(t.Context(), lost, client.MergeFrom(before)); err != nil {
					t.Fatal(err)
				}
				e.Delete(lost)
				e.WaitGone(lost)
				obj.SetResourceVersion("")
				obj.SetUID("")
				obj.SetManagedFields(nil)
				if !finalizers {
					obj.SetFinalizers(nil)
				}
			}
			e.Operator.Start(t)
			e.Create(objects...) // the status is a subresource, and is not created
			e.WaitReason(growth, v1alpha1.ReasonConnectionNotReady)
			e.Create(e.Connection)
			e.WaitReady(growth, renamed, role)
			e.WaitReason(invited, v1alpha1.ReasonInvited)
			e.WantWrites(mark)
			for i, team := range []*v1alpha1.Team{growth, renamed} {
				if team.Status.ID != ids[i] || team.Status.Adopted {
					t.Errorf("%s stands for %s, adopted %v; want %s", team.Name, team.Status.ID, team.Status.Adopted, ids[i])
				}
			}
			if role.Status.PreviousRole != previous || previous == "" {
				t.Errorf("the previous role is %q, want %q", role.Status.PreviousRole, previous)
			}
		})
	}
}
