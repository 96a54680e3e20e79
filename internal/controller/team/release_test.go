package team

import (
	"testing"
	"time"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
)

// A name that was reserved for a team that the console then refused is free at once.
func TestRefusedCreateFreesTheName(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.refuses(consolesim.CreateTeam, 400, "bad metric", 1)
		first := named("first", "compilers")
		first.CreationTimestamp.Time = time.Now()
		b.apply(t, first)
		for b.reason(t, "first") != v1alpha1.ReasonRejected {
			b.once(t, "first")
			time.Sleep(300 * time.Millisecond)
		}
		older := named("older", "compilers")
		older.CreationTimestamp.Time = time.Now().Add(-time.Hour)
		b.apply(t, older)
		b.reconcile(t, "older")
		b.wants(t, "older", v1alpha1.ReasonSynced)
	})
}
