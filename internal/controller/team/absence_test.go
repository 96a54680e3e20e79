package team

import (
	"fmt"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
)

// refuses has the console refuse calls in its own words.
func (b *bench) refuses(endpoint string, status int, message string, times int) {
	b.sim.Inject(consolesim.Fault{Endpoint: endpoint, Effect: consolesim.EffectError, Status: status, Times: times,
		ContentType: "application/json", Body: fmt.Sprintf(`{"status":%d,"message":%q}`, status, message)})
}

// says checks why an object is as it is, and that the message holds what it should.
func (b *bench) says(t *testing.T, name, reason, part string) {
	t.Helper()
	b.wants(t, name, reason)
	if said := b.message(t, name); !strings.Contains(said, part) {
		t.Errorf("%s says %q, want it to hold %q", name, said, part)
	}
}

// follow reconciles an object whenever it asks to be, and every five seconds.
func (b *bench) follow(t *testing.T, name string, period time.Duration) {
	t.Helper()
	for end := time.Now().Add(period); time.Now().Before(end); {
		pause := 5 * time.Second
		if again := b.once(t, name).RequeueAfter; again > 0 {
			pause = min(pause, again)
		}
		time.Sleep(pause)
	}
}

// released reports whether an object was let go.
func (b *bench) released(t *testing.T, name string) bool {
	t.Helper()
	return apierrors.IsNotFound(b.Client.Get(t.Context(), key(name), &v1alpha1.Team{}))
}

// A read that the console refuses once, although it lists the team, makes nobody
// forget the team.
func TestOneRefusedReadForgetsNoTeam(t *testing.T) {
	for _, status := range []int{404, 400} {
		for _, names := range []string{consolesim.NamesAllow, consolesim.NamesRefuse} {
			t.Run(fmt.Sprint(status, " ", names), func(t *testing.T) {
				inBubble(t, func(t *testing.T, b *bench) {
					b.behave(t, func(s *consolesim.Behavior) { s.DuplicateTeamNames, s.ListTeamsWithMembers = names, false })
					b.apply(t, object("growth", func(team *v1alpha1.Team) { team.Spec.Members = emails(ada) }))
					b.reconcile(t, "growth")
					id := b.get(t, "growth").Status.ID
					b.list(t)
					time.Sleep(11 * time.Minute)
					b.refuses(consolesim.GetTeam, status, "Not Found", 1)
					b.reconcile(t, "growth")
					b.says(t, "growth", v1alpha1.ReasonRejected, "lists this team but refuses to show it (get team: Not Found)")
					b.follow(t, "growth", 11*time.Minute)
					b.wants(t, "growth", v1alpha1.ReasonSynced)
					if now := b.get(t, "growth").Status.ID; now != id || len(b.sim.Teams()) != 1 {
						t.Errorf("the id %s follows %s, and the console has %+v", now, id, b.sim.Teams())
					}
				})
			})
		}
	}
}

// A team that the console lists but never shows costs a read and a listing once an
// interval, and no more.
func TestReadsThatAreRefusedForGood(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.behave(t, func(s *consolesim.Behavior) { s.ListTeamsWithMembers = false })
		b.apply(t, object("growth", func(team *v1alpha1.Team) { team.Spec.Members = emails(ada) }))
		b.apply(t, object("fields", func(team *v1alpha1.Team) { team.Spec.Description = new("Ours") }))
		b.reconcile(t, "growth")
		b.reconcile(t, "fields")
		b.list(t)
		b.refuses(consolesim.GetTeam, 404, "Not Found", 0)
		time.Sleep(10 * time.Minute)
		before := b.sim.Counters().Total
		b.follow(t, "growth", time.Hour)
		if n := b.sim.Counters().Total - before; n > 14 {
			t.Errorf("%d requests within six intervals", n)
		}
		b.wants(t, "growth", v1alpha1.ReasonRejected)
		// What listings have of a team is compared all the same, when a person asks, too.
		b.edit(t, "fields", func(team *v1alpha1.Team) {
			team.Annotations = map[string]string{v1alpha1.ReconcileRequestedAtAnnotation: "now"}
		})
		b.reconcile(t, "fields")
		b.wants(t, "fields", v1alpha1.ReasonSynced)
		if handled := b.get(t, "fields").Status.LastHandledReconcileAt; handled != "now" {
			t.Errorf("the check that was asked for last is %q", handled)
		}
	})
}

// Somebody is taken out of a team that the console lists but does not show, when it is
// known who else is in it, and when the spec says who belongs there.
func TestRevocationFromATeamThatIsNotShown(t *testing.T) {
	for _, admins := range []bool{true, false} {
		inBubble(t, func(t *testing.T, b *bench) {
			b.behave(t, func(s *consolesim.Behavior) { s.ListTeamsWithMembers = false })
			b.apply(t, object("growth", func(team *v1alpha1.Team) {
				team.Spec.Members = emails(ada, grace)
				if admins {
					team.Spec.Admins = emails()
				}
			}))
			b.reconcile(t, "growth")
			b.list(t)
			time.Sleep(11 * time.Minute)
			b.refuses(consolesim.GetTeam, 404, "Not Found", 0)
			b.edit(t, "growth", func(team *v1alpha1.Team) { team.Spec.Members = emails(ada) })
			b.reconcile(t, "growth")
			want := map[bool]string{true: "[ada@example.com]", false: "[ada@example.com grace@example.com]"}[admins]
			if got := fmt.Sprint(b.sim.Teams()[0].Members); got != want {
				t.Errorf("with managed admins %v the members are %s, want %s", admins, got, want)
			}
			if !admins {
				b.wants(t, "growth", v1alpha1.ReasonRejected)
			}
		})
	}
}

