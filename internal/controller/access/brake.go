package access

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
)

// A Brake keeps a mass deletion from emptying the console unattended. It lets
// so many deletions pass within a time. When one more is wanted it holds that
// one and all that follow, and none trickles as time passes: held deletions
// pass only when a person has approved them. Before [Brake.Configure] it holds
// everything. What it must not forget is saved before it is relied on, see
// [BrakeRecord].
type Brake struct {
	onChange func()
	save     func(context.Context, BrakeRecord) error

	mu        sync.Mutex
	max       int
	per       time.Duration
	deletions map[string]*deletion
	// done is when deletions that have ended were sent.
	done []time.Time
	// approved is up to where, in the order of age, held deletions were approved.
	approved mark

	saving chan struct{}
	saved  BrakeRecord
}

// A Deletion is one that a brake is asked about.
type Deletion struct {
	Key string
	// Since is when it was first wanted: the oldest are approved first.
	Since time.Time
	// Held: it was held before this process began.
	Held bool
	// Release is called when it may be asked for again; it may be nil.
	Release func()
}

type deletion struct {
	Deletion
	// passing: it may go ahead, whether or not it needed a person's approval.
	passing, approved bool
	// sent is when it was last sent to the console; zero before.
	sent time.Time
}

// NewBrake returns a brake that begins where record ends. onChange is called,
// without locks held, whenever what is held or approved has changed, save to
// keep a record of what the next process has to know. Both may be nil.
func NewBrake(record BrakeRecord, onChange func(), save func(context.Context, BrakeRecord) error) *Brake {
	b := &Brake{saving: make(chan struct{}, 1), deletions: map[string]*deletion{}, onChange: onChange, save: save, saved: record}
	b.restore(record)
	return b
}

// Configure sets how many deletions may pass within a time.
func (b *Brake) Configure(maxDeletes int, per time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.max, b.per = maxDeletes, per
}

// Pass reports whether a deletion may go ahead. One that has passed passes, and
// counts, until [Brake.Drop].
func (b *Brake) Pass(asked Deletion) bool {
	b.mu.Lock()
	defer b.changed(b.standing())
	return b.decide(asked).passing
}

// decide needs b.mu.
func (b *Brake) decide(asked Deletion) *deletion {
	known := b.deletions[asked.Key]
	if known == nil {
		known = &deletion{passing: !asked.Held && b.free()}
		b.deletions[asked.Key] = known
	}
	known.Deletion = asked
	return known
}

// free reports whether one more deletion may pass unapproved. It needs b.mu.
func (b *Brake) free() bool {
	now := time.Now()
	b.done = slices.DeleteFunc(b.done, func(t time.Time) bool { return now.Sub(t) >= b.per })
	held, _ := b.standing()
	return held == 0 && len(b.deletions)+len(b.done) < b.max
}

// Sending notes that a deletion which passed is sent to the console now. After
// an error it must not be, because the next process would not know of it.
func (b *Brake) Sending(ctx context.Context, key string) error {
	b.mu.Lock()
	if known := b.deletions[key]; known != nil {
		known.sent = time.Now()
	} else {
		b.done = append(b.done, time.Now())
	}
	b.mu.Unlock()
	return b.Save(ctx)
}

// Drop forgets a deletion that is done, or no longer wanted. If it was sent it
// counts for as long as any.
func (b *Brake) Drop(key string) {
	b.mu.Lock()
	defer b.changed(b.standing())
	b.drop(key)
}

// drop needs b.mu.
func (b *Brake) drop(key string) {
	if known := b.deletions[key]; known != nil && !known.sent.IsZero() {
		b.done = append(b.done, known.sent)
	}
	delete(b.deletions, key)
}

// Resume takes over, at the beginning and after a pause, which deletions are
// wanted: those that were held stay held, those that were approved or sent
// before go on, those that are not wanted any more are dropped, and the rest are
// as if asked for now, by age.
func (b *Brake) Resume(wanted []Deletion) {
	b.mu.Lock()
	defer b.changed(b.standing())
	wanted = slices.SortedFunc(slices.Values(wanted), func(x, y Deletion) int { return markOf(x).compare(markOf(y)) })
	still := map[string]bool{}
	for _, d := range wanted {
		still[d.Key] = true
		// Another object of this name may have been deleted before.
		if known := b.deletions[d.Key]; known != nil && !known.sent.IsZero() && known.sent.Before(d.Since) {
			b.drop(d.Key)
		}
	}
	for key := range b.deletions {
		if !still[key] {
			b.drop(key)
		}
	}
	for _, held := range []bool{true, false} {
		for _, d := range wanted {
			if d.Held == held {
				b.take(d)
			}
		}
	}
}

// take is decide for a deletion that may be approved since before. It needs b.mu.
func (b *Brake) take(d Deletion) {
	if b.deletions[d.Key] == nil && !b.approved.before(markOf(d)) {
		b.deletions[d.Key] = &deletion{Deletion: d, passing: true, approved: true}
		return
	}
	b.decide(d)
}

// Approve lets the oldest n of the deletions held now pass; a negative n: all of
// them. It returns how many that are of how many. Later ones it does not concern.
func (b *Brake) Approve(n int) (approved, held int) {
	b.mu.Lock()
	var waiting []*deletion
	for _, d := range b.deletions {
		if !d.passing {
			waiting = append(waiting, d)
		}
	}
	slices.SortFunc(waiting, func(x, y *deletion) int { return markOf(x.Deletion).compare(markOf(y.Deletion)) })
	held = len(waiting)
	if n >= 0 {
		waiting = waiting[:min(n, held)]
	}
	if _, unfinished := b.standing(); unfinished == 0 {
		b.approved = mark{}
	}
	var release []func()
	for _, d := range waiting {
		d.passing, d.approved = true, true
		release = append(release, d.Release)
		if up := markOf(d.Deletion); b.approved.before(up) {
			b.approved = up
		}
	}
	b.changed(held, -1)
	for _, f := range release {
		if f != nil {
			f()
		}
	}
	return len(waiting), held
}

// Standing returns how many deletions are held, and how many are approved and
// not done yet.
func (b *Brake) Standing() (held, approved int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.standing()
}

// standing needs b.mu.
func (b *Brake) standing() (held, approved int) {
	for _, d := range b.deletions {
		switch {
		case !d.passing:
			held++
		case d.approved:
			approved++
		}
	}
	return held, approved
}

// Limit returns how many deletions may pass within which time.
func (b *Brake) Limit() (maxDeletes int, per time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.max, b.per
}

// changed unlocks b.mu and tells of a change against the numbers given.
func (b *Brake) changed(held, approved int) {
	h, a := b.standing()
	b.mu.Unlock()
	if (h != held || a != approved) && b.onChange != nil {
		b.onChange()
	}
}

// A mark is a deletion's place in the order of age.
type mark struct {
	since time.Time
	key   string
}

func markOf(d Deletion) mark { return mark{since: d.Since, key: d.Key} }

func (m mark) compare(o mark) int {
	return cmp.Or(m.since.Compare(o.since), cmp.Compare(m.key, o.key))
}

func (m mark) before(o mark) bool { return m.compare(o) < 0 }
