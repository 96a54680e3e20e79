package chaos

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/chaos/audit"
	"github.com/console-access/console-access-operator/test/harness"
)

// settle waits until every object that is left says that it is true, or why it
// cannot be, and every deleted one is gone; then for the console to be compared
// twice more, during which nothing may be written.
func (c *campaign) settle() {
	deadline := time.Now().Add(settleTimeout)
	for round := 0; ; round++ {
		c.program.approve()
		open := c.unsettled()
		if len(open) == 0 {
			break
		}
		if time.Now().After(deadline) {
			c.t.Errorf("SEED=%d: %v after all faults ended, %d objects are not settled:\n%s",
				c.seed, settleTimeout, len(open), strings.Join(open[:min(len(open), 20)], "\n"))
			return
		}
		if round%15 == 0 {
			c.progress()
		}
		pause(c.t.Context(), time.Second)
	}
	kept := c.describeByHand()
	mark := c.e.Mark()
	c.e.Compared(2)
	for id, about := range kept {
		if team, _ := c.e.Sim.Team(id); team.Description == nil || *team.Description != about {
			c.t.Errorf("SEED=%d: the description of team %s, which is not managed, was %q and is gone", c.seed, id, about)
		}
	}
	for _, r := range c.e.Writes(mark) {
		c.t.Errorf("SEED=%d: written although everything was true: %s", c.seed, requestLine(r))
	}
}

// describeByHand gives every team whose description nobody manages another one,
// and returns these by id.
func (c *campaign) describeByHand() map[string]string {
	kept := map[string]string{}
	managed := map[string]bool{}
	c.ledger.Note(func() {
		for _, s := range c.program.teams {
			for id := range s.life.IDs {
				managed[id] = s.life.Gone.IsZero() && s.life.Last().Description != nil
			}
		}
	})
	for _, team := range c.e.Sim.Teams() {
		if !managed[team.ID] {
			about := "described at the end: " + team.Name
			kept[team.ID] = about
			c.e.Sim.EditTeam(team.ID, func(t *consolesim.Team) { t.Description = &about })
		}
	}
	return kept
}

// unsettled tells which objects are not as they should be in the end.
func (c *campaign) unsettled() []string {
	teams, roles := &v1alpha1.TeamList{}, &v1alpha1.UserRoleList{}
	for _, list := range []client.ObjectList{teams, roles} {
		if err := c.e.Client().List(c.t.Context(), list); err != nil {
			c.t.Fatalf("list the objects: %v", err)
		}
	}
	found := map[string]client.Object{}
	for i := range teams.Items {
		found["Team "+nameOf(&teams.Items[i])] = &teams.Items[i]
	}
	for i := range roles.Items {
		found["UserRole "+nameOf(&roles.Items[i])] = &roles.Items[i]
	}
	var open []string
	look := func(what string, deleted bool, want ...string) {
		obj, exists := found[what]
		ready := metav1.Condition{}
		if exists {
			ready = harness.Ready(obj)
		}
		switch {
		case deleted && exists:
			open = append(open, fmt.Sprintf("%s is still there: %s %s", what, ready.Reason, ready.Message))
		case !deleted && !exists:
			open = append(open, what+" is gone")
		case !deleted && !slices.Contains(want, ready.Reason):
			open = append(open, fmt.Sprintf("%s is %q, want %s: %s", what, ready.Reason, want, ready.Message))
		}
	}
	for i, s := range c.program.teams {
		want := v1alpha1.ReasonSynced
		if i == 0 {
			want = v1alpha1.ReasonAlreadyExists
		}
		look("Team "+nameOf(s.obj), !s.life.Deleted.IsZero(), want)
	}
	for _, s := range c.program.roles {
		want := []string{v1alpha1.ReasonSynced}
		if s.fixed {
			want = append(want, v1alpha1.ReasonProtectedUser)
		}
		look("UserRole "+nameOf(s.obj), !s.life.Deleted.IsZero(), want...)
	}
	return open
}

