package quota

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// BlockLife is how long after it was drawn up a block of tokens may be
	// used. The longer, the fewer saves a slow trickle of requests costs, and
	// the later the unused tokens of a crashed process come back.
	BlockLife = 15 * time.Second

	// blockAhead is how long before the windows have room a block is saved, so
	// that nobody waits for the save.
	blockAhead = 500 * time.Millisecond

	// firstBlocks is how many of a process's first blocks make a full one.
	firstBlocks = 8

	storeTimeout     = 10 * time.Second
	defaultClockSkew = 2 * time.Second
)

// Durability says how a Limiter keeps its Record.
//
// Requests are recorded ahead of use, in blocks: before a token is used, a
// saved record says that a number of requests may start until some deadline.
// What a process did not record, it did not send; so whoever loads the record,
// after a restart, a crash or a change of leader, knows all requests that may
// have been made.
//
// A block is a quarter of the shortest window, and at least two seconds' worth
// at full speed: so a backlog costs less than one save per second, and while
// one block is being saved the other half of the last one lasts for a second.
// An idle limiter saves nothing. A process begins with an eighth of that, and
// then has blocks of what it has used so far until they are as large as that.
//
// The price of a crash: the unused tokens of the open blocks count as used. As
// a rule these are fewer than one block and a half, which is three eighths of
// the shortest window, and no more than one and a half times what the process
// used; so one that crashes over and over still gets on. And the used tokens of
// these blocks count for longer: until BlockLife, MaxCall and twice ClockSkew
// are over (49 seconds by default; with Exclusive, 10 seconds after the next
// process loads the record) and then the window itself. After Close nothing is
// lost.
type Durability struct {
	// Quota names the quota, so that its own requests count once when its history
	// comes back with that of another one.
	Quota string
	// Identity names this process among those that use the record: it must
	// differ between processes whose clocks may differ, such as the Pod's name.
	Identity string
	// Exclusive says that only the holder of a lock, such as the Lease of a
	// leader election, uses the record. Whoever loads it then knows that the
	// process before has ended, or is about to: nothing of that one reaches the
	// server later than lostGrace (10s) after the load. A save that another
	// process was ahead of proves the contrary, and Exclusive is no longer
	// relied upon.
	Exclusive bool
	// Fresh says that the quota has never been used before, so that a missing
	// record means that nothing was sent. Otherwise a missing record means that
	// every window may be full.
	Fresh bool
	// OnRecordLoss is called, without locks, when the record was missing
	// unexpectedly or damaged, and every window therefore counts as full.
	OnRecordLoss func(reason string)
	// ClockSkew is how far a node's clock may be off; 0 means 2s.
	ClockSkew time.Duration
	// Clock is the wall clock; nil means time.Now.
	Clock func() time.Time
}

// WithStore makes the limiter's history durable.
func WithStore(s Store, d Durability) Option {
	return func(l *Limiter) {
		l.journal = &journal{Durability: d, store: s, event: make(chan struct{})}
		if d.Clock != nil {
			l.clock = d.Clock
		}
		if d.ClockSkew > 0 {
			l.skew = d.ClockSkew
		}
	}
}

// block is a Block of this process.
type block struct {
	left     int // tokens that were not taken
	out      int // tokens taken whose attempt has not ended
	notAfter instant
	revoked  bool // no more tokens may be taken
}

func (b *block) usable(now instant) bool {
	return b.left > 0 && now < b.notAfter && !b.revoked
}

// journal keeps the record ahead of the requests. All but the store's calls
// happens under the limiter's lock.
type journal struct {
	Durability
	store    Store
	work     sync.WaitGroup
	stop     context.CancelFunc // ends a load
	loaded   bool
	unsaved  bool // the store does not hold what was loaded, imported or noted
	noted    int  // how often that was
	written  bool // this or another process has saved the record since the start
	rivalled bool // another process has
	busy     bool // a call to the store is being made
	failures int  // of the store, in a row
	retryAt  instant
	blocks   []*block   // oldest first
	imported []imported // not yet saved
	found    bool       // what was loaded is a record
	event    chan struct{}
}

// happened wakes whoever waits in Sync.
func (j *journal) happened() {
	close(j.event)
	j.event = make(chan struct{})
}

// note has the record saved at once, with what was learned from a 429.
func (j *journal) note() { j.unsaved, j.noted = true, j.noted+1 }

// first returns the oldest block with a usable token, or nil.
func (j *journal) first(now instant) *block {
	for _, b := range j.blocks {
		if b.usable(now) {
			return b
		}
	}
	return nil
}

// take takes a token of a block; there is one.
func (j *journal) take(now instant) *block {
	b := j.first(now)
	b.left--
	b.out++
	return b
}

// left is the number of usable tokens.
func (j *journal) left(now instant) (n int) {
	for _, b := range j.blocks {
		if b.usable(now) {
			n += b.left
		}
	}
	return n
}

// revoke makes all tokens unusable that were not taken.
func (j *journal) revoke() {
	for _, b := range j.blocks {
		b.revoked = true
	}
}

// open lists the blocks for the record and forgets those that are over.
// This process knows what it did not use of them.
func (j *journal) open(now instant, wall func(now, at instant) time.Time) []Block {
	var open []Block
	kept := j.blocks[:0]
	for _, b := range j.blocks {
		n := b.out
		if b.usable(now) {
			n += b.left
		}
		if n > 0 {
			kept = append(kept, b)
			open = append(open, Block{N: n, NotAfter: wall(now, b.notAfter)})
		}
	}
	clear(j.blocks[len(kept):])
	j.blocks = kept
	return open
}

