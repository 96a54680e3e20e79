package integration

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/harness"
)

// A position is one way in which the console may do what its documentation
// leaves open.
type position struct {
	name     string
	behavior func(*consolesim.Behavior)
	// faults strike from the start; later ones from the first edit on.
	faults, later []consolesim.Fault
	// unlistedIDs: lists tell no ids, so that nothing can be adopted;
	// unidentified: nor does the console tell that of a team it made.
	unlistedIDs, unidentified bool
	// newcomer is in the spec before they are in the project.
	newcomer bool
}

func lost(endpoint string, effect consolesim.Effect) consolesim.Fault {
	return consolesim.Fault{Endpoint: endpoint, Effect: effect, Times: 1}
}

func lostWrites(effect consolesim.Effect) (create, later []consolesim.Fault) {
	return []consolesim.Fault{lost(consolesim.CreateTeam, effect), lost(consolesim.UpdateUser, effect)},
		[]consolesim.Fault{lost(consolesim.UpdateTeam, effect), lost(consolesim.DeleteTeam, effect)}
}

func positions() []position {
	type b = consolesim.Behavior
	list := []position{
		{name: "1 listing with members", behavior: func(b *b) { b.ListTeamsWithMembers = true }},
		{name: "1 listing without members", behavior: func(b *b) { b.ListTeamsWithMembers = false }},
		{name: "2 ids everywhere", behavior: func(b *b) { b.CreateReturnsID, b.ListReturnsID = true, true }},
		{name: "2 no id from create", behavior: func(b *b) { b.CreateReturnsID = false }},
		{name: "2 no id in lists", behavior: func(b *b) { b.ListReturnsID = false }, unlistedIDs: true},
		{name: "2 no id anywhere", behavior: func(b *b) { b.CreateReturnsID, b.ListReturnsID = false, false }, unlistedIDs: true, unidentified: true},
		{name: "2 no id from create, no members in lists", behavior: func(b *b) { b.CreateReturnsID, b.ListTeamsWithMembers = false, false }},
		{name: "3 duplicate names refused", behavior: func(b *b) { b.DuplicateTeamNames = consolesim.NamesRefuse }},
		{name: "3 duplicate names allowed", behavior: func(b *b) { b.DuplicateTeamNames = consolesim.NamesAllow }},
		{name: "4 omitted fields kept", behavior: func(b *b) { b.PatchOmitted = consolesim.OmittedKeep }},
		{name: "4 omitted fields reset", behavior: func(b *b) { b.PatchOmitted = consolesim.OmittedReset }},
		{name: "5 roles spelled exactly", behavior: func(b *b) { b.RoleSpelling = consolesim.SpellingExact }},
		{name: "5 roles in lower case", behavior: func(b *b) { b.RoleSpelling = consolesim.SpellingLower }},
		{name: "5 roles in kebab case", behavior: func(b *b) { b.RoleSpelling = consolesim.SpellingKebab }},
		{name: "6 addresses as sent", behavior: func(b *b) { b.LowercaseEmails = false }},
		{name: "6 addresses in lower case", behavior: func(b *b) { b.LowercaseEmails = true }},
		{name: "7 members as sent", behavior: func(b *b) { b.AdminsAreMembers = consolesim.AdminsAsSent }},
		{name: "7 admins among members", behavior: func(b *b) { b.AdminsAreMembers = consolesim.AdminsYes }},
		{name: "7 admins not among members", behavior: func(b *b) { b.AdminsAreMembers = consolesim.AdminsNo }},
		{name: "8 order kept", behavior: func(b *b) { b.ReorderLists, b.DropDuplicates = false, false }},
		{name: "8 order reversed", behavior: func(b *b) { b.ReorderLists = true }},
		{name: "8 duplicates dropped", behavior: func(b *b) { b.ReorderLists, b.DropDuplicates = true, true }},
		{name: "9 unknown members refused", behavior: func(b *b) { b.UnknownMember = consolesim.UnknownRefuse }, newcomer: true},
		{name: "9 unknown members dropped", behavior: func(b *b) { b.UnknownMember = consolesim.UnknownDrop }, newcomer: true},
		{name: "9 unknown members invited", behavior: func(b *b) { b.UnknownMember = consolesim.UnknownInvite }, newcomer: true},
		{name: "10 short pages", behavior: func(b *b) { b.MaxPageSize = 2 }},
		{name: "10 short pages without totals", behavior: func(b *b) { b.MaxPageSize, b.OmitTotals = 2, true }},
		{name: "10 items move between pages", behavior: func(b *b) { b.MaxPageSize, b.MoveBetweenPages = 3, -1 }},
		{name: "10 items move, without totals", behavior: func(b *b) { b.MaxPageSize, b.MoveBetweenPages, b.OmitTotals = 3, -1, true }},
		{name: "11 missing team is 404", behavior: func(b *b) { b.MissingGet, b.MissingDelete = 404, 404 }},
		{name: "11 missing team is 400", behavior: func(b *b) { b.MissingGet, b.MissingDelete = 400, 404 }},
		{name: "11 missing team is deleted with 200", behavior: func(b *b) { b.MissingGet, b.MissingDelete = 404, 200 }},
		{name: "11 missing team is 400, deleted with 200", behavior: func(b *b) { b.MissingGet, b.MissingDelete = 400, 200 }},
		{name: "13 fresh reads", behavior: func(b *b) { b.StaleReads = 0 }},
		{name: "13 stale reads", behavior: func(b *b) { b.StaleReads = 4 * time.Second }},
		{name: "13 stale reads without members", behavior: func(b *b) { b.StaleReads, b.ListTeamsWithMembers = 4*time.Second, false }},
	}
	for _, effect := range []consolesim.Effect{
		consolesim.EffectCutAfter, consolesim.EffectErrorAfter, consolesim.EffectTruncated, consolesim.EffectNotJSON, consolesim.EffectWrongTypes,
	} {
		p := position{name: "12 answers lost: " + string(effect)}
		p.faults, p.later = lostWrites(effect)
		list = append(list, p)
	}
	return list
}