// check holds everything to what must be.
func (c *campaign) check() {
	for _, f := range c.findings() {
		c.t.Errorf("SEED=%d: %s\n%s", c.seed, f, c.context(f))
	}
	if n := c.e.Sim.Violations(); n > 0 {
		c.t.Errorf("SEED=%d: %d requests overfilled a window of the console; the first: %+v", c.seed, n, c.e.Sim.ViolationList()[0])
	}
	for _, m := range c.killer.managers {
		lines, err := m.Logged(c.e.Key, "bserved a panic", "DATA RACE", "fatal error")
		if err != nil {
			c.t.Fatal(err)
		}
		if len(lines) > 0 {
			c.t.Errorf("SEED=%d: %s logged %d lines that it should not, such as %s", c.seed, m.Name, len(lines), lines[0])
		}
	}
}

// recordsLost is how often a manager told that it did not find the record of the
// quota. That costs time, and nothing else: every window then counts as used.
func (c *campaign) recordsLost() (n int) {
	list := &eventsv1.EventList{}
	if err := c.e.Client().List(c.t.Context(), list, client.InNamespace(metav1.NamespaceDefault)); err != nil {
		c.t.Fatalf("list the events: %v", err)
	}
	for _, event := range list.Items {
		if event.Reason == "QuotaRecordLost" {
			n++
		}
	}
	return n
}

func (c *campaign) findings() []audit.Finding {
	return c.ledger.Audit(audit.Evidence{
		Start: c.before, End: c.e.Sim.Snapshot(), Requests: c.e.Sim.Requests(),
		Protected: protected(), StaleReads: staleReads,
		BrakeDeletes: brakeDeletes, BrakePer: brakePer,
	})
}

// listingsShown is for how long the listings of teams are shown that a team which
// is left behind may not have been on.
const listingsShown = 3 * time.Minute

// context is what is known about a finding: its object's conditions and the
// requests that touched it.
func (c *campaign) context(f audit.Finding) string {
	var b strings.Builder
	for _, obj := range c.objects() {
		if f.Subject != fmt.Sprintf("Team %s", client.ObjectKeyFromObject(obj)) && f.Subject != fmt.Sprintf("UserRole %s", client.ObjectKeyFromObject(obj)) {
			continue
		}
		if c.e.Refresh(obj) {
			fmt.Fprintf(&b, "  %T %s: %+v\n", obj, obj.GetName(), harness.Ready(obj))
		}
	}
	touches := func(r consolesim.Request) bool {
		return r.Method != http.MethodGet && (f.Team != "" && strings.Contains(r.Body, c.nameOfTeam(f.Team)) || f.Team != "" && strings.Contains(r.Path, f.Team) || f.Email != "" && strings.Contains(strings.ToLower(r.Path), f.Email))
	}
	all := c.e.Sim.Requests()
	requests := slices.DeleteFunc(slices.Clone(all), func(r consolesim.Request) bool { return !touches(r) })
	for _, r := range requests[max(0, len(requests)-20):] {
		fmt.Fprintf(&b, "  %s\n", requestLine(r))
	}
	if team, ok := c.e.Sim.Team(f.Team); ok && (f.Rule == audit.Lost || f.Rule == audit.Doubled) && len(requests) > 0 {
		made := requests[0].Received
		b.WriteString(c.chronicle.around(team.Name, made))
		for _, r := range all {
			if r.Endpoint == consolesim.ListTeams && r.Received.After(made) && r.Received.Before(made.Add(listingsShown)) {
				fmt.Fprintf(&b, "  %s\n", requestLine(r))
			}
		}
	}
	return b.String()
}

// nameOfTeam is what a team is called at the end, for the request that made it.
func (c *campaign) nameOfTeam(id string) string {
	team, ok := c.e.Sim.Team(id)
	if !ok {
		return id
	}
	return fmt.Sprintf("%q", team.Name)
}

func requestLine(r consolesim.Request) string {
	return fmt.Sprintf("%d %s %s %s -> %d %s %.400s", r.Number, r.Received.Format("15:04:05.000"), r.Method, r.Path, r.Status, r.Fault, r.Body)
}

// objects are those that were applied last, each slot's.
func (c *campaign) objects() []client.Object {
	var out []client.Object
	for _, s := range c.program.teams {
		out = append(out, s.obj.DeepCopy())
	}
	for _, s := range c.program.roles {
		out = append(out, s.obj.DeepCopy())
	}
	return out
}
