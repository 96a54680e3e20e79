package integration

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/test/harness"
)

// What somebody else writes into a status, such as a leader that was deposed
// and does not know yet, is put right, without a call.
func TestOverwrittenStatus(t *testing.T) {
	e := harness.Shared(t, harness.Options{Connection: hourly})
	team, role := e.Team("growth", v1alpha1.TeamSpec{}), e.UserRole(alan, "Member")
	e.Create(team, role)
	e.WaitReady(team, role)
	mark := e.Mark()
	for _, obj := range []v1alpha1.AccessObject{team, role} {
		harness.SetStatus(e, obj, func(obj v1alpha1.AccessObject) {
			meta.SetStatusCondition(&obj.Sync().Conditions, metav1.Condition{
				Type: v1alpha1.ReadyCondition, Status: metav1.ConditionFalse, ObservedGeneration: obj.GetGeneration(),
				Reason: v1alpha1.ReasonRateLimited, Message: "Said by another process.",
			})
		})
	}
	e.WaitReady(team, role)
	if calls := e.Since(mark); len(calls) != 0 {
		t.Errorf("it took calls: %+v", calls)
	}
}
