package team

import (
	"testing"
	"time"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
)

// TestIgnoredDriftHeals: where drift is ignored nothing reads a listing by itself.
// What is in the way when an object is applied goes some day, and the object
// learns of it within an interval.
func TestIgnoredDriftHeals(t *testing.T) {
	description := "Translates."
	tests := []struct {
		name   string
		spec   func(*v1alpha1.TeamSpec)
		reason string
		heal   func(b *bench, there consolesim.Team)
	}{
		{"a team of that name", func(*v1alpha1.TeamSpec) {}, v1alpha1.ReasonAlreadyExists,
			func(b *bench, there consolesim.Team) { b.sim.RemoveTeam(there.ID) }},
		{"a difference that is observed", func(s *v1alpha1.TeamSpec) { s.Mode = v1alpha1.ModeObserve }, v1alpha1.ReasonDriftDetected,
			func(b *bench, there consolesim.Team) {
				there.Description = &description
				b.sim.PutTeam(there)
			}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				b.connection.Spec.Drift.Policy = v1alpha1.DriftIgnore
				if err := b.Client.Update(t.Context(), b.connection); err != nil {
					t.Fatal(err)
				}
				b.sim.PutTeam(consolesim.Team{Name: "compilers"})
				b.apply(t, object("compilers", func(team *v1alpha1.Team) {
					team.Spec.Description = &description
					tt.spec(&team.Spec)
				}))
				again := b.reconcile(t, "compilers").RequeueAfter
				b.wants(t, "compilers", tt.reason)
				if again != 10*time.Minute {
					t.Fatalf("it is looked at again after %v, want the drift interval", again)
				}
				tt.heal(b, b.sim.TeamsNamed("compilers")[0])
				time.Sleep(again)
				b.reconcile(t, "compilers")
				b.wants(t, "compilers", v1alpha1.ReasonSynced)
				reads := b.sim.Count(consolesim.ListTeams)
				time.Sleep(time.Hour)
				if again := b.reconcile(t, "compilers").RequeueAfter; again != 0 || b.sim.Count(consolesim.ListTeams) != reads {
					t.Errorf("what is Ready is looked at again after %v, and listings were read %d times", again, b.sim.Count(consolesim.ListTeams)-reads)
				}
			})
		})
	}
}
