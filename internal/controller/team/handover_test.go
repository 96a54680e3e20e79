package team

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
)

// remove deletes an object, and does not look at it.
func (b *bench) remove(t *testing.T, name string) {
	t.Helper()
	if err := b.Client.Delete(t.Context(), b.get(t, name)); err != nil {
		t.Fatal(err)
	}
}

// writes counts the requests that changed the console.
func (b *bench) writes() int {
	return b.sim.Count(consolesim.CreateTeam) + b.sim.Count(consolesim.UpdateTeam) + b.sim.Count(consolesim.DeleteTeam)
}

// A Team is replaced by another object for the same team: under another name, in
// another namespace, or through another connection. The new one is there before
// the old one is deleted, and takes the team over with its id, whichever of the two
// is looked at first.
func TestHandOver(t *testing.T) {
	tests := []struct {
		name      string
		old       func(*v1alpha1.Team)
		successor func() *v1alpha1.Team
	}{
		{"another name", nil, func() *v1alpha1.Team { return through("default", "prod-team", adopts) }},
		{"another namespace", nil, func() *v1alpha1.Team { return through("default", "b/team", adopts) }},
		{"another connection", nil, func() *v1alpha1.Team { return through("other", "team-2", adopts) }},
		{"an older object", nil, func() *v1alpha1.Team {
			team := through("default", "older", adopts)
			team.CreationTimestamp = metav1.NewTime(time.Now().Add(-time.Hour))
			return team
		}},
		{"left in the console otherwise", func(t *v1alpha1.Team) { t.Spec.DeletionPolicy = v1alpha1.TeamOrphan },
			func() *v1alpha1.Team { return through("default", "prod-team", adopts) }},
		{"suspended itself", func(t *v1alpha1.Team) { t.Spec.Suspend = true },
			func() *v1alpha1.Team { return through("default", "prod-team", adopts) }},
	}
	for _, tt := range tests {
		for _, first := range []string{"the old", "the new"} {
			for _, adopted := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, %s first, adopted %v", tt.name, first, adopted), func(t *testing.T) {
					inBubble(t, func(t *testing.T, b *bench) {
						b.connect(t, "other")
						if adopted {
							b.sim.PutTeam(consolesim.Team{Name: "Growth"})
						}
						b.apply(t, through("default", "team", adopts))
						b.reconcile(t, "team")
						if tt.old != nil {
							b.edit(t, "team", tt.old)
						}
						id, before := b.get(t, "team").Status.ID, b.writes()
						successor := tt.successor()
						b.apply(t, successor)
						name := successor.Namespace + "/" + successor.Name
						b.reconcile(t, name)
						b.wants(t, name, v1alpha1.ReasonNameTaken)
						if said := b.message(t, name); !strings.Contains(said, "takes over its team, with the same id") {
							t.Errorf("before it happens it says %q", said)
						}
						b.remove(t, "team")
						if first == "the old" {
							b.reconcile(t, "team")
							b.wants(t, "team", v1alpha1.ReasonProgressing)
							if said := b.message(t, "team"); !strings.Contains(said, "Team "+name+" takes over \"Growth\"") {
								t.Errorf("it says %q", said)
							}
						}
						b.reconcile(t, name)
						b.gone(t, "team")
						b.reconcile(t, name)
						b.owns(t, name, "Growth")
						if got := b.get(t, name).Status; got.ID != id || got.Adopted != adopted {
							t.Errorf("it stands for %s, adopted %v; want %s, %v", got.ID, got.Adopted, id, adopted)
						}
						if n := b.writes() - before; n != 0 {
							t.Errorf("%d writes to the console, want none", n)
						}
						// What it took over it deletes as its own.
						b.remove(t, name)
						b.gone(t, name)
						if n := len(b.sim.Teams()); n != 0 {
							t.Errorf("%d teams are left", n)
						}
					})
				})
			}
		}
	}
}

