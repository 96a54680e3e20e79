package team

import (
	"slices"
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

// Who is waited for when an object is suspended is waited for no more, by whatever
// connection.
func TestSuspendedAwaitsNobody(t *testing.T) {
	pause := map[string]func(t *testing.T, b *bench){
		"suspended": func(t *testing.T, b *bench) {
			b.edit(t, "growth", func(team *v1alpha1.Team) { team.Spec.Suspend = true })
		},
		"another connection": func(t *testing.T, b *bench) {
			b.edit(t, "growth", func(team *v1alpha1.Team) { team.Spec.ConnectionRef.Name = "other" })
		},
		"claimed by an older one": func(t *testing.T, b *bench) {
			older := named("older", "growth")
			older.CreationTimestamp.Time = time.Now().Add(-time.Hour)
			older.Status.ID, older.Status.SyncedGeneration = b.get(t, "growth").Status.ID, 1
			b.apply(t, older)
		},
	}
	for name, change := range pause {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				b.behave(t, func(s *consolesim.Behavior) { s.ListTeamsWithMembers = false })
				young := object("growth", func(team *v1alpha1.Team) { team.Spec.Members = emails(ada, "new@example.com") })
				young.CreationTimestamp.Time = time.Now()
				b.apply(t, young)
				b.reconcile(t, "growth")
				b.wants(t, "growth", v1alpha1.ReasonUserNotFound)
				if b.project.Awaiting() != 1 || b.project.PlannedChecks() != 1 {
					t.Fatalf("%d wait, %d checks are planned", b.project.Awaiting(), b.project.PlannedChecks())
				}
				change(t, b)
				b.reconcile(t, "growth")
				if reason := b.reason(t, "growth"); slices.Contains([]string{v1alpha1.ReasonUserNotFound, v1alpha1.ReasonSynced}, reason) {
					t.Fatalf("it is %s", reason)
				}
				if b.project.Awaiting() != 0 || b.project.PlannedChecks() != 0 {
					t.Errorf("%d wait, %d checks are planned, want none", b.project.Awaiting(), b.project.PlannedChecks())
				}
			})
		})
	}
}
