package team

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/console/statsig"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/internal/controller/access"
)

// named is a Team for a team of another name than its own.
func named(name, consoleName string) *v1alpha1.Team {
	return object(name, func(t *v1alpha1.Team) { t.Spec.Name = consoleName })
}

func (b *bench) rename(t *testing.T, name, to string) {
	t.Helper()
	b.edit(t, name, func(t *v1alpha1.Team) { t.Spec.Name = to })
}

// loses has the next creation of a team fail so that it is not known whether it
// took effect.
func (b *bench) loses(effect consolesim.Effect) {
	b.sim.Inject(consolesim.Fault{Endpoint: consolesim.CreateTeam, Effect: effect, Times: 1})
}

// rounds has the objects looked at every ten seconds for minutes.
func (b *bench) rounds(t *testing.T, minutes int, names ...string) {
	t.Helper()
	for range minutes * 6 {
		for _, name := range names {
			b.once(t, name)
		}
		time.Sleep(10 * time.Second)
	}
}

// owns checks that the Team alone stands for a team of that name, which has its
// members.
func (b *bench) owns(t *testing.T, name, consoleName string) {
	t.Helper()
	b.wants(t, name, v1alpha1.ReasonSynced)
	got := b.get(t, name)
	team, there := b.sim.Team(got.Status.ID)
	if !there || team.Name != consoleName || got.Status.CreateIntent != nil {
		t.Errorf("%s stands for %+v, want the team %q: %+v", name, team, consoleName, got.Status)
	}
}

func (b *bench) message(t *testing.T, name string) string {
	t.Helper()
	for _, c := range b.get(t, name).Status.Conditions {
		if c.Type == v1alpha1.ReadyCondition {
			return c.Message
		}
	}
	return ""
}

// A Team is renamed while the console's answer to its creation is lost, and
// another one takes its former name, whose answer is lost, too. Whatever came of
// the first, and whenever, each has one team in the end.
func TestFormerNameOfATeamThatIsBeingCreated(t *testing.T) {
	tests := []struct {
		name         string
		first, after consolesim.Effect
		late         time.Duration // when the first takes effect after all
		taken        bool          // somebody else has the first's new name
	}{
		{name: "it takes effect late", first: consolesim.EffectCut, after: consolesim.EffectCutAfter, late: 20 * time.Second},
		{name: "it took effect", first: consolesim.EffectCutAfter, after: consolesim.EffectCutAfter},
		{name: "it took effect, and the second does not", first: consolesim.EffectCutAfter, after: consolesim.EffectCut},
		{name: "it never takes effect", first: consolesim.EffectCut, after: consolesim.EffectCutAfter},
		{name: "its new name is another's", first: consolesim.EffectCut, after: consolesim.EffectCut, late: 20 * time.Second, taken: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				b.behave(t, func(s *consolesim.Behavior) { s.DuplicateTeamNames = consolesim.NamesAllow })
				names, total := []string{"first", "second"}, 2
				if tt.taken {
					b.apply(t, named("a-third", "linkers"))
					b.reconcile(t, "a-third")
					names, total = append(names, "a-third"), 3
				}
				b.loses(tt.first)
				b.apply(t, named("first", "compilers"))
				b.once(t, "first")
				time.Sleep(time.Second)
				b.once(t, "first")
				b.rename(t, "first", "linkers")
				b.loses(tt.after)
				b.apply(t, named("second", "compilers"))
				b.once(t, "second")
				time.Sleep(time.Second)
				b.once(t, "second")
				if n := b.sim.Count(consolesim.CreateTeam); n != total-1 {
					t.Errorf("%d teams were to be created before it is known what came of the first", n)
				}
				if len(b.sim.TeamsNamed("compilers")) == 0 {
					if said := b.message(t, "second"); !strings.Contains(said, "tenant/first may have created") || !strings.Contains(said, "goes on by itself") {
						t.Errorf("the second says %q", said)
					}
				}
				if tt.late > 0 {
					time.Sleep(tt.late)
					b.sim.PutTeam(consolesim.Team{Name: "compilers"})
				}
				b.rounds(t, 12, names...)
				if tt.taken {
					b.wants(t, "first", v1alpha1.ReasonNameTaken)
					b.wants(t, "second", v1alpha1.ReasonAlreadyExists)
					if teams := b.sim.TeamsNamed("compilers"); len(teams) != 1 || teams[0].ID != b.get(t, "first").Status.ID {
						t.Errorf("the first does not know of its team: %+v", teams)
					}
					return
				}
				b.owns(t, "first", "linkers")
				b.owns(t, "second", "compilers")
				if n := len(b.sim.Teams()); n != total {
					t.Errorf("%d teams, want %d: %+v", n, total, b.sim.Teams())
				}
			})
		})
	}
}

