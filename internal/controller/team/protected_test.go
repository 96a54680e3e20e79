package team

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/console/statsig"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/internal/controller/access"
)

func TestKeepProtected(t *testing.T) {
	const alan, edsger = "alan@example.com", "edsger@example.com"
	list := func(people ...string) []string { return append([]string{}, people...) }
	protected := []v1alpha1.EmailAddress{"Ada@Example.com", grace}
	tests := []struct {
		name                 string
		want                 console.DesiredTeam
		have                 *console.Team
		members, admins      []string
		notAdded, notRemoved []string
	}{
		{"unmanaged", console.DesiredTeam{}, &console.Team{MembersKnown: true, Members: list(ada)}, nil, nil, nil, nil},
		{"a new team has nobody protected", console.DesiredTeam{Members: list(ada, alan), Admins: list("GRACE@example.com")}, nil,
			list(alan), list(), list(ada, grace), nil},
		{"who is in stays in", console.DesiredTeam{Members: list(alan), Admins: list()},
			&console.Team{MembersKnown: true, Members: list("ADA@example.com", edsger), Admins: list(grace)},
			list(alan, "ADA@example.com"), list(grace), nil, list(ada, grace)},
		{"as it is", console.DesiredTeam{Members: list(alan, ada)}, &console.Team{MembersKnown: true, Members: list(ada, alan)},
			list(alan, ada), nil, nil, nil},
		{"a member does not become an admin", console.DesiredTeam{Members: list(ada), Admins: list(ada)},
			&console.Team{MembersKnown: true, Members: list(ada)}, list(ada), list(), list(ada), nil},
		{"nor an admin a member", console.DesiredTeam{Members: list(ada), Admins: list()},
			&console.Team{MembersKnown: true, Admins: list(ada)}, list(), list(ada), nil, list(ada)},
		{"an admin counts as a member", console.DesiredTeam{Members: list(ada), Admins: list(ada)},
			&console.Team{MembersKnown: true, Members: list(ada), Admins: list(ada)}, list(ada), list(ada), nil, nil},
		{"an admin where admins are not managed", console.DesiredTeam{Members: list(ada)},
			&console.Team{MembersKnown: true, Admins: list(ada)}, list(), nil, nil, nil},
		{"not known", console.DesiredTeam{Members: list(alan)}, &console.Team{}, list(alan), nil, nil, nil},
	}
	for _, tt := range tests {
		want := tt.want
		notAdded, notRemoved := KeepProtected(&want, tt.have, protected)
		got := fmt.Sprintf("%q %q %q %q", want.Members, want.Admins, notAdded, notRemoved)
		if expected := fmt.Sprintf("%q %q %q %q", tt.members, tt.admins, tt.notAdded, tt.notRemoved); got != expected {
			t.Errorf("%s: %s, want %s", tt.name, got, expected)
		}
		if (want.Members == nil) != (tt.want.Members == nil) || (want.Admins == nil) != (tt.want.Admins == nil) {
			t.Errorf("%s: a list became managed, or ceased to be", tt.name)
		}
	}
}

const alan = "alan@example.com"

// protect protects people through the connection.
func (b *bench) protect(t *testing.T, people ...v1alpha1.EmailAddress) {
	t.Helper()
	b.connection.Spec.ProtectedUsers = people
	if err := b.Client.Update(t.Context(), b.connection); err != nil {
		t.Fatal(err)
	}
	b.sim.PutUser(consolesim.User{Email: alan, Role: "Member"})
}

// holds checks who is in a team of the console.
func (b *bench) holds(t *testing.T, name string, members, admins []string) {
	t.Helper()
	teams := b.sim.TeamsNamed(name)
	if len(teams) != 1 {
		t.Fatalf("%d teams named %q, want one", len(teams), name)
	}
	got := fmt.Sprintf("%q %q", slices.Sorted(slices.Values(teams[0].Members)), slices.Sorted(slices.Values(teams[0].Admins)))
	if want := fmt.Sprintf("%q %q", members, admins); got != want {
		t.Errorf("%s holds %s, want %s", name, got, want)
	}
}

// restart has another process take the place of this one, until its end.
func (b *bench) restart(t *testing.T) (end func()) {
	t.Helper()
	api, err := statsig.New(statsig.Config{Endpoint: b.url, APIKey: apiKey, Limiter: b.project.Limiter(), Transport: b.transport})
	if err != nil {
		t.Fatal(err)
	}
	b.project = console.NewProject(api, b.project.Limiter())
	b.Reconciler = &Reconciler{Desk: b.Desk}
	b.Memory = &access.Memory{}
	b.Links.Set("default", b.link())
	return b.project.Close
}