// Nothing is handed over to a Team that may not, or does not, take over: the
// deletionPolicy is followed, and nobody waits.
func TestNoHandOver(t *testing.T) {
	tests := []struct {
		name   string
		change func(*v1alpha1.TeamSpec)
		before func(t *testing.T, b *bench)
		said   string
		left   int
	}{
		{"without Adopt", nil, nil, "its team is deleted in the console, and this one creates another; to have the same team taken over, set spec.adoptionPolicy to Adopt here first", 1},
		{"suspended", func(s *v1alpha1.TeamSpec) { s.AdoptionPolicy, s.Suspend = v1alpha1.AdoptionAdopt, true }, nil, "", 0},
		{"only observes", func(s *v1alpha1.TeamSpec) { s.AdoptionPolicy, s.Mode = v1alpha1.AdoptionAdopt, v1alpha1.ModeObserve }, nil, "takes over the name", 0},
		{"not admitted", adopts, func(t *testing.T, b *bench) { b.admit(t, "b", "no") }, "", 0},
		{"connection suspended", func(s *v1alpha1.TeamSpec) {
			adopts(s)
			s.ConnectionRef.Name = "other"
		}, func(t *testing.T, b *bench) {
			c := b.connection.DeepCopy()
			c.Name, c.ResourceVersion, c.Spec.Suspend = "other", "", true
			if err := b.Client.Create(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}, "", 0},
		{"connection not ready", func(s *v1alpha1.TeamSpec) {
			adopts(s)
			s.ConnectionRef.Name = "other"
		}, func(t *testing.T, b *bench) {
			c := b.connection.DeepCopy()
			c.Name, c.ResourceVersion = "other", ""
			c.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ReadyCondition, Reason: v1alpha1.ReasonConnectionNotReady}}
			if err := b.Client.Create(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}, "", 0},
		{"its connection leads elsewhere", func(s *v1alpha1.TeamSpec) {
			adopts(s)
			s.ConnectionRef.Name = "other"
		}, func(t *testing.T, b *bench) {
			c := b.connection.DeepCopy()
			c.Name, c.ResourceVersion, c.Spec.APIKeySecretRef.Name = "other", "", "another"
			if err := b.Client.Create(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}, "", 0},
		{"left in the console", nil, func(t *testing.T, b *bench) {
			b.edit(t, "a/team", func(t *v1alpha1.Team) { t.Spec.DeletionPolicy = v1alpha1.TeamOrphan })
		}, "its team stays in the console, and this one leaves it alone; to have it taken over", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				b.selecting(t, "a", "b")
				b.apply(t, through("default", "a/team", nil))
				b.reconcile(t, "a/team")
				id := b.get(t, "a/team").Status.ID
				if tt.before != nil {
					tt.before(t, b)
				}
				b.apply(t, through("default", "b/team", tt.change))
				b.reconcile(t, "b/team")
				if said := b.message(t, "b/team"); !strings.Contains(said, tt.said) {
					t.Errorf("before it happens it says %q, want %q", said, tt.said)
				}
				b.remove(t, "a/team")
				b.gone(t, "a/team")
				b.reconcile(t, "b/team")
				if teams := b.sim.Teams(); len(teams) != tt.left {
					t.Errorf("the console has %+v, want %d", teams, tt.left)
				}
				if b.get(t, "b/team").Status.ID == id {
					t.Error("it took the team over")
				}
			})
		})
	}
}

// A successor that ceases to be one before it has recorded anything holds up
// nobody, and one that has recorded it keeps the team.
func TestHandOverIsCalledOff(t *testing.T) {
	for _, recorded := range []bool{false, true} {
		inBubble(t, func(t *testing.T, b *bench) {
			b.apply(t, through("default", "team", nil))
			b.reconcile(t, "team")
			b.apply(t, through("default", "next", adopts))
			b.remove(t, "team")
			b.once(t, "team")
			b.wants(t, "team", v1alpha1.ReasonProgressing)
			if recorded {
				b.reconcile(t, "next")
			}
			b.edit(t, "next", func(t *v1alpha1.Team) { t.Spec.Suspend = true })
			b.gone(t, "team")
			want := map[bool]int{true: 1}[recorded]
			if n := len(b.sim.Teams()); n != want {
				t.Errorf("recorded %v: %d teams are left, want %d", recorded, n, want)
			}
		})
	}
}