// blockSize is how many tokens the next block has. In the end that is a full
// block, but never much more than were used since the start.
func (l *Limiter) blockSize() int {
	full := l.fullBlock()
	return max(full/firstBlocks, min(full, int(l.taken)), 1)
}

// fullBlock is how many tokens a block has once that many were used.
func (l *Limiter) fullBlock() int {
	if len(l.windows) == 0 {
		return 1
	}
	w := l.windows[0]
	size := max(w.limit/4, int(float64(w.limit)*2/w.Per.Seconds()), 1)
	for _, w := range l.windows {
		size = min(size, w.limit*max(1, int(BlockLife/w.Per)))
	}
	return size
}

// journalNext does what is due to the record, and returns when to look again.
// room is when the next waiting request fits into the windows.
func (l *Limiter) journalNext(now, room instant) instant {
	j := l.journal
	if j.busy {
		return never
	}
	at, size := j.retryAt, 0
	if j.loaded {
		wanted := room != never && j.left(max(now, room)) < max(1, l.blockSize()/2)
		switch due := room - blockAhead; {
		case wanted && (due <= now || !j.unsaved):
			at, size = max(at, due), l.blockSize()
		case !j.unsaved:
			return never
		}
	}
	if at > now {
		return at
	}
	j.busy = true
	if j.loaded {
		l.save(now, size)
	} else {
		l.load()
	}
	return never
}

// save saves the record with another block of that size, or none.
func (l *Limiter) save(now instant, size int) {
	j := l.journal
	b := &block{left: size, notAfter: now + BlockLife}
	r := l.snapshot(now)
	if size > 0 {
		r.Open = append(r.Open, Block{N: size, NotAfter: l.wall(now, b.notAfter)})
	}
	imported, noted := len(j.imported), j.noted
	j.work.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
		defer cancel()
		err := j.store.Save(ctx, r)
		now := l.lock()
		defer l.unlock(now)
		defer j.happened()
		j.busy = false
		switch {
		case err == nil:
			j.failures = 0
			j.written = true
			if imported == len(j.imported) {
				j.imported, j.unsaved = nil, noted != j.noted
				j.blocks = append(j.blocks, b)
			}
		case errors.Is(err, ErrConflict):
			// Somebody else counts what is open as used; so must we.
			j.revoke()
			j.loaded, j.written, j.rivalled = false, true, true
		default:
			l.storeFailed(now)
		}
	})
}

func (l *Limiter) load() {
	j := l.journal
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	j.stop = cancel
	j.work.Go(func() {
		defer cancel()
		r, err := j.store.Load(ctx)
		now := l.lock()
		defer l.unlock(now)
		defer j.happened()
		j.busy = false
		lost := ""
		switch {
		case err == nil:
		case errors.Is(err, ErrNoRecord):
			if !j.Fresh || j.written {
				lost = "the record of past calls is missing"
			}
		case errors.Is(err, ErrDamaged):
			lost = "the record of past calls is damaged"
		default:
			l.storeFailed(now)
			return
		}
		// What a process believes that finds no record is not believed anew by the
		// next one, which would wait as long again.
		j.failures, j.loaded, j.found, j.unsaved = 0, true, err == nil, err != nil || len(j.imported) > 0
		// The record includes our own open blocks, and so all we have sent.
		l.clear()
		if err == nil {
			l.restore(now, r, l.formerEnd(now), 0)
		}
		for _, i := range j.imported {
			l.inherit(now, i)
		}
		if lost != "" {
			l.spendAll(now)
			if j.OnRecordLoss != nil {
				l.calls = append(l.calls, func() {
					j.OnRecordLoss(fmt.Sprintf("%s: every window counts as used", lost))
				})
			}
		}
	})
}

// clear forgets all requests that ended, as what is restored next holds them.
func (l *Limiter) clear() {
	for _, w := range l.windows {
		w.clear()
	}
	l.memory, l.past = nil, 0
	for i := range l.sources {
		l.sources[i].at = time.Time{}
	}
}

// outlast is when the last attempt is over on any token recorded until now.
func (l *Limiter) outlast(now instant) instant { return now + BlockLife + l.maxCall }

// formerEnd is when the server has seen the last request of the process that
// used the record before.
func (l *Limiter) formerEnd(now instant) instant {
	if j := l.journal; j.Exclusive && !j.rivalled {
		return min(now+lostGrace, l.outlast(now))
	}
	return l.outlast(now)
}

func (l *Limiter) storeFailed(now instant) {
	j := l.journal
	j.retryAt = now + backoff(j.failures, l.jitter())
	j.failures++
}

// finish waits for the call to the store under way and saves a last record, in
// which only attempts under way are open.
func (l *Limiter) finish() {
	j := l.journal
	now := l.lock()
	if j.stop != nil {
		j.stop()
	}
	l.unlock(now)
	j.work.Wait()
	now = l.lock()
	j.revoke()
	r, needed := l.snapshot(now), j.loaded && j.written
	l.unlock(now)
	if !needed {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	// Without the last record the open blocks count as used, which is safe.
	_ = j.store.Save(ctx, r)
}
