package histories

import (
	"flag"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
)

var depth = flag.Int("depth", 1, "how many things go wrong in one run of the exhaustive exploration of the create journal")

// A mishap is what may go wrong at one external call.
type mishap string

const (
	crashBefore mishap = "crash before"
	crashAfter  mishap = "crash after"
	requestLost mishap = "request lost"
	answerLost  mishap = "answer lost"
	effectLate  mishap = "effect late"
	readsStale  mishap = "stale reads from here on"
	takeOver    mishap = "another leader takes over while this call is under way"
)

var mishaps = []mishap{crashBefore, crashAfter, requestLost, answerLost, effectLate, readsStale, takeOver}

// A script says what goes wrong at which call, counted from when the Team is
// there.
type script struct {
	at    map[int]mishap
	began int
	now   mishap
}

func (s *script) kubeFate() kubeFate {
	switch s.now {
	case requestLost:
		return kubeRefuses
	case answerLost:
		return kubeLoses
	}
	return kubeAnswers
}

func (s *script) netFate() netFate {
	switch s.now {
	case requestLost:
		return netLost
	case answerLost:
		return netLostAnswer
	case effectLate:
		return netSlow
	}
	return netOK
}

// follow makes a call as the script says.
func (w *world) follow(p *process, do, answer func()) {
	s := w.script
	s.now = ""
	if s.began > 0 {
		s.now = s.at[w.tally.calls-s.began]
	}
	if s.now != "" {
		w.note("%s at the next call", s.now)
	}
	switch s.now {
	case crashBefore:
		w.crash(p)
		return
	case readsStale:
		if err := w.sim.SetBehavior(func(b *simBehavior) { b.StaleReads = staleReads }); err != nil {
			panic(err)
		}
	case takeOver:
		w.begin()
		w.after(20*time.Second, func() {
			if !p.dead {
				do()
				answer()
			}
		})
		w.after(2*time.Minute, func() { w.crash(p) })
		return
	}
	do()
	if s.now == crashAfter {
		w.crash(p)
		return
	}
	answer()
}

// scripted runs a history in which nothing happens but the creation of a Team
// and what the script says, and returns how many calls that took.
func scripted(t *testing.T, b consolesim.Behavior, at map[int]mishap) (calls int, lines, wrong []string) {
	synctest.Test(t, func(*testing.T) {
		w := newWorld(1, true, false)
		w.plan = plan{
			behavior: b, workers: 2, interval: 5 * time.Minute, lag: 5 * time.Millisecond, brake: 10,
			windows: []consolesim.Window{{Requests: 50, Per: 10 * time.Second}},
		}
		w.script = &script{at: at}
		w.kube, w.ledger = newKube(w), newLedger(w)
		w.sim = consolesim.New(consolesim.Options{Keys: []string{firstKey}, Behavior: &w.plan.behavior, Windows: w.plan.windows})
		w.people = newPeople(w)
		for _, team := range w.sim.Teams() {
			w.sim.RemoveTeam(team.ID)
			w.ledger.gone(team.ID)
		}
		w.begin()
		w.run(30 * time.Second)
		w.script.began = w.tally.calls
		team := &v1alpha1.Team{}
		team.Namespace, team.Name = namespaces[0], "team"
		team.Spec.ConnectionRef.Name, team.Spec.Name = "default", "Alpha"
		team.Spec.Members = []v1alpha1.EmailAddress{root}
		w.people.mustCreate(team)
		w.run(60 * time.Second)
		calls = w.tally.calls - w.script.began
		w.run(15 * time.Minute)
		w.check(never)
		named := w.sim.TeamsNamed("Alpha")
		_, _, ready, _ := readyOf(all[*v1alpha1.Team](w.kube)[0].Status.Conditions, 1)
		if len(named) != 1 || !ready {
			w.fail("the console has %d teams, Ready is %v", len(named), ready)
		}
		lines, wrong = w.lines, w.wrong
		w.shutDown()
	})
	return calls, lines, wrong
}

// TestCreateJournal explores the creation of a Team exhaustively: everything
// that can go wrong at each call to Kubernetes and the console, in all
// combinations of as many mishaps as -depth says. In the end there is one team,
// and nobody had to help.
func TestCreateJournal(t *testing.T) {
	allowed := func(b *consolesim.Behavior) { b.DuplicateTeamNames = consolesim.NamesAllow }
	for name, change := range map[string]func(*consolesim.Behavior){
		"names refused":       func(*consolesim.Behavior) {},
		"names allowed":       allowed,
		"no id in the answer": func(b *consolesim.Behavior) { allowed(b); b.CreateReturnsID = false },
	} {
		t.Run(name, func(t *testing.T) {
			b := consolesim.DefaultBehavior()
			change(&b)
			cases, level := 0, []map[int]mishap{{}}
			for d := 0; d <= *depth; d++ {
				cases += len(level)
				level = explore(t, b, level)
			}
			t.Logf("depth %d: %d cases", *depth, cases)
		})
	}
}

// explore runs scripts, and returns all that have one more mishap, at a later
// call.
func explore(t *testing.T, b consolesim.Behavior, level []map[int]mishap) (deeper []map[int]mishap) {
	next := make([][]map[int]mishap, len(level))
	sideBySide(t, len(level), func(t *testing.T, i int) {
		at := level[i]
		calls, lines, wrong := scripted(t, b, at)
		if len(wrong) > 0 {
			t.Errorf("%v: %v\n%s", at, wrong, tail(lines))
		}
		from := 1
		for call := range at {
			from = max(from, call+1)
		}
		for call := from; call <= calls; call++ {
			for _, m := range mishaps {
				more := maps.Clone(at)
				more[call] = m
				next[i] = append(next[i], more)
			}
		}
	})
	return slices.Concat(next...)
}

// sideBySide does n things, as many at a time as there are processors.
func sideBySide(t *testing.T, n int, do func(t *testing.T, i int)) {
	t.Run("all", func(t *testing.T) {
		var next atomic.Int64
		for i := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprintf("worker %d", i), func(t *testing.T) {
				t.Parallel()
				for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
					do(t, i)
				}
			})
		}
	})
}

// tail is what happened before the end, without what says nothing.
func tail(lines []string) string {
	told := slices.DeleteFunc(slices.Clone(lines), func(line string) bool {
		return strings.Contains(line, " reconciles ") || strings.Contains(line, "status ConsoleConnection")
	})
	return fmt.Sprintf("%d lines\n%s", len(told), strings.Join(told[max(0, len(told)-40):], "\n"))
}