// Protected people are neither added to a new team nor to one that is there, and
// the object says so; all else is applied.
func TestProtectedPeopleAreNotAdded(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.protect(t, "Ada@Example.com")
		b.apply(t, object("growth", func(team *v1alpha1.Team) { team.Spec.Members, team.Spec.Admins = emails(ada, grace), emails(ada) }))
		b.reconcile(t, "growth")
		b.holds(t, "growth", []string{grace}, nil)
		b.wants(t, "growth", v1alpha1.ReasonProtectedUser)
		if m := b.message(t, "growth"); !strings.Contains(m, ada) || !strings.Contains(m, "spec.protectedUsers") {
			t.Errorf("it says %q", m)
		}
		b.edit(t, "growth", func(team *v1alpha1.Team) { team.Spec.Members = emails(ada, alan) })
		b.reconcile(t, "growth")
		b.holds(t, "growth", []string{alan}, nil)
		b.wants(t, "growth", v1alpha1.ReasonProtectedUser)
		writes := b.sim.Count(consolesim.UpdateTeam)
		b.list(t)
		b.reconcile(t, "growth")
		if n := b.sim.Count(consolesim.UpdateTeam) - writes; n != 0 {
			t.Errorf("%d updates of a team that is as it can be", n)
		}
		// Somebody adds them by hand.
		team := b.sim.TeamsNamed("growth")[0]
		team.Members, team.Admins = append(team.Members, ada), append(team.Admins, ada)
		b.sim.PutTeam(team)
		b.list(t)
		b.reconcile(t, "growth")
		b.wants(t, "growth", v1alpha1.ReasonSynced)
		if n := b.sim.Count(consolesim.UpdateTeam) - writes; n != 0 {
			t.Errorf("%d updates of a team that is as the spec says", n)
		}
	})
}

// Protected people stay in a team, whether listings hold members or not, also
// when it is adopted and when they came in since it was last read.
func TestProtectedPeopleAreNotRemoved(t *testing.T) {
	for _, listed := range []bool{true, false} {
		t.Run(fmt.Sprintf("members are listed: %v", listed), func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				b.behave(t, func(s *consolesim.Behavior) { s.ListTeamsWithMembers = listed })
				b.protect(t, ada, grace)
				theirs := consolesim.Team{Name: "growth", Members: []string{ada, alan}, Admins: []string{grace}}
				b.sim.PutTeam(theirs)
				b.apply(t, object("growth", func(team *v1alpha1.Team) {
					team.Spec.AdoptionPolicy, team.Spec.DeletionPolicy = v1alpha1.AdoptionAdopt, v1alpha1.TeamDelete
					team.Spec.Members, team.Spec.Admins = emails(), emails()
				}))
				b.reconcile(t, "growth")
				b.holds(t, "growth", []string{ada}, []string{grace})
				b.wants(t, "growth", v1alpha1.ReasonSynced)
				said := b.message(t, "growth")
				if !strings.Contains(said, ada) || !strings.Contains(said, grace) || strings.Contains(said, alan) {
					t.Errorf("it says %q", said)
				}
				// Somebody makes ada an admin by hand, and then the spec changes.
				time.Sleep(5 * time.Minute)
				team := b.sim.TeamsNamed("growth")[0]
				team.Members, team.Admins = []string{}, []string{ada, grace}
				b.sim.PutTeam(team)
				b.edit(t, "growth", func(team *v1alpha1.Team) { team.Spec.Members = emails(alan) })
				b.reconcile(t, "growth")
				b.holds(t, "growth", []string{alan}, []string{ada, grace})
				b.wants(t, "growth", v1alpha1.ReasonSynced)
				// A deletion is of the team, whoever is in it.
				if err := b.Client.Delete(t.Context(), b.get(t, "growth")); err != nil {
					t.Fatal(err)
				}
				b.reconcile(t, "growth")
				if n := len(b.sim.TeamsNamed("growth")); n != 0 {
					t.Errorf("%d teams are left", n)
				}
			})
		})
	}
}

// A new process that has yet to read the members says what was said, and does not
// read them for that.
func TestProtectedPeopleAreSaidAfterARestart(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.behave(t, func(s *consolesim.Behavior) { s.ListTeamsWithMembers = false })
		b.protect(t, ada)
		b.sim.PutTeam(consolesim.Team{Name: "growth", Members: []string{ada, alan}})
		b.apply(t, object("growth", func(team *v1alpha1.Team) {
			team.Spec.AdoptionPolicy, team.Spec.Members = v1alpha1.AdoptionAdopt, emails(alan)
		}))
		b.reconcile(t, "growth")
		before := b.get(t, "growth")
		if !strings.Contains(b.message(t, "growth"), ada) {
			t.Fatalf("it says %q", b.message(t, "growth"))
		}
		defer b.restart(t)()
		reads := b.sim.Count(consolesim.GetTeam)
		b.reconcile(t, "growth")
		if after := b.get(t, "growth"); after.ResourceVersion != before.ResourceVersion {
			t.Errorf("the status was written: %+v, and was %+v", after.Status, before.Status)
		}
		if n := b.sim.Count(consolesim.GetTeam) - reads; n != 0 {
			t.Errorf("%d reads of the team", n)
		}
	})
}
