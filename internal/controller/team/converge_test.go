package team

import (
	"fmt"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/console/statsig"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/internal/controller/access"
	"github.com/console-access/console-access-operator/internal/quota"
)

// Where listings lack the members, a team is read once an interval, also one
// that was just created, that waits for somebody, or that only observes.
func TestMembersAreVerified(t *testing.T) {
	tests := []struct {
		name   string
		spec   func(*v1alpha1.TeamSpec)
		hand   func(*consolesim.Team)
		reason string
		after  string
	}{
		{"created", func(s *v1alpha1.TeamSpec) {}, func(team *consolesim.Team) { team.Members = nil }, v1alpha1.ReasonSynced, v1alpha1.ReasonSynced},
		{"waits for somebody", func(s *v1alpha1.TeamSpec) { s.Members = emails(ada, "new@example.com") },
			func(team *consolesim.Team) { team.Members = nil }, v1alpha1.ReasonUserNotFound, v1alpha1.ReasonUserNotFound},
		{"observes a difference", func(s *v1alpha1.TeamSpec) { s.Mode = v1alpha1.ModeObserve },
			func(team *consolesim.Team) { team.Members = []string{ada} }, v1alpha1.ReasonDriftDetected, v1alpha1.ReasonSynced},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				b.behave(t, func(s *consolesim.Behavior) { s.ListTeamsWithMembers = false })
				team := object("compilers", func(team *v1alpha1.Team) {
					team.Spec.Members = emails(ada)
					tt.spec(&team.Spec)
				})
				if team.Spec.Mode == v1alpha1.ModeObserve {
					b.sim.PutTeam(consolesim.Team{Name: "compilers", Members: []string{grace}})
				}
				b.apply(t, team)
				b.reconcile(t, "compilers")
				b.wants(t, "compilers", tt.reason)
				changed := b.sim.TeamsNamed("compilers")[0]
				tt.hand(&changed)
				b.sim.PutTeam(changed)
				reads := b.sim.Count(consolesim.GetTeam)
				time.Sleep(10 * time.Minute)
				b.reconcile(t, "compilers")
				if n := b.sim.Count(consolesim.GetTeam) - reads; n != 1 {
					t.Errorf("%d reads, want 1", n)
				}
				b.wants(t, "compilers", tt.after)
				if got := b.sim.TeamsNamed("compilers")[0].Members; len(got) != 1 || got[0] != ada {
					t.Errorf("members are %v, want %s", got, ada)
				}
			})
		})
	}
}

// Nothing is read by itself that need not be, nor takes up turns.
func TestNothingToVerify(t *testing.T) {
	for name, change := range map[string]func(*testing.T, *bench){
		"drift ignored": func(t *testing.T, b *bench) {
			b.connection.Spec.Drift.Policy = v1alpha1.DriftIgnore
			if err := b.Client.Update(t.Context(), b.connection); err != nil {
				t.Fatal(err)
			}
		},
		"members not managed": func(t *testing.T, b *bench) {
			b.edit(t, "compilers", func(team *v1alpha1.Team) { team.Spec.Members = nil })
		},
		"listings with members": func(t *testing.T, b *bench) {
			b.behave(t, func(s *consolesim.Behavior) { s.ListTeamsWithMembers = true })
			b.list(t)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				b.behave(t, func(s *consolesim.Behavior) { s.ListTeamsWithMembers = false })
				b.apply(t, object("compilers", func(team *v1alpha1.Team) { team.Spec.Members = emails(ada) }))
				b.reconcile(t, "compilers")
				change(t, b)
				time.Sleep(time.Hour)
				reads := b.sim.Count(consolesim.GetTeam)
				b.reconcile(t, "compilers")
				if n := b.sim.Count(consolesim.GetTeam); n != reads || b.project.PlannedChecks() != 0 {
					t.Errorf("%d reads, %d planned, want none", n-reads, b.project.PlannedChecks())
				}
				b.wants(t, "compilers", v1alpha1.ReasonSynced)
			})
		})
	}
}

