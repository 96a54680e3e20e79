package team

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/consolesim"
)

// selecting has the connection admit the namespaces with the label console=yes,
// of which it makes some.
func (b *bench) selecting(t *testing.T, namespaces ...string) {
	t.Helper()
	b.connection.Spec.AllowedNamespaces = v1alpha1.AllowedNamespaces{
		From: v1alpha1.NamespacesFromSelector, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"console": "yes"}},
	}
	if err := b.Client.Update(t.Context(), b.connection); err != nil {
		t.Fatal(err)
	}
	for _, name := range namespaces {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"console": "yes"}}}
		if err := b.Client.Create(t.Context(), ns); err != nil {
			t.Fatal(err)
		}
	}
}

// admit says whether the connection admits a namespace.
func (b *bench) admit(t *testing.T, namespace, answer string) {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace, Labels: map[string]string{"console": answer}}}
	if err := b.Client.Update(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
}

// connect adds a connection like the first, which leads to the same project.
func (b *bench) connect(t *testing.T, name string) {
	t.Helper()
	other := b.connection.DeepCopy()
	other.Name, other.ResourceVersion = name, ""
	if err := b.Client.Create(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	b.Links.Set(name, b.link())
}

// through is a Team for the team Growth, on a connection.
func through(connection, name string, change func(*v1alpha1.TeamSpec)) *v1alpha1.Team {
	return object(name, func(t *v1alpha1.Team) {
		t.Spec.Name, t.Spec.ConnectionRef.Name = "Growth", connection
		t.Spec.DeletionPolicy = v1alpha1.TeamDelete
		if change != nil {
			change(&t.Spec)
		}
	})
}

func adopts(s *v1alpha1.TeamSpec) { s.AdoptionPolicy = v1alpha1.AdoptionAdopt }

// A team that a Team of another connection to the project stands for is not
// adopted, let alone deleted.
func TestTeamOfAnotherConnection(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.connect(t, "other")
		b.apply(t, through("default", "first", func(s *v1alpha1.TeamSpec) { s.Members = emails(ada) }))
		b.reconcile(t, "first")
		b.apply(t, through("other", "second", func(s *v1alpha1.TeamSpec) {
			adopts(s)
			s.Members = emails(grace)
		}))
		b.reconcile(t, "second")
		b.owns(t, "first", "Growth")
		b.wants(t, "second", v1alpha1.ReasonNameTaken)
		if err := b.Client.Delete(t.Context(), b.get(t, "second")); err != nil {
			t.Fatal(err)
		}
		b.gone(t, "second")
		if team, ok := b.sim.Team(b.get(t, "first").Status.ID); !ok || len(team.Members) != 1 || team.Members[0] != ada {
			t.Errorf("the first one's team is %+v, there %v", team, ok)
		}
	})
}

// What came of a lost creation through one connection is not taken for that of
// another, and both have a team in the end where names allow it.
func TestLostCreationOfAnotherConnection(t *testing.T) {
	for _, effect := range []consolesim.Effect{consolesim.EffectCut, consolesim.EffectCutAfter} {
		inBubble(t, func(t *testing.T, b *bench) {
			b.behave(t, func(s *consolesim.Behavior) { s.DuplicateTeamNames = consolesim.NamesAllow })
			b.connect(t, "other")
			b.loses(effect)
			b.apply(t, through("default", "first", nil))
			b.once(t, "first")
			b.apply(t, through("other", "second", nil))
			b.rounds(t, 5, "second", "first")
			b.owns(t, "first", "Growth")
			b.wants(t, "second", v1alpha1.ReasonNameTaken)
			if n := len(b.sim.Teams()); n != 1 {
				t.Errorf("%s: %d teams, want 1", effect, n)
			}
			// Renamed, it is known not to have made anything.
			b.rename(t, "second", "Growth 2")
			b.rounds(t, 1, "second")
			b.owns(t, "second", "Growth 2")
		})
	}
}