// Two Teams swap their names while both answers are lost: nobody waits for the
// other for ever.
func TestSwappedNames(t *testing.T) {
	for effect, want := range map[consolesim.Effect]string{
		consolesim.EffectCut: v1alpha1.ReasonSynced,
		// Both have their teams, by the former names, of which somebody has to
		// change one first.
		consolesim.EffectCutAfter: v1alpha1.ReasonAlreadyExists,
	} {
		t.Run(string(effect), func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				for name, consoleName := range map[string]string{"x": "compilers", "y": "linkers"} {
					b.loses(effect)
					b.apply(t, named(name, consoleName))
					b.once(t, name)
					time.Sleep(time.Second)
					b.once(t, name)
				}
				b.rename(t, "x", "linkers")
				b.rename(t, "y", "compilers")
				b.rounds(t, 5, "x", "y")
				ids := map[string]bool{}
				for _, name := range []string{"x", "y"} {
					b.wants(t, name, want)
					ids[b.get(t, name).Status.ID] = true
				}
				if len(ids) != 2 || ids[""] || len(b.sim.Teams()) != 2 {
					t.Errorf("they stand for %v of %+v", ids, b.sim.Teams())
				}
			})
		})
	}
}

// A team that another Team may have created is neither adopted nor is its name
// given to a team that exists.
func TestNothingIsTakenFromATeamThatIsBeingCreated(t *testing.T) {
	intent := &v1alpha1.CreateIntent{Name: "compilers", Time: metav1.NowMicro()}
	tests := []struct {
		name   string
		there  bool // a team of the name
		object *v1alpha1.Team
	}{
		{"adoption", true, object("compilers", func(t *v1alpha1.Team) { t.Spec.AdoptionPolicy = v1alpha1.AdoptionAdopt })},
		{"creation", false, object("compilers", nil)},
		{"rename", false, object("compilers", func(t *v1alpha1.Team) { t.Status.ID = "team-1" })},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				b.sim.PutTeam(consolesim.Team{ID: "team-1", Name: "assemblers"})
				if tt.there {
					b.sim.PutTeam(consolesim.Team{ID: "team-2", Name: "compilers"})
				}
				b.apply(t, object("creating", func(t *v1alpha1.Team) {
					t.Status.CreateIntent, t.Spec.Suspend = intent, true
				}))
				b.apply(t, tt.object)
				b.rounds(t, 2, "creating", "compilers")
				b.wants(t, "compilers", v1alpha1.ReasonProgressing)
				if said := b.message(t, "compilers"); !strings.Contains(said, "set its spec.suspend to false") {
					t.Errorf("it says %q, and not what to do", said)
				}
				if writes := b.sim.Count(consolesim.CreateTeam) + b.sim.Count(consolesim.UpdateTeam); writes != 0 {
					t.Errorf("%d writes", writes)
				}
				b.edit(t, "creating", func(t *v1alpha1.Team) { t.Spec.Suspend, t.Spec.Name = false, "linkers" })
				b.rounds(t, 12, "creating", "compilers")
				b.owns(t, "creating", "linkers")
				b.owns(t, "compilers", "compilers")
			})
		})
	}
}