// Who changed what a listing shows may have changed the members that it does not
// show: a write that puts the one back leaves the other as it is.
func TestMembersOfATeamThatSomebodyChanged(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.apply(t, object("compilers", func(team *v1alpha1.Team) { team.Spec.Description = new("Ours") }))
		b.reconcile(t, "compilers")
		b.list(t)
		b.behave(t, func(s *consolesim.Behavior) { s.ListTeamsWithMembers = false })
		changed := b.sim.TeamsNamed("compilers")[0]
		changed.Description, changed.Members = new("Theirs"), []string{grace}
		b.sim.PutTeam(changed)
		_ = b.project.ReadTeams(console.Caller{Key: "lister", Lane: quota.Drift}, time.Now())
		time.Sleep(time.Second)
		b.reconcile(t, "compilers")
		b.wants(t, "compilers", v1alpha1.ReasonSynced)
		if got := b.sim.TeamsNamed("compilers")[0]; *got.Description != "Ours" || !slices.Equal(got.Members, []string{grace}) {
			t.Errorf("the team is described as %q and its members are %v, want %q and %s", *got.Description, got.Members, "Ours", grace)
		}
	})
}

// What was listed before an outage does not tell whether a team of that name is
// there.
func TestNothingIsCreatedByAnOldListing(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.behave(t, func(s *consolesim.Behavior) { s.DuplicateTeamNames = consolesim.NamesAllow })
		b.list(t)
		b.sim.PutTeam(consolesim.Team{Name: "compilers", Members: []string{grace}})
		time.Sleep(time.Hour)
		b.apply(t, object("compilers", nil))
		b.reconcile(t, "compilers")
		b.wants(t, "compilers", v1alpha1.ReasonAlreadyExists)
		if n := b.sim.Count(consolesim.CreateTeam); n != 0 {
			t.Errorf("%d teams were created, want none", n)
		}
	})
}

// A team all of whose fields are managed is not written on the strength of a
// listing without members: somebody in it whom the listing of users lacks
// would lose their place.
func TestUnknownMembersAreReadBeforeAWrite(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.behave(t, func(s *consolesim.Behavior) {
			s.ListTeamsWithMembers, s.UnknownMember = false, consolesim.UnknownInvite
		})
		b.sim.PutTeam(consolesim.Team{ID: "team-1", Name: "compilers", Members: []string{ada, "invited@example.com"}})
		b.apply(t, object("compilers", func(team *v1alpha1.Team) {
			manageAll(&team.Spec)
			team.Spec.Members = emails(ada, "invited@example.com")
			team.Status.ID, team.Status.SyncedGeneration = "team-1", 1
		}))
		b.reconcile(t, "compilers")
		b.wants(t, "compilers", v1alpha1.ReasonSynced)
		team, _ := b.sim.Team("team-1")
		if len(team.Members) != 2 || *team.Description != "managed" || b.sim.Count(consolesim.GetTeam) != 1 {
			t.Errorf("after %d reads the team is %+v", b.sim.Count(consolesim.GetTeam), team)
		}
	})
}

func manageAll(s *v1alpha1.TeamSpec) {
	s.Description, s.Members, s.Admins = new("managed"), emails(), emails()
	s.DefaultGateMetrics, s.DefaultExperimentPrimaryMetrics = []v1alpha1.Metric{}, []v1alpha1.Metric{}
	s.DefaultExperimentSecondaryMetrics, s.DefaultHoldoutMetrics = []v1alpha1.Metric{}, []v1alpha1.Metric{}
	s.ChangeTeamConfigs, s.ReviewApproval, s.DefaultTargetApplications = "anyone", "anyone", []string{}
	s.DefaultHoldoutID, s.RequireReviews, s.RequireGateTemplates = new(""), new(false), new(false)
	s.RequireExperimentTemplates, s.RequireDynamicConfigTemplates = new(false), new(false)
}

