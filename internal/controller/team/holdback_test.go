package team

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/consolesim"
)

const mallory = "mallory@example.com"

// Whom a refusal names is held back only where that changes what is sent.
func TestHoldBack(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		refusal := fmt.Errorf("update: %w", &console.Error{Class: console.Invalid, Op: "update team", Rejected: []string{"ADA@example.com"}})
		for _, tt := range []struct {
			name       string
			have       *console.Team
			found      bool
			member, ad []string
		}{
			{"a new team", nil, true, []string{grace}, []string{}},
			{"not in the team", &console.Team{MembersKnown: true, Members: []string{grace}}, true, []string{grace}, []string{}},
			{"to be made an admin", &console.Team{MembersKnown: true, Members: []string{grace, ada}}, true, []string{grace, ada}, []string{}},
			{"an admin already", &console.Team{MembersKnown: true, Members: []string{}, Admins: []string{ada}}, false, []string{grace}, []string{ada}},
		} {
			s := b.bare(func(team *v1alpha1.Team) { team.Spec.Members, team.Spec.Admins = emails(grace), emails(ada) })
			if found := s.holdBack(refusal, Specified(s.obj), tt.have); found != tt.found {
				t.Errorf("%s: found %v", tt.name, found)
			}
			want, err := s.desired(tt.have)
			if err != nil {
				b.list(t)
				want, err = s.desired(tt.have)
			}
			if err != nil || !slices.Equal(want.Members, tt.member) || !slices.Equal(want.Admins, tt.ad) {
				t.Errorf("%s: members %v, admins %v, %v; want %v and %v", tt.name, want.Members, want.Admins, err, tt.member, tt.ad)
			}
			if s.holdBack(refusal, want, tt.have) {
				t.Errorf("%s: found a second time, which would go on for ever", tt.name)
			}
		}
		if b.bare(nil).holdBack(fmt.Errorf("not the console's"), console.DesiredTeam{}, nil) {
			t.Error("an error that is not the console's names an address")
		}
	})
}

// members returns whom the console has in the team of that name.
func (b *bench) members(t *testing.T, name string) []string {
	t.Helper()
	teams := b.sim.TeamsNamed(name)
	if len(teams) != 1 {
		t.Fatalf("the console has %d teams named %s", len(teams), name)
	}
	return slices.Sorted(slices.Values(teams[0].Members))
}

// An address that the console has and refuses holds up nothing else of the team,
// as long as it is refused, in whatever form the console says so; and a team costs
// no more than a write an interval by that.
func TestRefusedAddressHoldsUpNothing(t *testing.T) {
	for _, form := range []string{consolesim.RefusalsMessage, consolesim.RefusalsErrors, consolesim.RefusalsIndex} {
		t.Run(form, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				b.behave(t, func(s *consolesim.Behavior) { s.Refusals, s.RefusedAddresses = form, grace })
				b.sim.PutUser(consolesim.User{Email: mallory, Role: "Member"})
				b.apply(t, object("growth", func(team *v1alpha1.Team) { team.Spec.Members = emails(ada, grace, mallory) }))
				b.reconcile(t, "growth")
				b.wants(t, "growth", v1alpha1.ReasonRejected)
				if got := b.message(t, "growth"); !strings.Contains(got, grace) || !strings.Contains(got, "cannot be in a team") {
					t.Errorf("the condition says %q", got)
				}
				b.wait(t, "growth", 2*time.Hour)
				if n := b.sim.Count(consolesim.UpdateTeam); n > 12 {
					t.Errorf("%d writes in two hours, want one an interval", n)
				}
				b.edit(t, "growth", func(team *v1alpha1.Team) { team.Spec.Members = emails(ada, grace) })
				b.reconcile(t, "growth")
				if got := b.members(t, "growth"); !slices.Equal(got, []string{ada}) {
					t.Errorf("right after a removal the members are %v", got)
				}
				b.wants(t, "growth", v1alpha1.ReasonRejected)
				b.edit(t, "growth", func(team *v1alpha1.Team) { team.Spec.Description = new("Growth") })
				b.reconcile(t, "growth")
				if team := b.sim.TeamsNamed("growth")[0]; team.Description == nil || *team.Description != "Growth" {
					t.Errorf("the description is not applied: %+v", team)
				}
				b.behave(t, func(s *consolesim.Behavior) { s.RefusedAddresses = "" })
				b.wait(t, "growth", 11*time.Minute)
				b.wants(t, "growth", v1alpha1.ReasonSynced)
				if got := b.members(t, "growth"); !slices.Equal(got, []string{ada, grace}) {
					t.Errorf("when the console refuses nobody the members are %v", got)
				}
			})
		})
	}
}

// Many refused addresses cost no more writes than one.
func TestManyRefusedAddresses(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		var refused []string
		members := emails(ada)
		for i := range 9 {
			email := fmt.Sprintf("guest%d@example.com", i)
			b.sim.PutUser(consolesim.User{Email: email, Role: "Member"})
			refused = append(refused, email)
			members = append(members, v1alpha1.EmailAddress(email))
		}
		b.behave(t, func(s *consolesim.Behavior) { s.RefusedAddresses = strings.Join(refused, ",") })
		b.apply(t, object("growth", func(team *v1alpha1.Team) { team.Spec.Members = members }))
		b.wait(t, "growth", time.Minute)
		b.wants(t, "growth", v1alpha1.ReasonRejected)
		before := b.sim.Count(consolesim.UpdateTeam)
		b.wait(t, "growth", time.Hour)
		if n := b.sim.Count(consolesim.UpdateTeam) - before; n > 6 {
			t.Errorf("%d writes within an hour", n)
		}
		b.behave(t, func(s *consolesim.Behavior) { s.RefusedAddresses = "" })
		b.wait(t, "growth", 11*time.Minute)
		b.wants(t, "growth", v1alpha1.ReasonSynced)
		if got := b.members(t, "growth"); len(got) != len(members) {
			t.Errorf("when the console refuses nobody the members are %v", got)
		}
	})
}

