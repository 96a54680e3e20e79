package quota

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

const (
	// grantTTL is how long a token is held for a ticket whose owner does not
	// come for it. Then the token is given back and the ticket dropped.
	grantTTL = 30 * time.Second

	defaultShare   = 90
	defaultMaxCall = 30 * time.Second
)

// Limiter shares the quota of one project. Its methods may be called from any
// number of goroutines.
type Limiter struct {
	base    time.Time // instants count from here
	jitter  func() float64
	maxCall time.Duration
	skew    time.Duration    // how far a node's clock may be off
	clock   func() time.Time // the wall clock, for records

	mu      sync.Mutex
	config  Config
	windows []*window // by length
	// memory, if not nil, is longer than any window and limits nothing: it holds
	// what a record or a former configuration knew, for windows to come.
	memory *window
	use    usage
	past   int // requests known from records
	// sources are the quotas whose requests count: first this one.
	sources []origin
	exempt  exempt
	gate    gate
	workers *Workers // nil: any number
	cap     concurrencyCap
	journal *journal // nil without a Store
	caution caution
	// recalled holds the guesses of a record, by the length of their windows.
	recalled map[time.Duration]guess

	paid, unpaid queue // requests that need a token, and those that do not
	tickets      map[string]*ticket
	granted      []*ticket // by expiry, with gaps
	calls        []func()  // Notify functions to be called after unlocking
	onPause      func()

	timer   *time.Timer
	timerAt instant
	closed  bool

	totals   Totals
	taken    uint64 // tokens taken and not returned unspent
	epoch    uint64 // counts the events that make forecasts wrong
	forecast [2]forecast
}

// Option changes how a Limiter works.
type Option func(*Limiter)

// WithJitter replaces the source of the random part of pauses: values in [0,1).
func WithJitter(f func() float64) Option { return func(l *Limiter) { l.jitter = f } }

// Jitter is a value in [0,1) for the random part of a pause beside the
// limiter's own, from the source that [WithJitter] sets.
func (l *Limiter) Jitter() float64 { return l.jitter() }

// OnPause has f called, without locks, whenever the gate closes, and whenever a
// guess is made or dropped. It must not block. A later f replaces it.
func (l *Limiter) OnPause(f func()) {
	now := l.lock()
	defer l.unlock(now)
	l.onPause = f
}

// paused has the function of OnPause called.
func (l *Limiter) paused() {
	if l.onPause != nil {
		l.calls = append(l.calls, l.onPause)
	}
}

// WithMaxCall sets the longest time from the start of an attempt until the
// server can no longer see it; 30s by default. Callers bound their attempts by
// [Permit.Deadline].
func WithMaxCall(d time.Duration) Option { return func(l *Limiter) { l.maxCall = d } }

// New makes a Limiter. Close ends it.
func New(cfg Config, opts ...Option) *Limiter {
	l := &Limiter{
		base:    time.Now(),
		jitter:  rand.Float64,
		maxCall: defaultMaxCall,
		skew:    defaultClockSkew,
		clock:   time.Now,
		tickets: make(map[string]*ticket),
		sources: make([]origin, 1),

		recalled: make(map[time.Duration]guess),
		timerAt:  never,
		gate:     gate{closedAt: -1},
	}
	for _, o := range opts {
		o(l)
	}
	l.cap.workers = l.workers
	l.timer = time.AfterFunc(time.Hour, l.wake)
	l.timer.Stop()
	l.Reconfigure(cfg)
	return l
}

// Close gives up all tickets: Acquire returns ErrClosed and no Notify function
// is called any more. Attempts under way may still be ended. With a Store,
// Close saves the record a last time, for which it takes up to 20 seconds.
func (l *Limiter) Close() {
	now := l.lock()
	if l.closed {
		l.mu.Unlock()
		return
	}
	l.closed = true
	l.timer.Stop()
	wake := func(t *ticket) {
		if t.ready != nil {
			t.ready <- struct{}{}
		}
	}
	l.paid.drain(wake)
	l.unpaid.drain(wake)
	for _, t := range l.granted {
		if t.granted {
			l.release(t.hold)
		}
	}
	l.granted = nil
	clear(l.tickets)
	l.unlock(now)
	if l.journal != nil {
		l.finish()
	}
}

// underway is the number of attempts under way, granted tickets included, that
// count, or that do not.
func (l *Limiter) underway(counts bool) int {
	if counts {
		return l.use.held
	}
	return l.exempt.use.held
}

// counts says whether a request needs a token.
func (l *Limiter) counts(mutation bool) bool { return mutation || !l.config.MutationsOnly }

func (l *Limiter) queue(mutation bool) *queue {
	if l.counts(mutation) {
		return &l.paid
	}
	return &l.unpaid
}

func (l *Limiter) now() instant { return time.Since(l.base) }

// lock returns the current instant, with everything expired that is due.
func (l *Limiter) lock() instant {
	l.mu.Lock()
	now := l.now()
	for _, w := range l.remembering() {
		w.expire(now)
	}
	for len(l.granted) > 0 && (!l.granted[0].granted || l.granted[0].expires <= now) {
		if t := l.granted[0]; t.granted {
			l.drop(t)
		}
		l.granted = l.granted[1:]
	}
	return now
}

// unlock grants what can be granted, sets the timer, and only then, without
// the lock, calls the Notify functions.
func (l *Limiter) unlock(now instant) {
	if !l.closed {
		l.pump(now)
		l.schedule(now)
	}
	calls := l.calls
	l.calls = nil
	l.mu.Unlock()
	for _, f := range calls {
		f()
	}
}