// Of several successors one takes over, and a Team that has a team of its own
// does not.
func TestHandOverAmongSeveral(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.apply(t, through("default", "team", nil))
		b.reconcile(t, "team")
		id := b.get(t, "team").Status.ID
		for i, name := range []string{"older", "younger"} {
			team := through("default", name, adopts)
			team.CreationTimestamp = metav1.NewTime(time.Now().Add(time.Duration(i) * time.Minute))
			b.apply(t, team)
			b.reconcile(t, name)
		}
		b.remove(t, "team")
		for range 3 {
			b.once(t, "younger")
			b.once(t, "team")
		}
		b.wants(t, "team", v1alpha1.ReasonProgressing)
		b.reconcile(t, "older")
		b.gone(t, "team")
		b.reconcile(t, "younger")
		b.owns(t, "older", "Growth")
		b.wants(t, "younger", v1alpha1.ReasonNameTaken)
		if got := b.get(t, "older").Status.ID; got != id {
			t.Errorf("the older stands for %s, want %s", got, id)
		}
	})
	inBubble(t, func(t *testing.T, b *bench) {
		b.apply(t, through("default", "team", nil))
		b.apply(t, object("linkers", func(t *v1alpha1.Team) { t.Spec.AdoptionPolicy = v1alpha1.AdoptionAdopt }))
		b.reconcile(t, "team")
		b.reconcile(t, "linkers")
		id := b.get(t, "linkers").Status.ID
		b.rename(t, "linkers", "Growth")
		b.reconcile(t, "linkers")
		b.wants(t, "linkers", v1alpha1.ReasonNameTaken)
		b.remove(t, "team")
		b.gone(t, "team")
		b.rounds(t, 1, "linkers")
		b.owns(t, "linkers", "Growth")
		if got := b.get(t, "linkers").Status.ID; got != id || len(b.sim.Teams()) != 1 {
			t.Errorf("it stands for %s of %+v, want its own team %s", got, b.sim.Teams(), id)
		}
	})
}

// The guard of deletions counts no hand-over, and a held deletion ends when a
// successor comes.
func TestHandOverPassesTheGuard(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) { // whose guard lets one deletion pass
		names := []string{"a", "b", "c", "d"}
		for _, name := range names {
			b.apply(t, named(name, "team-"+name))
			b.reconcile(t, name)
		}
		successor := func(name string) {
			b.apply(t, object("new-"+name, func(t *v1alpha1.Team) {
				t.Spec.Name, t.Spec.AdoptionPolicy = "team-"+name, v1alpha1.AdoptionAdopt
			}))
		}
		successor("a")
		successor("b")
		for _, name := range names {
			b.remove(t, name)
		}
		if found, err := b.Deletions(t.Context(), b.connection); err != nil || len(found) != 2 {
			t.Errorf("%d deletions are counted when the process begins, %v; want 2", len(found), err)
		}
		for _, name := range []string{"a", "b"} {
			b.once(t, name)
			b.reconcile(t, "new-"+name)
			b.gone(t, name)
		}
		b.gone(t, "c")
		b.reconcile(t, "d")
		b.wants(t, "d", v1alpha1.ReasonDeletionHeld)
		successor("d")
		b.reconcile(t, "new-d")
		b.gone(t, "d")
		b.owns(t, "new-d", "team-d")
		if held, _ := b.Links.Get("default").Brake.Standing(); held != 0 {
			t.Errorf("%d deletions are held, want none", held)
		}
		if n := b.sim.Count(consolesim.DeleteTeam); n != 1 {
			t.Errorf("%d teams were deleted, want the one without a successor", n)
		}
	})
}

// Force-orphaned objects go at once, whoever might take over.
func TestForceOrphanDoesNotHandOver(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.apply(t, through("default", "team", nil))
		b.reconcile(t, "team")
		b.apply(t, through("default", "next", adopts))
		b.edit(t, "team", func(t *v1alpha1.Team) {
			t.Annotations = map[string]string{v1alpha1.ForceOrphanAnnotation: "true"}
		})
		b.remove(t, "team")
		b.gone(t, "team")
		b.reconcile(t, "next")
		b.owns(t, "next", "Growth")
	})
}

// A Team is deleted before it is known whether its team was created. When the team
// is found, another Team that may adopt it takes it over, and nothing is deleted.
func TestHandOverOfAnUnsettledCreation(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.apply(t, through("default", "team", adopts))
		b.list(t)
		b.loses(consolesim.EffectCutAfter)
		b.once(t, "team")
		if b.get(t, "team").Status.CreateIntent == nil {
			t.Fatal("the Team has no create intent")
		}
		b.apply(t, through("default", "successor", adopts))
		b.reconcile(t, "successor")
		b.remove(t, "team")
		b.rounds(t, 3, "team", "successor")
		b.gone(t, "team")
		b.owns(t, "successor", "Growth")
		if n := b.sim.Count(consolesim.DeleteTeam) + b.sim.Count(consolesim.CreateTeam); n != 1 {
			t.Errorf("%d teams were created or deleted, want 1 creation", n)
		}
	})
}