// Two connections with different keys turn out to lead to one project: one of
// two Teams that stand for a team gives it up, and has its own.
func TestOneTeamOfTwoConnections(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.connect(t, "other")
		b.sim.PutTeam(consolesim.Team{ID: "team-1", Name: "Growth"})
		for i, name := range []string{"first", "second"} {
			team := through([]string{"default", "other"}[i], name, nil)
			team.CreationTimestamp = metav1.NewTime(time.Now().Add(time.Duration(i) * time.Minute))
			team.Status.ID, team.Status.SyncedGeneration, team.Status.Adopted = "team-1", 1, i == 1
			b.apply(t, team)
		}
		b.rename(t, "second", "Ours")
		b.rounds(t, 1, "second", "first")
		b.owns(t, "first", "Growth")
		b.owns(t, "second", "Ours")
		if got := b.get(t, "first").Status.ID; got != "team-1" {
			t.Errorf("the first stands for %s", got)
		}
	})
}

// A Team whose namespace was not admitted for a while does not get back, by
// whatever edit, the team that another one has taken over meanwhile.
func TestFormerOwner(t *testing.T) {
	suspend := func(yes bool) func(*v1alpha1.Team) { return func(t *v1alpha1.Team) { t.Spec.Suspend = yes } }
	rename := func(t *v1alpha1.Team) { t.Spec.Name = "Mine" }
	tests := []struct {
		name   string
		before []func(*v1alpha1.Team) // edits while not admitted
		after  []func(*v1alpha1.Team)
		want   string
	}{
		{"as it was", nil, nil, v1alpha1.ReasonNameTaken},
		{"renamed", nil, []func(*v1alpha1.Team){rename}, v1alpha1.ReasonSynced},
		{"renamed before", []func(*v1alpha1.Team){rename}, nil, v1alpha1.ReasonSynced},
		{"suspended meanwhile", []func(*v1alpha1.Team){suspend(true)}, []func(*v1alpha1.Team){suspend(false)}, v1alpha1.ReasonNameTaken},
		{"suspended meanwhile, and renamed", []func(*v1alpha1.Team){suspend(true)}, []func(*v1alpha1.Team){suspend(false), rename}, v1alpha1.ReasonSynced},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				b.selecting(t, "a", "b")
				b.apply(t, through("default", "a/team", func(s *v1alpha1.TeamSpec) { s.Members = emails(ada) }))
				b.reconcile(t, "a/team")
				b.apply(t, through("default", "b/team", func(s *v1alpha1.TeamSpec) {
					adopts(s)
					s.Members = emails(grace)
				}))
				b.reconcile(t, "b/team")
				b.wants(t, "b/team", v1alpha1.ReasonNameTaken)
				b.admit(t, "a", "no")
				b.reconcile(t, "b/team")
				b.reconcile(t, "a/team")
				id := b.get(t, "b/team").Status.ID
				for _, edit := range tt.before {
					b.edit(t, "a/team", edit)
					b.reconcile(t, "a/team")
				}
				b.admit(t, "a", "yes")
				for _, edit := range tt.after {
					b.edit(t, "a/team", edit)
					b.reconcile(t, "a/team")
				}
				b.rounds(t, 1, "a/team", "b/team")
				b.wants(t, "a/team", tt.want)
				b.owns(t, "b/team", "Growth")
				if team, _ := b.sim.Team(id); len(team.Members) != 1 || team.Members[0] != grace {
					t.Errorf("the team that was taken over is %+v", team)
				}
				if got := b.get(t, "a/team").Status; got.ID == id || got.Adopted {
					t.Errorf("the former owner stands for %+v", got)
				}
			})
		})
	}
}