// What the console refuses about a team that is there is said in its own words and
// sent again after an interval, whatever the answer's status.
func TestRefusedUpdate(t *testing.T) {
	for _, status := range []int{404, 400} {
		inBubble(t, func(t *testing.T, b *bench) {
			b.apply(t, object("growth", nil))
			b.reconcile(t, "growth")
			b.list(t)
			time.Sleep(time.Minute)
			b.refuses(consolesim.UpdateTeam, status, "Holdout not found", 0)
			b.edit(t, "growth", func(team *v1alpha1.Team) { team.Spec.DefaultHoldoutID = new("no-such") })
			before := b.sim.Counters().Total
			b.follow(t, "growth", 45*time.Minute)
			b.says(t, "growth", v1alpha1.ReasonRejected, "update team: Holdout not found")
			if n, writes := b.sim.Counters().Total-before, b.sim.Count(consolesim.UpdateTeam); writes > 5 || n > 16 {
				t.Errorf("%d: %d writes among %d requests within 45 minutes", status, writes, n)
			}
			b.sim.ClearFaults()
			b.follow(t, "growth", 11*time.Minute)
			b.wants(t, "growth", v1alpha1.ReasonSynced)
		})
	}
}

// A team that is gone when it is to be changed is made again, and is not said to be
// refused meanwhile.
func TestGoneWhenChanged(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.apply(t, object("growth", nil))
		b.reconcile(t, "growth")
		b.list(t)
		time.Sleep(time.Minute)
		id := b.get(t, "growth").Status.ID
		b.edit(t, "growth", func(team *v1alpha1.Team) { manageAll(&team.Spec) })
		b.sim.RemoveTeam(id)
		for range 100 {
			b.once(t, "growth")
			if b.reason(t, "growth") == v1alpha1.ReasonRejected {
				t.Fatal(b.message(t, "growth"))
			}
			time.Sleep(100 * time.Millisecond)
		}
		b.wants(t, "growth", v1alpha1.ReasonSynced)
		if now := b.get(t, "growth").Status.ID; now == id || len(b.sim.Teams()) != 1 {
			t.Errorf("the id %s follows %s, and the console has %+v", now, id, b.sim.Teams())
		}
	})
}

// A refused deletion of a team that is still listed is no success: the object stays,
// says so, and asks again after an interval.
func TestRefusedDeletion(t *testing.T) {
	for _, status := range []int{404, 400} {
		inBubble(t, func(t *testing.T, b *bench) {
			b.apply(t, object("growth", nil))
			b.reconcile(t, "growth")
			b.list(t)
			time.Sleep(time.Minute)
			b.refuses(consolesim.DeleteTeam, status, "Not Found", 2)
			if err := b.Client.Delete(t.Context(), b.get(t, "growth")); err != nil {
				t.Fatal(err)
			}
			before := b.sim.Counters().Total
			b.follow(t, "growth", 9*time.Minute)
			if b.released(t, "growth") || len(b.sim.Teams()) != 1 {
				t.Fatalf("%d: the object is gone: %v; teams in the console: %d", status, b.released(t, "growth"), len(b.sim.Teams()))
			}
			b.says(t, "growth", v1alpha1.ReasonRejected, "lists this team but refuses to delete it (delete team: Not Found)")
			if n := b.sim.Counters().Total - before; n != 2 {
				t.Errorf("%d: %d requests, want a deletion and a listing", status, n)
			}
			for range 24 {
				if b.released(t, "growth") {
					break
				}
				b.follow(t, "growth", time.Minute)
			}
			if n := b.sim.Count(consolesim.DeleteTeam); !b.released(t, "growth") || len(b.sim.Teams()) != 0 || n != 3 {
				t.Errorf("%d: after %d deletions the console has %d teams", status, n, len(b.sim.Teams()))
			}
		})
	}
}

// A team that somebody else deleted is gone when a listing that began after the
// refused deletion lacks it.
func TestDeletionOfATeamThatIsGone(t *testing.T) {
	for _, status := range []int{404, 400} {
		inBubble(t, func(t *testing.T, b *bench) {
			b.behave(t, func(s *consolesim.Behavior) { s.MissingDelete = status })
			b.apply(t, object("growth", nil))
			b.reconcile(t, "growth")
			b.list(t)
			time.Sleep(time.Minute)
			b.sim.RemoveTeam(b.get(t, "growth").Status.ID)
			b.list(t)
			lists := b.sim.Count(consolesim.ListTeams)
			if err := b.Client.Delete(t.Context(), b.get(t, "growth")); err != nil {
				t.Fatal(err)
			}
			b.reconcile(t, "growth")
			if !b.released(t, "growth") || b.sim.Count(consolesim.DeleteTeam) != 1 || b.sim.Count(consolesim.ListTeams)-lists != 1 {
				t.Errorf("%d: gone %v after %d deletions and %d listings", status, b.released(t, "growth"),
					b.sim.Count(consolesim.DeleteTeam), b.sim.Count(consolesim.ListTeams)-lists)
			}
		})
	}
}