func (l *Limiter) wake() {
	now := l.lock()
	l.timerAt = never
	l.unlock(now)
}

// pump grants tokens to the heads of the queues as far as possible.
func (l *Limiter) pump(now instant) {
	l.use.busy = l.use.people()+l.paid.people() > 0
	for _, q := range l.inOrder() {
		for t := q.head(); t != nil; t = q.head() {
			counts := q == &l.paid
			if l.obstacle(now, t.Lane, counts) != 0 {
				break
			}
			q.pop()
			l.grant(now, t, counts)
		}
	}
}

// inOrder returns the queues in the order in which they are served. Requests that
// do not count are in nobody's way, unless one of all is to try the API again.
func (l *Limiter) inOrder() [2]*queue {
	paid, unpaid := l.paid.head(), l.unpaid.head()
	if l.gate.trial && paid != nil && unpaid != nil && paid.Lane < unpaid.Lane {
		return [...]*queue{&l.paid, &l.unpaid}
	}
	return [...]*queue{&l.unpaid, &l.paid}
}

func (l *Limiter) grant(now instant, t *ticket, counts bool) {
	t.hold = l.take(now, t.Lane, counts, t.ready == nil)
	t.granted = true
	if t.ready != nil {
		t.ready <- struct{}{}
		return
	}
	t.expires = now + grantTTL
	l.granted = append(l.granted, t)
	if t.Notify != nil {
		l.calls = append(l.calls, t.Notify)
		t.Notify = nil
	}
}

// obstacle says why a request of the lane cannot start now; 0 if it can.
func (l *Limiter) obstacle(now instant, lane Lane, counts bool) Reason {
	if r := l.gate.closed(now); r != 0 {
		return r
	}
	if counts {
		for _, w := range l.windows {
			if w.room(lane, l.use) > now {
				return ReasonQuota
			}
		}
	}
	switch {
	case l.cap.full(l.underway(counts), counts), counts && l.cap.room(l.use.held) > now:
		return ReasonAnswers
	case l.probeRoom(counts) > now:
		return ReasonGuess
	case !counts:
		return 0
	}
	if l.journal != nil && (!l.journal.loaded || l.journal.first(now) == nil) {
		return ReasonRecord
	}
	return 0
}

// schedule sets the timer to the next instant at which something can happen by
// itself.
func (l *Limiter) schedule(now instant) {
	next := never
	if l.unpaid.len() > 0 && !l.gate.out && !l.cap.full(l.underway(false), false) {
		next = max(l.gate.until, l.probeRoom(false))
	}
	room := never
	if t := l.paid.head(); t != nil && !(l.gate.trial && l.gate.out) {
		room = max(l.gate.until, l.cap.room(l.use.held), l.probeRoom(true))
		for _, w := range l.windows {
			room = max(room, w.room(t.Lane, l.use))
		}
		if room > now && !l.cap.full(l.underway(true), true) {
			next = min(next, room)
		}
	}
	if l.journal != nil {
		next = min(next, l.journalNext(now, room))
	}
	if len(l.granted) > 0 {
		next = min(next, l.granted[0].expires)
	}
	if next != l.timerAt {
		l.timerAt = next
		if next == never {
			l.timer.Stop()
		} else {
			l.timer.Reset(next - now)
		}
	}
}

// remembering returns the windows and, last, the memory.
func (l *Limiter) remembering() []*window {
	if l.memory == nil {
		return l.windows
	}
	return append(l.windows[:len(l.windows):len(l.windows)], l.memory)
}

// Reconfigure applies new limits at once. Requests already made still count,
// also in windows that are new; where it is not known how many were made, the
// window is full.
func (l *Limiter) Reconfigure(cfg Config) {
	now := l.lock()
	defer l.unlock(now)
	share := cfg.Share
	if share <= 0 {
		share = defaultShare
	}
	share = min(share, 100)
	var windows []*window
	old := l.remembering()
	for _, c := range cfg.Windows {
		if c.Per > 0 {
			w := newWindow(c, share)
			w.inherit(now, old, l.past+int(l.taken)-l.use.held, 0)
			if i := slices.IndexFunc(l.windows, func(o *window) bool { return o.Per == c.Per }); i >= 0 {
				w.guess = l.windows[i].guess
			}
			windows = append(windows, w)
		}
	}
	slices.SortStableFunc(windows, func(a, b *window) int { return int(a.Per - b.Per) })
	var waiting []*ticket
	collect := func(t *ticket) { waiting = append(waiting, t) }
	l.unpaid.drain(collect)
	l.paid.drain(collect)
	l.remember(now, old, windows)
	l.assign(windows)
	l.windows, l.config = windows, cfg
	l.countExempt(now)
	l.cap.configure(windows)
	for _, t := range waiting {
		l.queue(t.Mutation).push(t, false)
	}
	l.epoch++
}

// remember keeps the longest of the old windows as a memory if none of the new
// ones is as long.
func (l *Limiter) remember(now instant, old, windows []*window) {
	if len(old) == 0 {
		return
	}
	longest := old[len(old)-1]
	if n := len(windows); n > 0 && windows[n-1].Per >= longest.Per {
		l.memory = nil
		return
	}
	if longest == l.memory {
		return
	}
	l.memory = newMemory(longest.Per)
	l.memory.inherit(now, old, 0, 0)
}
