package harness

import (
	"net/http"
	"slices"

	"github.com/console-access/console-access-operator/internal/consolesim"
)

// Mark is where the console's log of requests ends now.
func (e *Env) Mark() int {
	all := e.Sim.Requests()
	if len(all) == 0 {
		return 0
	}
	return all[len(all)-1].Number
}

// Since returns the requests after a mark to any of the endpoints; without
// endpoints: to all.
func (e *Env) Since(mark int, endpoints ...string) []consolesim.Request {
	return slices.DeleteFunc(e.Sim.RequestsSince(mark), func(r consolesim.Request) bool {
		return len(endpoints) > 0 && !slices.Contains(endpoints, r.Endpoint)
	})
}

// Writes returns the requests after a mark that may change something.
func (e *Env) Writes(mark int) []consolesim.Request {
	return slices.DeleteFunc(e.Sim.RequestsSince(mark), func(r consolesim.Request) bool {
		return r.Method == http.MethodGet
	})
}

// WantWrites fails the test unless exactly these endpoints were written to
// after the mark, in this order.
func (e *Env) WantWrites(mark int, endpoints ...string) {
	e.T.Helper()
	if got := e.written(mark); !slices.Equal(got, endpoints) {
		e.Fatalf("the console was written to by %v, want %v", got, endpoints)
	}
}

// WantWritesInAnyOrder is WantWrites for writes of which none waits for another.
func (e *Env) WantWritesInAnyOrder(mark int, endpoints ...string) {
	e.T.Helper()
	got := e.written(mark)
	if !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(endpoints))) {
		e.Fatalf("the console was written to by %v, want %v in any order", got, endpoints)
	}
}

func (e *Env) written(mark int) (endpoints []string) {
	for _, r := range e.Writes(mark) {
		endpoints = append(endpoints, r.Endpoint)
	}
	return endpoints
}

// WantQuiet fails the test if anything is written to the console during the
// next two comparisons.
func (e *Env) WantQuiet() {
	e.T.Helper()
	mark := e.Mark()
	e.Compared(2)
	e.WantWrites(mark)
}

// TeamNamed returns the console's only team of that name.
func (e *Env) TeamNamed(name string) consolesim.Team {
	e.T.Helper()
	teams := e.Sim.TeamsNamed(name)
	if len(teams) != 1 {
		e.Fatalf("the console has %d teams named %q, want 1", len(teams), name)
	}
	return teams[0]
}

// WantRole fails the test unless the person has that role in the console.
func (e *Env) WantRole(email, role string) {
	e.T.Helper()
	user, ok := e.Sim.User(email)
	if !ok || user.Role != role {
		e.Fatalf("%s has the role %q in the console, want %q", email, user.Role, role)
	}
}
