package integration

import (
	"fmt"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/test/harness"
)

// TestObjectsAreMoved: manifests that get other names or another namespace, so that
// the new objects are applied and the old ones pruned, change nothing in the
// console, however many they are, and also while the operator is down.
func TestObjectsAreMoved(t *testing.T) {
	for _, down := range []bool{false, true} {
		t.Run(fmt.Sprintf("operator down %v", down), func(t *testing.T) {
			e := harness.Own(t, harness.Options{Connection: seldom})
			namespace := e.NewNamespace(nil)
			objects := func(namespace, prefix string) (teams []*v1alpha1.Team, roles []*v1alpha1.UserRole) {
				for i := range 15 { // more than the guard of deletions lets pass
					team := e.Team(fmt.Sprintf("%steam-%02d", prefix, i), v1alpha1.TeamSpec{
						Name: fmt.Sprintf("Team %02d", i), AdoptionPolicy: v1alpha1.AdoptionAdopt,
					})
					team.Namespace = namespace
					teams = append(teams, team)
				}
				role := e.UserRole(alan, "Member")
				role.Spec.DeletionPolicy = v1alpha1.UserRoleRestore
				role.Namespace, role.Name = namespace, prefix+role.Name
				return teams, append(roles, role)
			}
			all := func(teams []*v1alpha1.Team, roles []*v1alpha1.UserRole) (out []client.Object) {
				for _, team := range teams {
					out = append(out, team)
				}
				return append(out, roles[0])
			}
			teams, roles := objects(e.Namespace, "")
			e.Create(all(teams, roles)...)
			e.WaitReady(all(teams, roles)...)
			mark := e.Mark()
			moved, movedRoles := objects(namespace, "prod-")
			if down {
				e.Operator.Stop()
			}
			e.Create(all(moved, movedRoles)...)
			if !down {
				e.WaitReason(moved[0], v1alpha1.ReasonNameTaken)
			}
			e.Delete(all(teams, roles)...)
			if down {
				e.Operator.Start(t)
			}
			e.WaitGone(all(teams, roles)...)
			e.WaitReady(all(moved, movedRoles)...)
			e.WantWrites(mark)
			for i, team := range moved {
				if was := teams[i].Status; team.Status.ID != was.ID || team.Status.Adopted {
					t.Errorf("%s stands for %s, adopted %v; want %s, which it did not adopt", team.Name, team.Status.ID, team.Status.Adopted, was.ID)
				}
			}
			if was, is := roles[0].Status.PreviousRole, movedRoles[0].Status.PreviousRole; was == "" || is != was {
				t.Errorf("the previous role is %q, want %q", is, was)
			}
		})
	}
}
