package histories

import (
	"container/heap"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"github.com/console-access/console-access-operator/internal/consolesim"
)

// maxSteps ends a history that does not: nothing needs so many.
const maxSteps = 1_000_000

// moody is how many histories there are for each with moods.
const moody = 3

// A world is everything outside of the operator's processes. It does one thing
// at a time, when everybody else waits, so that nothing depends on how
// goroutines are scheduled.
type world struct {
	rng *rand.Rand
	// moods decides when the console begins to answer in other ways, Kubernetes
	// does not answer, and who is halted; nil: never.
	moods *rand.Rand
	plan  plan
	// twists are what else comes to pass; nil: nothing.
	twists *twists
	start  time.Time
	kube   *kube
	sim    *consolesim.Server
	net    *network

	self      *process   // asks for the world itself
	processes []*process // that live
	born      int
	people    *people
	ledger    *ledger
	// lives counts the calls until the next crash; negative: none.
	lives int
	calm  bool // no more faults
	// script has certain things happen at certain calls, and nothing by chance.
	script *script

	mu     sync.Mutex
	inbox  []*ask
	asked  []*ask   // taken from the inbox
	told   []string // events of the last step
	wakeup chan struct{}

	events eventHeap
	seq    int

	hash  uint64
	lines []string // the trace, while it is kept
	keep  bool
	tally tally
	wrong []string
}

// An ask is something a process wants of the world.
type ask struct {
	key  string // orders what is asked at the same moment
	by   *process
	do   func()
	done chan struct{}
	lost bool // the process died first
}

// An event happens at its time.
type event struct {
	at  time.Duration
	seq int
	do  func()
}

type eventHeap []event

func (h eventHeap) Len() int { return len(h) }
func (h eventHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].seq < h[j].seq
}
func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *eventHeap) Push(e any)   { *h = append(*h, e.(event)) }
func (h *eventHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}

func newWorld(seed uint64, keep, twisted bool) *world {
	w := &world{
		rng: rand.New(rand.NewPCG(seed, 1)), start: time.Now(), keep: keep,
		wakeup: make(chan struct{}, 1), lives: -1,
	}
	w.plan = drawPlan(w)
	if seed%moody == 0 {
		w.moods = rand.New(rand.NewPCG(seed, 2))
	}
	if twisted {
		w.twists = drawTwists(w, seed)
	}
	w.self = &process{w: w, name: "world"}
	w.kube = newKube(w)
	w.ledger = newLedger(w)
	w.sim = consolesim.New(consolesim.Options{Keys: []string{firstKey}, Behavior: &w.plan.behavior, Windows: w.plan.windows, Observe: w.ledger.watch.observe})
	w.sim.AddProject("foreign", foreignKey).PutUser(consolesim.User{Email: root, Role: consolesim.RoleAdmin})
	w.net = &network{w: w}
	w.people = newPeople(w)
	return w
}

// now is how long the world exists.
func (w *world) now() time.Duration { return time.Since(w.start) }

// after has something happen later.
func (w *world) after(d time.Duration, do func()) {
	w.seq++
	heap.Push(&w.events, event{at: w.now() + max(d, 0), seq: w.seq, do: do})
}

// between draws a time.
func (w *world) between(least, most time.Duration) time.Duration {
	return least + time.Duration(w.rng.Int64N(int64(most-least)+1))
}

// chance is true with that probability.
func (w *world) chance(p float64) bool { return p > 0 && w.rng.Float64() < p }

// oneOf draws an item.
func oneOf[T any](w *world, items ...T) T { return items[w.rng.IntN(len(items))] }

// note adds to the trace, and so to its hash.
func (w *world) note(format string, args ...any) {
	line := fmt.Sprintf("%-16v ", w.now()) + fmt.Sprintf(format, args...)
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%d %s", w.hash, line) // a hash takes everything
	w.hash = h.Sum64()
	if w.keep {
		w.lines = append(w.lines, line)
	}
}

// fail notes what must not be.
func (w *world) fail(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.note("WRONG: %s", text)
	if len(w.wrong) < 20 {
		w.wrong = append(w.wrong, text)
	}
}

// post hands an ask over to the world. It is false for a dead process.
func (w *world) post(a *ask) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if a.by.dead {
		return false
	}
	w.inbox = append(w.inbox, a)
	w.signal()
	return true
}

// signal tells the world that there may be something to do.
func (w *world) signal() {
	select {
	case w.wakeup <- struct{}{}:
	default:
	}
}

// collect does one of the things that were asked, in an order that does not
// depend on who came first.
func (w *world) collect() bool {
	w.mu.Lock()
	asked, told := w.inbox, w.told
	w.inbox, w.told = nil, nil
	w.mu.Unlock()
	slices.Sort(told)
	for _, line := range told {
		w.note("%s", line)
	}
	slices.SortStableFunc(asked, func(a, b *ask) int { return strings.Compare(a.key, b.key) })
	w.asked = append(w.asked, asked...)
	if len(w.asked) == 0 {
		return false
	}
	// One at a time: each may let a goroutine go on.
	a := w.asked[0]
	w.asked = w.asked[1:]
	if !a.by.dead {
		a.do()
	}
	return true
}

// run lets things happen until that time, or until something is wrong.
func (w *world) run(until time.Duration) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for len(w.wrong) == 0 {
		synctest.Wait()
		if w.tally.steps++; w.tally.steps > maxSteps {
			w.fail("the history does not end: %d steps", w.tally.steps)
			return
		}
		if w.collect() || w.happen() || w.reconcile() {
			continue
		}
		next := until
		if len(w.events) > 0 {
			next = min(next, w.events[0].at)
		}
		for _, p := range w.processes {
			next = min(next, p.nextReady())
		}
		left := next - w.now()
		if left <= 0 {
			return
		}
		timer.Reset(left)
		select {
		case <-timer.C:
		case <-w.wakeup:
		}
	}
}

// happen lets one event happen that is due.
func (w *world) happen() bool {
	if len(w.events) == 0 || w.events[0].at > w.now() {
		return false
	}
	heap.Pop(&w.events).(event).do()
	return true
}

// reconcile has one object looked at.
func (w *world) reconcile() bool {
	var ready []candidate
	for _, p := range w.processes {
		ready = p.ready(ready)
	}
	if len(ready) == 0 {
		return false
	}
	// As a rule the most urgent of a queue goes first.
	c := ready[w.rng.IntN(len(ready))]
	if !w.chance(w.plan.disorder) {
		for _, other := range ready {
			if other.queue == c.queue && other.priority > c.priority {
				c = other
			}
		}
	}
	w.tally.reconciles++
	if w.keep {
		w.lines = append(w.lines, fmt.Sprintf("%-16v %s reconciles %s %s", w.now(), c.queue.process.name, c.queue.name, c.request))
	}
	c.queue.hand(c.request)
	return true
}

// called makes a call of a process and answers it, or crashes the process when
// its time has come: before the call has its effect, or before the answer.
func (w *world) called(p *process, do, answer func()) {
	w.tally.calls++
	if w.script != nil {
		w.follow(p, do, answer)
		return
	}
	dies := false
	if w.lives >= 0 && !w.calm {
		if w.lives--; w.lives < 0 {
			w.lives, dies = w.plan.life(w), true
		}
	}
	if dies && w.chance(0.5) {
		w.note("%s crashes before its next call", p.name)
		w.crash(p)
		return
	}
	do()
	if dies {
		w.crash(p)
		return
	}
	answer()
}
