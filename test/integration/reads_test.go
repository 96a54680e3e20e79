package integration

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/harness"
)

// hourly has nothing compared a second time of itself.
func hourly(c *v1alpha1.ConsoleConnectionSpec) { c.Drift.Interval.Duration = time.Hour }

// matching returns UserRoles of people who have these roles already.
func matching(e *harness.Env, n int) (all []client.Object) {
	for i := range n {
		email := fmt.Sprintf("user-%03d@example.com", i)
		e.Sim.PutUser(consolesim.User{Email: email, Role: "Analyst"})
		all = append(all, e.UserRole(email, "Analyst"))
	}
	return all
}

// TestOneRequestPerPage: however many objects need the listings at a time, each
// page is asked for once, one after the other as the console points to them,
// also when they hold fewer items than asked for; and nothing else is.
func TestOneRequestPerPage(t *testing.T) {
	const people, perPage = 55, 10
	e := harness.Shared(t, harness.Options{
		Unconnected: true,
		Behavior:    func(b *consolesim.Behavior) { b.MaxPageSize, b.OmitTotals = perPage, true },
	})
	first := []*harness.Held{e.Hold(http.MethodGet, "/console/v1/users"), e.Hold(http.MethodGet, "/console/v1/users")}
	e.CreateSecret(e.Namespace, e.Key)
	c := e.NewConnection(e.Namespace)
	hourly(&c.Spec)
	e.Create(c)
	for _, h := range first {
		h.Wait(e)
	}
	all := matching(e, people-len(harness.People()))
	e.CreateMany(all)
	for _, obj := range all {
		e.WaitReason(obj, v1alpha1.ReasonProgressing)
	}
	if err := none(e.Since(0)); err != nil {
		e.Fatalf("while the first page of either listing is asked for: %v", err)
	}
	for _, h := range first {
		h.Release()
	}
	e.WaitReady(all...)
	e.WaitReady(c)
	pages := e.Since(0, consolesim.ListUsers)
	if n := len(e.Since(0)); len(pages) != (people+perPage-1)/perPage || n != len(pages)+1 {
		e.Fatalf("%d pages of users in %d requests, want each once and one page of teams", len(pages), n)
	}
	for i, page := range pages {
		if !strings.Contains(page.Path, fmt.Sprintf("page=%d", i+1)) || i > 0 && page.Received.Before(pages[i-1].Answered) {
			e.Fatalf("request %d for users is %s, received %v, the one before answered %v", i+1, page.Path, page.Received, pages[max(i-1, 0)].Answered)
		}
	}
}

// TestListingsOfASharedProject: connections to one project have it listed once
// an interval between them, however close together they ask.
func TestListingsOfASharedProject(t *testing.T) {
	e := harness.Shared(t, harness.Options{Behavior: func(b *consolesim.Behavior) { b.Latency = 50 * time.Millisecond }})
	for i := range 3 {
		other := e.NewConnection(fmt.Sprintf("%s-%d", e.Namespace, i))
		other.Spec.APIKeySecretRef.Name = e.Connection.Name
		e.Create(other)
		e.WaitReady(other)
	}
	mark := e.Mark()
	e.Compared(5)
	for _, endpoint := range []string{consolesim.ListUsers, consolesim.ListTeams} {
		list := e.Since(mark, endpoint)
		for i := 1; i < len(list); i++ {
			// A listing that began shortly before is not read again;
			// how long requests are on their way makes the pauses uneven.
			if pause := list[i].Received.Sub(list[i-1].Received); pause < harness.DriftInterval/4 {
				e.Fatalf("%s was read again after %v, want the interval of %v", endpoint, pause, harness.DriftInterval)
			}
		}
	}
}

// TestMovedItemsAreNotAbsent: while items move between pages, nobody is said to
// be missing and nothing is made or written; but what is gone is noticed.
func TestMovedItemsAreNotAbsent(t *testing.T) {
	for _, totals := range []bool{true, false} {
		t.Run(fmt.Sprintf("totals %v", totals), func(t *testing.T) {
			o := harness.Options{Behavior: func(b *consolesim.Behavior) {
				b.MaxPageSize, b.MoveBetweenPages, b.OmitTotals = 4, -1, !totals
			}}
			for i := range 9 {
				o.Teams = append(o.Teams, consolesim.Team{ID: fmt.Sprintf("id-%d", i), Name: fmt.Sprintf("Team %d", i)})
			}
			e := harness.Shared(t, o)
			all := matching(e, 10)
			for i := range o.Teams {
				all = append(all, e.Team(fmt.Sprintf("team-%d", i), v1alpha1.TeamSpec{Name: o.Teams[i].Name, AdoptionPolicy: v1alpha1.AdoptionAdopt}))
			}
			e.CreateMany(all)
			e.WaitReady(all...)
			for range 4 {
				e.Compared(1)
				for _, obj := range all {
					if e.Refresh(obj); harness.Ready(obj).Reason != v1alpha1.ReasonSynced {
						e.Fatalf("%T %s is %+v", obj, obj.GetName(), harness.Ready(obj))
					}
				}
			}
			e.WantWrites(0)
			e.Sim.RemoveUser("user-003@example.com")
			e.Sim.RemoveTeam("id-4")
			e.WaitReason(all[3], v1alpha1.ReasonUserNotFound)
			if len(e.Since(0, consolesim.GetUser)) == 0 {
				t.Error("nobody was asked for by name")
			}
			e.WaitUntil("wait for the team to be made again", func() bool { return len(e.Sim.TeamsNamed("Team 4")) == 1 })
			e.WaitReady(all[10+4])
			e.WantWrites(0, consolesim.CreateTeam)
		})
	}
}

