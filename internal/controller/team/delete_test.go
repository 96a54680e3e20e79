package team

import (
	"testing"
	"time"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
)

// TestDeletionAwaitsTheID: a team whose id the console does not tell, and whose
// spec has another name since, is looked for again until it can be deleted.
func TestDeletionAwaitsTheID(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		tell := func(yes bool) {
			b.behave(t, func(s *consolesim.Behavior) { s.CreateReturnsID, s.ListReturnsID = yes, yes })
		}
		tell(false)
		b.apply(t, object("compilers", nil))
		b.reconcile(t, "compilers")
		b.edit(t, "compilers", func(team *v1alpha1.Team) { team.Spec.Name = "translators" })
		if err := b.Client.Delete(t.Context(), b.get(t, "compilers")); err != nil {
			t.Fatal(err)
		}
		again := b.reconcile(t, "compilers").RequeueAfter
		b.wants(t, "compilers", v1alpha1.ReasonRejected)
		if again <= 0 || again > 10*time.Minute {
			t.Fatalf("it is looked at again after %v, want that within the drift interval", again)
		}
		tell(true)
		time.Sleep(again)
		b.list(t)
		b.reconcile(t, "compilers")
		if teams := b.sim.TeamsNamed("compilers"); len(teams) != 0 {
			t.Errorf("the console still has %+v", teams)
		}
	})
}
