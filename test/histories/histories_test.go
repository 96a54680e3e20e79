package histories

import (
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"
)

var (
	count = flag.Int("histories", 200, "how many histories are run")
	first = flag.Uint64("first", 1, "the seed of the first one; the others follow")
	one   = flag.Uint64("seed", 0, "replays the history of that seed, and prints all that happened")
)

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	// Little is alive at any time, and much is thrown away.
	debug.SetGCPercent(800)
	os.Exit(m.Run())
}

// How long it takes at most, beside two intervals of drift, once nothing fails
// any more until all is as it should be: a 429 may have closed a quarter of an
// hour. Then for some intervals nothing may happen.
const (
	settling       = 17 * time.Minute
	quietIntervals = 2
)

// A report is what came of a history.
type report struct {
	seed   uint64
	hash   uint64
	lines  []string
	wrong  []string
	tally  tally
	lived  time.Duration
	took   time.Duration
	plan   plan
	twists *twists
}

// history runs the history of a seed, with what twists it has, if any.
func history(t *testing.T, seed uint64, keep, twisted bool) (r report) {
	began := time.Now()
	synctest.Test(t, func(*testing.T) {
		w := newWorld(seed, keep, twisted)
		w.begin()
		w.lives = w.plan.life(w)
		w.people.begin()
		w.people.twist()
		w.run(w.plan.lasts)
		w.settle()
		r = report{seed: seed, hash: w.hash, lines: w.lines, wrong: w.wrong, tally: w.tally, lived: w.now(), plan: w.plan, twists: w.twists}
		w.shutDown()
	})
	r.took = time.Since(began)
	return r
}

// settle ends all faults, has people put right what only they can, waits, and
// compares.
func (w *world) settle() {
	w.note("from here on nothing fails")
	w.calm, w.net.outageUntil, w.net.pause, w.kube.outageUntil = true, 0, 0, 0
	w.people.resume()
	w.people.setKey(w.people.newKey())
	if err := w.sim.SetBehavior(func(b *simBehavior) { b.MoveBetweenPages = 0 }); err != nil {
		panic(err)
	}
	if w.moods != nil {
		w.plan.behavior.ListReturnsID = true // else nobody could ever know some ids
		w.behave()
	}
	w.replace()
	for at := time.Minute; at < settling; at += 5 * time.Minute {
		w.after(at, w.people.approve)
	}
	until := w.now() + settling + 2*w.plan.interval
	w.run(until)
	w.run(until + quietIntervals*w.plan.interval)
	if len(w.wrong) == 0 {
		w.check(until)
	}
}

// shutDown ends every process, so that no goroutine is left.
func (w *world) shutDown() {
	for len(w.processes) > 0 {
		w.crash(w.processes[0])
	}
	time.Sleep(2 * lateEffect) // what the console is still doing ends
	synctest.Wait()
}

// TestHistories runs random histories, as many as -histories says, or the one
// that -seed names.
func TestHistories(t *testing.T) {
	if *one != 0 {
		r := history(t, *one, true, true)
		t.Logf("%s\n%s\n%s", strings.Join(r.lines, "\n"), r.plan, r.twists)
		for _, wrong := range r.wrong {
			t.Error(wrong)
		}
		return
	}
	var total totals
	began := time.Now()
	sideBySide(t, *count, func(t *testing.T, i int) {
		r := history(t, *first+uint64(i), false, true)
		for _, wrong := range r.wrong {
			t.Errorf("seed %d: %s", r.seed, wrong)
		}
		if n := total.add(r); n%500 == 0 {
			// A log of the test would be held back until its end.
			fmt.Fprintf(os.Stdout, "%d of %d histories after %v\n", n, *count, time.Since(began).Round(time.Second))
		}
	})
	t.Logf("\n%s", total.table(time.Since(began)))
}

// TestReplay runs some histories twice: they are the same, step for step.
func TestReplay(t *testing.T) {
	for seed := *first; seed < *first+10; seed++ {
		a := history(t, seed, false, true)
		if b := history(t, seed, false, true); a.hash != b.hash {
			t.Errorf("seed %d is not the same history twice; compare the traces of two runs with -seed %d", seed, seed)
		}
	}
}