// TestOpenQuestions: whatever the console turns out to do, a team and a role
// become Ready with no more than two writes each, also after an edit; nothing
// is written again while nothing changes; what vanished is made again; and
// what is deleted is gone.
func TestOpenQuestions(t *testing.T) {
	for _, p := range positions() {
		t.Run(p.name, func(t *testing.T) {
			testPosition(t, p)
		})
	}
}

func testPosition(t *testing.T, p position) {
	const zoe = "zoe@example.com"
	e := harness.Shared(t, harness.Options{Teams: []consolesim.Team{seeded("Seeded"), {Name: "Another"}}, Behavior: p.behavior})
	e.Sim.PutUser(consolesim.User{Email: "Grace@Example.com", Role: "Admin"})
	for _, fault := range p.faults {
		e.Sim.Inject(fault)
	}
	team := e.Team("made", v1alpha1.TeamSpec{
		Name: "Made", Description: ptr(" padded "), Members: emails("Alan@Example.com", grace, barbara), Admins: emails(grace),
		DefaultGateMetrics:        []v1alpha1.Metric{{Name: "dau", Type: "user"}, {Name: "dau", Type: "user"}, {Name: "wau", Type: "user"}},
		DefaultTargetApplications: []string{"web", "ios"}, DeletionPolicy: v1alpha1.TeamDelete,
	})
	members := []string{alan, barbara}
	if p.newcomer {
		team.Spec.Members, members = append(team.Spec.Members, zoe), append(members, zoe)
	}
	kept := adopting(e, "Seeded")
	role := e.UserRole("Edsger@Example.com", "Admin")
	lower := e.UserRole(alan, "Read Only")
	e.Create(team, kept, role, lower)
	settled := func(mark int, objects ...client.Object) {
		t.Helper()
		e.WaitReady(objects...)
		e.WantQuiet()
		wantFewWrites(e, mark)
	}
	if p.newcomer {
		e.WaitMessage(team, v1alpha1.ReasonUserNotFound, zoe)
		wantMade(e, " padded ", alan, barbara)
		e.Sim.PutUser(consolesim.User{Email: zoe})
	}
	if p.unlistedIDs {
		e.WaitMessage(kept, v1alpha1.ReasonAlreadyExists, "does not tell its id")
		settled(0, team, role, lower)
	} else {
		settled(0, team, kept, role, lower)
	}
	e.WantRole(edsger, "Admin")
	e.WantRole(alan, "Read Only")
	wantMade(e, " padded ", members...)

	for _, fault := range p.later {
		e.Sim.Inject(fault)
	}
	mark := e.Mark()
	e.Sim.RemoveTeam("by-hand")
	if p.unidentified {
		// Without an id it can be neither changed nor deleted: a person must.
		harness.Update(e, team, func(team *v1alpha1.Team) { team.Spec.Description = ptr("Edited") })
		e.WaitMessage(team, v1alpha1.ReasonRejected, "id", `"Made"`, "by hand")
		e.WantRole(edsger, "Admin")
		return
	}
	harness.Update(e, team, func(team *v1alpha1.Team) {
		team.Spec.Description, team.Spec.Members = ptr("Edited"), emails("Alan@Example.com", edsger)
	})
	e.WaitUntil("wait for the vanished team to be made again", func() bool {
		again := e.Sim.TeamsNamed("Seeded")
		return len(again) == 1 && e.Refresh(kept) && kept.Status.ID == again[0].ID
	})
	settled(mark, team, kept, role, lower)
	wantMade(e, "Edited", alan, edsger)
	if n := len(e.Since(0, consolesim.CreateTeam)); n != 2 {
		e.Fatalf("%d teams were created, want two in all", n)
	}

	e.Delete(team, role)
	e.WaitGone(team, role)
	if left := e.Sim.TeamsNamed("Made"); len(left) != 0 {
		t.Errorf("teams %+v, want none of that name", left)
	}
}

// wantFewWrites holds the writes for each object since mark to two.
func wantFewWrites(e *harness.Env, mark int) {
	e.T.Helper()
	writes := map[string]int{}
	for _, r := range e.Writes(mark) {
		what := strings.ToLower(r.Path)
		if r.Method == http.MethodPost && r.Endpoint == consolesim.CreateTeam {
			what += " " + r.Body
		}
		writes[what]++
		if writes[what] > 2 {
			e.Fatalf("%d writes for %s, want two at most", writes[what], what)
		}
	}
}

// wantMade holds the team that was made to its spec.
func wantMade(e *harness.Env, description string, members ...string) {
	e.T.Helper()
	got := e.TeamNamed("Made")
	var have []string
	for _, email := range got.Members {
		if email = strings.ToLower(email); email != grace && !slices.Contains(have, email) {
			have = append(have, email)
		}
	}
	slices.Sort(have)
	slices.Sort(members)
	admins := len(got.Admins) == 1 && strings.EqualFold(got.Admins[0], grace)
	if !slices.Equal(have, members) || !admins || !equal(got.Description, &description) || len(got.DefaultTargetApplications) != 2 {
		e.Fatalf("the team is %+v, want %q with the members %v", got, description, members)
	}
}