// What another process records anew is given its own time to show.
func TestIntentsOfAnotherProcess(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		intend := func() {
			t.Helper()
			team := b.get(t, "compilers")
			team.Status.ID, team.Status.CreateIntent = "", &v1alpha1.CreateIntent{Name: "compilers", Time: metav1.NowMicro()}
			if err := b.Client.Status().Update(t.Context(), team); err != nil {
				t.Fatal(err)
			}
		}
		b.apply(t, object("compilers", nil))
		intend()
		b.rounds(t, 2, "compilers")
		b.owns(t, "compilers", "compilers")
		b.sim.RemoveTeam(b.get(t, "compilers").Status.ID)
		b.list(t)
		made := b.sim.Count(consolesim.CreateTeam)
		intend()
		for range 20 {
			b.once(t, "compilers")
			time.Sleep(time.Second)
		}
		if n := b.sim.Count(consolesim.CreateTeam) - made; n != 0 {
			t.Errorf("%d teams were made while the other's may yet be shown", n)
		}
		b.sim.PutTeam(consolesim.Team{ID: "late", Name: "compilers"})
		b.rounds(t, 2, "compilers")
		if id := b.get(t, "compilers").Status.ID; id != "late" {
			t.Errorf("it stands for %q", id)
		}
	})
}

// A team of the name that was deleted a moment ago, and is still shown to the
// next process, is not what came of a creation.
func TestFormerTeamOfTheName(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.behave(t, func(s *consolesim.Behavior) { s.StaleReads = 5 * time.Second })
		b.apply(t, object("compilers", nil))
		b.rounds(t, 1, "compilers")
		former := b.get(t, "compilers")
		if err := b.Client.Delete(t.Context(), former); err != nil {
			t.Fatal(err)
		}
		b.apply(t, named("again", "compilers"))
		b.loses(consolesim.EffectCutAfter)
		b.once(t, "compilers")
		b.once(t, "again")
		api, err := statsig.New(statsig.Config{Endpoint: b.url, APIKey: apiKey, Limiter: b.project.Limiter(), Transport: b.transport})
		if err != nil {
			t.Fatal(err)
		}
		b.project.Close()
		b.project = console.NewProject(api, b.project.Limiter())
		b.Links.Set("default", b.link())
		b.Memory, b.plans = &access.Memory{}, plans{}
		time.Sleep(time.Second)
		for range 20 {
			b.once(t, "again")
			time.Sleep(time.Second)
		}
		b.rounds(t, 2, "again")
		b.owns(t, "again", "compilers")
		if teams := b.sim.Teams(); len(teams) != 1 || teams[0].ID == former.Status.ID {
			t.Errorf("the console has %+v, and had %s", teams, former.Status.ID)
		}
		b.project.Close()
	})
}

// Two processes may record the same name for two Teams: neither takes what
// appears before everything must have, and then each its own.
func TestRivals(t *testing.T) {
	for there := range 3 {
		inBubble(t, func(t *testing.T, b *bench) {
			b.behave(t, func(s *consolesim.Behavior) { s.DuplicateTeamNames = consolesim.NamesAllow })
			names := []string{"older", "younger"}
			for i, name := range names {
				b.apply(t, object(name, func(team *v1alpha1.Team) {
					team.CreationTimestamp = metav1.NewTime(time.Now().Add(time.Duration(i) * time.Hour))
					team.Status.CreateIntent = &v1alpha1.CreateIntent{Name: "compilers", Time: metav1.NowMicro()}
				}))
			}
			if there > 0 {
				b.sim.PutTeam(consolesim.Team{ID: "team-1", Name: "compilers"})
			}
			for range 11 {
				b.once(t, "younger")
				b.once(t, "older")
				time.Sleep(5 * time.Second)
			}
			for _, name := range names {
				if got := b.get(t, name).Status; got.ID != "" || got.CreateIntent == nil {
					t.Errorf("with %d teams %s is settled before all must show: %+v", there, name, got)
				}
			}
			if there > 1 {
				b.sim.PutTeam(consolesim.Team{ID: "team-2", Name: "compilers"})
			}
			b.rounds(t, 12, "younger", "older")
			b.owns(t, "older", "older")
			b.owns(t, "younger", "younger")
			if n := len(b.sim.Teams()); n != 2 {
				t.Errorf("of %d teams came %d: %+v", there, n, b.sim.Teams())
			}
		})
	}
}