// statusWrites counts the operator's writes of statuses, by the object's name.
type statusWrites struct {
	mu sync.Mutex
	of map[string]int
}

func (s *statusWrites) see(r *http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if parts := strings.Split(r.URL.Path, "/"); r.Method == http.MethodPatch && parts[len(parts)-1] == "status" {
		s.of[parts[len(parts)-2]]++
	}
	return nil
}

// counts returns those of some objects that are not zero.
func (s *statusWrites) counts(objects []client.Object) map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]int{}
	for _, obj := range objects {
		if n := s.of[obj.GetName()]; n > 0 {
			out[obj.GetName()] = n
		}
	}
	return out
}

func (s *statusWrites) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of = map[string]int{}
}

// TestRestartWritesOnlyWhatChanged: a new process makes the calls of one
// listing, reads no team by itself, and corrects what was changed by hand
// meanwhile; each such object's status is written once, and no other's.
func TestRestartWritesOnlyWhatChanged(t *testing.T) {
	const people, teams, perPage = 40, 12, 20
	writes := &statusWrites{of: map[string]int{}}
	o := harness.Options{
		Behavior:   func(b *consolesim.Behavior) { b.MaxPageSize, b.ListTeamsWithMembers = perPage, false },
		Connection: hourly, Kubernetes: writes.see,
	}
	for i := range teams {
		o.Teams = append(o.Teams, consolesim.Team{ID: fmt.Sprintf("id-%02d", i), Name: fmt.Sprintf("Team %02d", i), Members: []string{alan}})
	}
	e := harness.Own(t, o)
	all := matching(e, people-len(harness.People()))
	roles := len(all)
	for i := range teams {
		all = append(all, e.Team(fmt.Sprintf("team-%02d", i), v1alpha1.TeamSpec{
			Name: o.Teams[i].Name, Members: emails(alan), Description: ptr(""), AdoptionPolicy: v1alpha1.AdoptionAdopt,
		}))
	}
	e.CreateMany(all)
	e.WaitReady(all...)
	e.WaitReady(e.Connection)
	e.WantWrites(0)

	restart := func(meanwhile func()) (mark int) {
		t.Helper()
		e.Operator.Stop()
		meanwhile()
		writes.reset()
		mark = e.Mark()
		e.Operator.Start(t)
		e.WaitUntil("wait for the listings", func() bool {
			e.Refresh(e.Connection)
			c := e.Connection.Status
			return len(e.Since(mark, consolesim.ListUsers)) == people/perPage && c.TeamsReadAt != nil && len(e.Since(mark, consolesim.ListTeams)) == 1
		})
		return mark
	}
	unwritten := e.Frozen(all...)
	mark := restart(func() {})
	e.Consistently("nothing is written after a restart", 2*time.Second, unwritten)
	e.WantWrites(mark)
	if n := len(e.Since(mark)); n != people/perPage+1 {
		e.Fatalf("%d requests after a restart, want the %d pages of one listing", n, people/perPage+1)
	}

	changed := []client.Object{all[1], all[7], all[roles+2]}
	mark = restart(func() {
		for _, obj := range changed[:2] {
			e.Sim.PutUser(consolesim.User{Email: string(obj.(*v1alpha1.UserRole).Spec.Email), Role: "Member"})
		}
		spoilt := o.Teams[2]
		spoilt.Description = ptr("Changed by hand")
		e.Sim.PutTeam(spoilt)
	})
	e.WaitUntil("wait for the corrections and their statuses", func() bool {
		return len(e.Writes(mark)) == len(changed) && len(writes.counts(all)) == len(changed)
	})
	e.Consistently("one status is written for each correction", 2*time.Second, func() error {
		for name, n := range writes.counts(all) {
			if n != 1 || !slices.ContainsFunc(changed, func(obj client.Object) bool { return obj.GetName() == name }) {
				return fmt.Errorf("that of %s was written %d times", name, n)
			}
		}
		return nil
	})
	e.WaitReady(all...)
	if n := len(e.Since(mark)); n != people/perPage+1+len(changed)+1 {
		e.Fatalf("%d requests, want one listing, one look at the team and %d corrections", n, len(changed))
	}
}