// What is refused beside a removal does not hold that up: not a definition that the
// console does not accept, nor a name that another team has.
func TestRemovalIsNotHeldUp(t *testing.T) {
	for name, edit := range map[string]func(*v1alpha1.TeamSpec){
		"refused": func(s *v1alpha1.TeamSpec) { s.DefaultHoldoutID = new("none") },
		"rename":  func(s *v1alpha1.TeamSpec) { s.Name = "taken" },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				b.sim.PutUser(consolesim.User{Email: mallory, Role: "Member"})
				b.sim.PutTeam(consolesim.Team{Name: "taken"})
				b.apply(t, object("growth", func(team *v1alpha1.Team) {
					team.Spec.Members, team.Spec.Admins = emails(grace), emails(ada, mallory)
				}))
				b.reconcile(t, "growth")
				b.wants(t, "growth", v1alpha1.ReasonSynced)
				if name == "refused" {
					// The first request of each interval, which has the holdout.
					b.sim.Inject(consolesim.Fault{Endpoint: consolesim.UpdateTeam, Effect: consolesim.EffectError, Status: 400, Times: 1,
						ContentType: "application/json", Body: `{"status":400,"message":"There is no such holdout."}`})
				}
				b.edit(t, "growth", func(team *v1alpha1.Team) {
					edit(&team.Spec)
					// ada is made less, mallory is removed, and somebody is promoted.
					team.Spec.Members, team.Spec.Admins = emails(ada), emails(grace)
				})
				b.reconcile(t, "growth")
				team := b.sim.TeamsNamed("growth")[0]
				if slices.Sort(team.Members); !slices.Equal(team.Members, []string{ada, grace}) || len(team.Admins) != 0 {
					t.Errorf("members %v, admins %v, want those two and none", team.Members, team.Admins)
				}
				want := map[string]string{"refused": v1alpha1.ReasonRejected, "rename": v1alpha1.ReasonAlreadyExists}[name]
				b.wants(t, "growth", want)
				if n := b.sim.Count(consolesim.UpdateTeam); n > 2 {
					t.Errorf("%d writes", n)
				}
			})
		})
	}
}

// A console that refuses every write of a team is asked at the interval.
func TestRefusedRemoval(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.sim.PutUser(consolesim.User{Email: mallory, Role: "Member"})
		b.apply(t, object("growth", func(team *v1alpha1.Team) { team.Spec.Members = emails(ada, mallory) }))
		b.reconcile(t, "growth")
		b.sim.Inject(consolesim.Fault{Endpoint: consolesim.UpdateTeam, Effect: consolesim.EffectError, Status: 400,
			ContentType: "application/json", Body: `{"status":400,"message":"ada@example.com is a guest."}`})
		b.edit(t, "growth", func(team *v1alpha1.Team) { team.Spec.Members, team.Spec.Description = emails(ada, grace), new("x") })
		b.wait(t, "growth", time.Hour)
		b.wants(t, "growth", v1alpha1.ReasonRejected)
		if n := b.sim.Count(consolesim.UpdateTeam); n > 2*7 {
			t.Errorf("%d writes within an hour, want two an interval", n)
		}
		if got := b.members(t, "growth"); !slices.Equal(got, []string{ada, mallory}) {
			t.Errorf("the members are %v", got)
		}
	})
}

// A correction of drift that the console refuses is no sign that somebody else
// wants it otherwise.
func TestRefusedCorrectionIsNoContest(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.apply(t, object("growth", func(team *v1alpha1.Team) { team.Spec.Members = emails(ada, grace) }))
		b.reconcile(t, "growth")
		b.wants(t, "growth", v1alpha1.ReasonSynced)
		b.behave(t, func(s *consolesim.Behavior) { s.RefusedAddresses = grace })
		id := b.get(t, "growth").Status.ID
		b.sim.EditTeam(id, func(team *consolesim.Team) { team.Members = []string{ada} })
		for range 20 {
			b.wait(t, "growth", 10*time.Minute)
			if said := b.message(t, "growth"); strings.Contains(said, "Somebody else") {
				t.Fatalf("the condition says %q", said)
			}
		}
		b.wants(t, "growth", v1alpha1.ReasonRejected)
		for len(b.recorder.Events) > 0 {
			if event := <-b.recorder.Events; strings.Contains(event, "Contested") {
				t.Fatal(event)
			}
		}
		b.sim.PutUser(consolesim.User{Email: mallory, Role: "Member"})
		b.sim.EditTeam(id, func(team *consolesim.Team) { team.Members = []string{ada, mallory} })
		b.wait(t, "growth", 11*time.Minute)
		if got := b.members(t, "growth"); !slices.Equal(got, []string{ada}) {
			t.Errorf("a member added by hand is still there: %v", got)
		}
	})
}

// wait has an object reconciled for some time whenever it wants to be, and the
// listings read once an interval.
func (b *bench) wait(t *testing.T, name string, d time.Duration) {
	t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); {
		again := b.once(t, name).RequeueAfter
		if again <= 0 || again > 5*time.Minute {
			again = 5 * time.Minute
		}
		time.Sleep(min(again, time.Until(end)))
		if time.Since(b.project.UsersRead().StartedAt) > 10*time.Minute {
			b.list(t)
		}
	}
	b.reconcile(t, name)
}