// A process that has just begun does not know what the one before it wrote: that
// a team is not shown yet is no reason to create another one.
func TestNewProcessBelievesNoAbsence(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.behave(t, func(s *consolesim.Behavior) {
			s.StaleReads, s.DuplicateTeamNames = 5*time.Second, consolesim.NamesAllow
		})
		b.apply(t, object("compilers", nil))
		b.once(t, "compilers")
		for b.get(t, "compilers").Status.ID == "" {
			time.Sleep(100 * time.Millisecond)
			b.once(t, "compilers")
		}
		id := b.get(t, "compilers").Status.ID
		api, err := statsig.New(statsig.Config{Endpoint: b.url, APIKey: apiKey, Limiter: b.project.Limiter(), Transport: b.transport})
		if err != nil {
			t.Fatal(err)
		}
		b.project.Close()
		b.project = console.NewProject(api, b.project.Limiter())
		b.Memory = &access.Memory{}
		b.Links.Set("default", b.link())
		for range 300 {
			b.once(t, "compilers")
			time.Sleep(100 * time.Millisecond)
		}
		b.wants(t, "compilers", v1alpha1.ReasonSynced)
		if teams := b.sim.TeamsNamed("compilers"); len(teams) != 1 || b.get(t, "compilers").Status.ID != id {
			t.Errorf("%d teams, and the id %s after %s", len(teams), b.get(t, "compilers").Status.ID, id)
		}
		b.project.Close()
	})
}

// A team that turns out to be gone when its members are read is created again,
// not updated.
func TestGoneWhenRead(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.behave(t, func(s *consolesim.Behavior) { s.ListTeamsWithMembers = false })
		b.apply(t, object("compilers", func(team *v1alpha1.Team) { team.Spec.Members, team.Spec.Admins = emails(ada), emails() }))
		b.reconcile(t, "compilers")
		id := b.get(t, "compilers").Status.ID
		b.sim.RemoveTeam(id)
		time.Sleep(10 * time.Minute)
		b.reconcile(t, "compilers")
		if now := b.get(t, "compilers").Status.ID; now == id || now == "" || b.sim.Count(consolesim.UpdateTeam) != 0 {
			t.Errorf("id %q after %q, %d updates of the team that was gone", now, id, b.sim.Count(consolesim.UpdateTeam))
		}
	})
}

// Another team of our name, that somebody made, does not keep us from taking
// away access; only a rename to a taken name is refused.
func TestTwoTeamsOfOneName(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.behave(t, func(s *consolesim.Behavior) { s.DuplicateTeamNames = consolesim.NamesAllow })
		b.apply(t, object("compilers", func(team *v1alpha1.Team) { team.Spec.Members = emails(ada, grace) }))
		b.reconcile(t, "compilers")
		b.sim.PutTeam(consolesim.Team{Name: "compilers"})
		b.sim.PutTeam(consolesim.Team{Name: "taken"})
		b.list(t)
		b.edit(t, "compilers", func(team *v1alpha1.Team) { team.Spec.Members = emails(ada) })
		b.reconcile(t, "compilers")
		b.wants(t, "compilers", v1alpha1.ReasonSynced)
		if team, _ := b.sim.Team(b.get(t, "compilers").Status.ID); len(team.Members) != 1 {
			t.Errorf("members are %v", team.Members)
		}
		b.edit(t, "compilers", func(team *v1alpha1.Team) { team.Spec.Name = "taken" })
		b.reconcile(t, "compilers")
		b.wants(t, "compilers", v1alpha1.ReasonAlreadyExists)
	})
}

// The console refuses somebody who is in the project: that is said, not tried
// for ever.
func TestRefusedForGood(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.apply(t, object("compilers", func(team *v1alpha1.Team) { team.Spec.Members = emails(grace) }))
		b.reconcile(t, "compilers")
		b.sim.Inject(consolesim.Fault{Endpoint: consolesim.UpdateTeam, Effect: consolesim.EffectError, Status: 400,
			ContentType: "application/json", Body: `{"status":400,"message":"ada@example.com is a guest."}`})
		b.edit(t, "compilers", func(team *v1alpha1.Team) { team.Spec.Members = emails(ada, grace) })
		for range 20 {
			b.reconcile(t, "compilers")
			b.list(t)
		}
		// Twenty minutes hold two intervals, each with a write at most, beside
		// the first and the one without ada.
		if n := b.sim.Count(consolesim.UpdateTeam); n > 5 {
			t.Errorf("%d writes in twenty minutes", n)
		}
		b.wants(t, "compilers", v1alpha1.ReasonRejected)
	})
}

