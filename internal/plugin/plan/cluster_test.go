package plan

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
)

// TestPlanJudgesAsTheOperator what the cluster and the connection decide.
func TestPlanJudgesAsTheOperator(t *testing.T) {
	synced := func(team *v1alpha1.Team, id string) map[Key]v1alpha1.AccessObject {
		in := team.DeepCopy()
		in.Generation, in.Status.ID, in.Status.SyncedGeneration = 3, id, 3
		return map[Key]v1alpha1.AccessObject{{Kind: "Team", Namespace: in.Namespace, Name: in.Name}: in}
	}
	policy := func(policy v1alpha1.DriftPolicy) *v1alpha1.ConsoleConnection {
		c := &v1alpha1.ConsoleConnection{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
		c.Spec.Drift.Policy = policy
		return c
	}
	spec := func(name, description string) v1alpha1.TeamSpec {
		return v1alpha1.TeamSpec{Name: name, Description: &description, AdoptionPolicy: v1alpha1.AdoptionAdopt}
	}
	none := map[Key]v1alpha1.AccessObject{}
	owned := synced(aTeam("older", spec("Growth", "theirs")), "1")
	leaving := synced(aTeam("older", spec("Growth", "theirs")), "1")
	now := metav1.Now()
	leaving[Key{"Team", "n", "older"}].SetDeletionTimestamp(&now)
	refuse := spec("Growth", "mine")
	refuse.AdoptionPolicy = v1alpha1.AdoptionRefuse
	tests := []struct {
		name    string
		team    *v1alpha1.Team
		cluster map[Key]v1alpha1.AccessObject
		policy  v1alpha1.DriftPolicy
		refused string
		action  Action
		reason  string
	}{
		{"a description beside a namesake", aTeam("growth", spec("Twice", "new")), known("2"), v1alpha1.DriftCorrect, "", Update, ""},
		{"a name that another Team owns", aTeam("mine", spec("Growth", "mine")), owned, v1alpha1.DriftCorrect, "", None, v1alpha1.ReasonNameTaken},
		{"a name that another Team gives up", aTeam("mine", spec("Growth", "mine")), leaving, v1alpha1.DriftCorrect, "", Update, ""},
		{"a namespace that is not admitted", aTeam("fresh", spec("Fresh", "new")), none, v1alpha1.DriftCorrect, "n", None, v1alpha1.ReasonNamespaceNotAllowed},
		{"drift that is corrected", aTeam("growth", spec("Growth", "was")), synced(aTeam("growth", spec("Growth", "was")), "1"), v1alpha1.DriftCorrect, "", Update, ""},
		{"drift that is reported", aTeam("growth", spec("Growth", "was")), synced(aTeam("growth", spec("Growth", "was")), "1"), v1alpha1.DriftReport, "", None, v1alpha1.ReasonDriftDetected},
		{"drift that is ignored", aTeam("growth", spec("Growth", "was")), synced(aTeam("growth", spec("Growth", "was")), "1"), v1alpha1.DriftIgnore, "", None, ""},
		{"a change where drift is reported", aTeam("growth", spec("Growth", "new")), synced(aTeam("growth", spec("Growth", "was")), "1"), v1alpha1.DriftReport, "", Update, ""},
		{"a team that vanished", aTeam("growth", spec("Gone", "was")), synced(aTeam("growth", spec("Gone", "was")), "99"), v1alpha1.DriftCorrect, "", Create, ""},
		{"a team that vanished beside a namesake", aTeam("growth", refuse), synced(aTeam("growth", refuse), "99"), v1alpha1.DriftCorrect, "", None, v1alpha1.ReasonAlreadyExists},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := State{Inventory: project(), Connection: policy(tt.policy), Cluster: tt.cluster, Namespace: "n", Refused: map[string]bool{tt.refused: true}}
			p := Make([]client.Object{tt.team}, s)
			if c := p.Changes[0]; c.Action != tt.action || c.Reason != tt.reason {
				t.Errorf("%s, %s %q; want %s, %s", c.Action, c.Reason, c.Message, tt.action, tt.reason)
			}
			if p.Changed() != (tt.action != None) {
				t.Errorf("it changes something: %v", p.Changed())
			}
		})
	}
}