// Two Teams are renamed to one name at once, or one is while another is created:
// one of them has it in the end.
func TestTwoRenamesToOneName(t *testing.T) {
	tests := []struct {
		name   string
		fault  consolesim.Fault
		late   bool // the first rename takes effect after its answer was lost
		create bool // the second is created
	}{
		{"slow", consolesim.Fault{Effect: consolesim.EffectLatency, Delay: 5 * time.Second}, false, false},
		{"slow, beside a creation", consolesim.Fault{Effect: consolesim.EffectLatency, Delay: 5 * time.Second}, false, true},
		{"lost, and takes effect later", consolesim.Fault{Effect: consolesim.EffectCut}, true, false},
		{"lost, beside a creation", consolesim.Fault{Effect: consolesim.EffectCut}, true, true},
		{"lost", consolesim.Fault{Effect: consolesim.EffectCut}, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				b.behave(t, func(s *consolesim.Behavior) { s.DuplicateTeamNames = consolesim.NamesAllow })
				b.apply(t, named("y", "linkers"))
				b.reconcile(t, "y")
				if !tt.create {
					b.apply(t, named("x", "compilers"))
					b.reconcile(t, "x")
				}
				id := b.get(t, "y").Status.ID
				b.rename(t, "y", "parsers")
				tt.fault.Endpoint, tt.fault.Times = consolesim.UpdateTeam, 1
				b.sim.Inject(tt.fault)
				done := make(chan struct{})
				go func() { defer close(done); b.once(t, "y") }()
				time.Sleep(time.Second)
				if tt.create {
					b.apply(t, named("x", "parsers"))
				} else {
					b.rename(t, "x", "parsers")
				}
				b.reconcile(t, "x")
				<-done
				if n := len(b.sim.TeamsNamed("parsers")); n > 1 {
					t.Errorf("%d teams of the name", n)
				}
				if tt.late {
					time.Sleep(20 * time.Second)
					team, _ := b.sim.Team(id)
					team.Name = "parsers"
					b.sim.PutTeam(team)
				}
				b.rounds(t, 3, "x", "y")
				if teams := b.sim.TeamsNamed("parsers"); len(teams) != 1 {
					t.Errorf("the console has %+v of the name", teams)
				}
				if x, y := b.reason(t, "x"), b.reason(t, "y"); (x == v1alpha1.ReasonSynced) == (y == v1alpha1.ReasonSynced) {
					t.Errorf("x is %s, y is %s: want one of them to have the name", x, y)
				}
			})
		})
	}
}

// A refused creation leaves the name to others at once.
func TestRefusedCreationKeepsNoName(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.sim.Inject(consolesim.Fault{Endpoint: consolesim.CreateTeam, Effect: consolesim.EffectError, Status: 400,
			ContentType: "application/json", Body: `{"status":400,"message":"bad metric"}`, Times: 1})
		b.apply(t, object("young", func(t *v1alpha1.Team) {
			t.Spec.Name, t.CreationTimestamp = "compilers", metav1.Now()
		}))
		for range 10 {
			if b.once(t, "young"); b.reason(t, "young") == v1alpha1.ReasonRejected {
				break
			}
			time.Sleep(200 * time.Millisecond)
		}
		b.wants(t, "young", v1alpha1.ReasonRejected)
		b.apply(t, object("old", func(t *v1alpha1.Team) {
			t.Spec.Name, t.CreationTimestamp = "compilers", metav1.NewTime(time.Now().Add(-time.Hour))
		}))
		b.reconcile(t, "old")
		b.owns(t, "old", "compilers")
	})
}

// Spaces around a name make no difference to whom a change concerns.
func TestSpacesAroundANameThatIsBeingCreated(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.apply(t, object("creating", func(t *v1alpha1.Team) {
			t.Spec.Name, t.Spec.Suspend = "linkers", true
			t.Status.CreateIntent = &v1alpha1.CreateIntent{Name: "compilers ", Time: metav1.NowMicro()}
		}))
		b.apply(t, object("compilers", nil))
		b.reconcile(t, "compilers")
		b.wants(t, "compilers", v1alpha1.ReasonProgressing)
		if n := b.sim.Count(consolesim.CreateTeam); n != 0 {
			t.Errorf("%d teams were created, want none before it is known what came of the other", n)
		}
	})
}

// A change in the console wakes the Teams that it concerns: those of the
// connection that has the reading, whatever spaces are around the name.
func TestChangesWakeTheirTeams(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.connect(t, "other")
		b.apply(t, through("default", "by-name", nil))
		b.apply(t, through("other", "other-by-name", nil))
		b.apply(t, object("by-id", func(t *v1alpha1.Team) { t.Status.ID = "team-1" }))
		q := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
		defer q.ShutDown()
		if err := b.Queue.Source().Start(t.Context(), q); err != nil {
			t.Fatal(err)
		}
		for want, change := range map[string]console.Change{
			"by-name": {TeamNames: []string{"Growth "}},
			"by-id":   {TeamIDs: []string{"team-1"}},
		} {
			b.changed("default", change)
			if n := q.Len(); n != 1 {
				t.Fatalf("%+v wakes %d objects, want one", change, n)
			}
			got, _ := q.Get()
			if got.Name != want {
				t.Errorf("%+v wakes %s, want %s", change, got.Name, want)
			}
			q.Done(got)
		}
	})
}