// An incomplete listing is no reason to create a team that it lacks.
func TestIncompleteListingCreatesNothing(t *testing.T) {
	for _, intent := range []bool{false, true} {
		t.Run(fmt.Sprint("intent ", intent), func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				b.behave(t, func(s *consolesim.Behavior) {
					s.DuplicateTeamNames, s.MaxPageSize, s.MoveBetweenPages = consolesim.NamesAllow, 1, 1
				})
				// While the second page is read, the first team moves to the end.
				b.sim.PutTeam(consolesim.Team{Name: "a"})
				b.sim.PutTeam(consolesim.Team{Name: "compilers"})
				b.apply(t, object("compilers", func(team *v1alpha1.Team) {
					if intent {
						team.Status.CreateIntent = &v1alpha1.CreateIntent{Name: "compilers", Time: metav1.NowMicro()}
					}
				}))
				for range 10 {
					b.reconcile(t, "compilers")
					time.Sleep(10 * time.Second)
				}
				if n := len(b.sim.TeamsNamed("compilers")); n != 1 {
					t.Errorf("%d teams of the name, want 1", n)
				}
				want := map[bool]string{false: v1alpha1.ReasonAlreadyExists, true: v1alpha1.ReasonSynced}[intent]
				b.wants(t, "compilers", want)
			})
		})
	}
}

// On a console whose listings never add up, teams are created all the same.
func TestNeverCompleteListings(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.behave(t, func(s *consolesim.Behavior) { s.MaxPageSize, s.MoveBetweenPages = 2, -1 })
		b.sim.Seed(2, 5, 0)
		b.apply(t, object("compilers", nil))
		b.reconcile(t, "compilers")
		b.wants(t, "compilers", v1alpha1.ReasonSynced)
		if n := b.sim.Count(consolesim.CreateTeam); n != 1 || b.project.TeamsRead().Complete {
			t.Errorf("%d teams created", n)
		}
	})
}

// A team that another object stands for is not adopted by the name that
// somebody gave it in the console.
func TestAdoptingSomebodyElsesTeam(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		made := b.sim.PutTeam(consolesim.Team{Name: "wanted"})
		b.apply(t, object("owner", func(team *v1alpha1.Team) { team.Status.ID, team.Status.SyncedGeneration = made.ID, 1 }))
		b.apply(t, object("wanted", func(team *v1alpha1.Team) { team.Spec.AdoptionPolicy = v1alpha1.AdoptionAdopt }))
		b.reconcile(t, "wanted")
		b.wants(t, "wanted", v1alpha1.ReasonNameTaken)
		b.reconcile(t, "owner")
		b.list(t)
		b.reconcile(t, "wanted")
		b.wants(t, "wanted", v1alpha1.ReasonSynced)
		if id := b.get(t, "wanted").Status.ID; id == made.ID {
			t.Error("both stand for one team")
		}
	})
}

// Held deletions stay held through a restart and an outage of the connection.
func TestHeldThroughARestart(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		for i := range 3 {
			name := fmt.Sprint("team-", i)
			b.apply(t, object(name, func(team *v1alpha1.Team) { team.Finalizers = []string{"test/keep"} }))
			b.reconcile(t, name)
			if err := b.Client.Delete(t.Context(), b.get(t, name)); err != nil {
				t.Fatal(err)
			}
		}
		all := func() {
			for i := range 3 {
				b.once(t, fmt.Sprint("team-", i))
			}
		}
		all()
		if n := len(b.sim.Teams()); n != 2 {
			t.Fatalf("%d teams are left, want all but the one that may go", n)
		}
		for range 3 {
			// A new process: nothing remembered, and no link at first.
			b.Links.Set("default", nil)
			b.Memory, b.plans = &access.Memory{}, plans{}
			all()
			b.wants(t, "team-2", v1alpha1.ReasonDeletionHeld)
			b.Links.Set("default", b.link())
			time.Sleep(2 * time.Minute)
			all()
		}
		if n := len(b.sim.Teams()); n != 2 {
			t.Errorf("%d teams are left after restarts, want the 2 that are held", n)
		}
		b.wants(t, "team-2", v1alpha1.ReasonDeletionHeld)
		b.Links.Get("default").Brake.Approve(-1)
		all()
		if n := len(b.sim.Teams()); n != 0 {
			t.Errorf("%d teams are left after approval", n)
		}
		if id := (types.NamespacedName{Namespace: "tenant", Name: "team-2"}); b.get(t, id.Name).Status.ID == "" {
			t.Error("the id is forgotten")
		}
	})
}