// A name is kept for a request until the cache shows the intent.
func TestReservedNames(t *testing.T) {
	var p plans
	x, y := object("x", nil), object("y", nil)
	first, second := p.of(client.ObjectKeyFromObject(x), x), p.of(client.ObjectKeyFromObject(y), y)
	steps := []struct {
		name string
		do   func()
		want []bool // whether first and second may have it then
	}{
		{"nobody has it", func() {}, []bool{true, false}},
		{"an intent is shown", func() {
			x.Status.CreateIntent = &v1alpha1.CreateIntent{}
			p.of(client.ObjectKeyFromObject(x), x)
		}, []bool{true, false}},
		{"it is settled", func() {
			x.Status.CreateIntent = nil
			p.of(client.ObjectKeyFromObject(x), x)
			if !p.reserve("name", second) {
				t.Error("the second may not have it")
			}
		}, []bool{false, true}},
		{"another name", func() {
			if !p.reserve("other", second) {
				t.Error("the second may not have another one")
			}
		}, []bool{true, false}},
		{"it is gone", func() { p.forget(client.ObjectKeyFromObject(x)) }, []bool{true, false}},
	}
	for _, step := range steps {
		step.do()
		if got := []bool{p.reserve("name", first), p.reserve("name", second)}; !slices.Equal(got, step.want) {
			t.Errorf("%s: %v, want %v", step.name, got, step.want)
		}
	}
	replaced := object("y", func(t *v1alpha1.Team) { t.UID = "another" })
	if p.reserve("y's", second); !p.reserve("y's", p.of(client.ObjectKeyFromObject(replaced), replaced)) {
		t.Error("an object that is gone keeps a name from its successor")
	}
}

// A team that a listing does not show although its pages add up, because others
// came and went while they were read, is not made a second time.
func TestTeamHiddenBetweenPages(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.behave(t, func(s *consolesim.Behavior) {
			s.DuplicateTeamNames, s.MaxPageSize = consolesim.NamesAllow, 2
		})
		first := b.sim.PutTeam(consolesim.Team{Name: "assemblers"})
		b.sim.PutTeam(consolesim.Team{Name: "debuggers"})
		b.loses(consolesim.EffectCutAfter)
		b.apply(t, named("compilers", "compilers"))
		for b.sim.Count(consolesim.CreateTeam) == 0 {
			b.once(t, "compilers")
			time.Sleep(time.Second)
		}
		time.Sleep(31 * time.Second)
		b.behave(t, func(s *consolesim.Behavior) { s.Latency = time.Second })
		b.once(t, "compilers")
		time.Sleep(1500 * time.Millisecond)
		b.sim.RemoveTeam(first.ID)
		b.sim.PutTeam(consolesim.Team{Name: "profilers"})
		b.rounds(t, 2, "compilers")
		b.owns(t, "compilers", "compilers")
		if n := len(b.sim.TeamsNamed("compilers")); n != 1 {
			t.Errorf("%d teams, want the one that was made at first", n)
		}
	})
}

// TestAbsencesInARow: listings that are not complete may each lack a team by
// chance. Only several in a row mean that there is none.
func TestAbsencesInARow(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.behave(t, func(s *consolesim.Behavior) {
			s.ListReturnsID, s.OmitTotals, s.MaxPageSize = false, true, 2
			s.DuplicateTeamNames, s.Latency = consolesim.NamesAllow, 100*time.Millisecond
		})
		theirs := consolesim.Team{ID: "team-theirs", Name: "compilers", Members: []string{ada}}
		for _, name := range []string{"a", "b", "c"} {
			b.sim.PutTeam(consolesim.Team{Name: name})
		}
		b.apply(t, object("compilers", nil))
		for i := range 4 {
			b.sim.RemoveTeam(theirs.ID)
			b.sim.PutTeam(consolesim.Team{Name: fmt.Sprint("other ", i)}) // no two listings agree
			b.list(t)
			b.once(t, "compilers")
			b.sim.PutTeam(theirs)
			b.list(t)
			b.once(t, "compilers")
			b.wants(t, "compilers", v1alpha1.ReasonAlreadyExists)
		}
		if n := b.sim.Count(consolesim.CreateTeam); n != 0 {
			t.Errorf("%d teams were created, want none", n)
		}
	})
}
