package access

import (
	"slices"
	"sync"
	"time"
)

// A Brake keeps a mass deletion from emptying the console unattended. It lets
// so many deletions pass within a time. When one more is wanted it holds that
// one and all that follow, and none trickles as time passes: held deletions
// pass only when a person has approved them. Before [Brake.Configure] it holds everything.
type Brake struct {
	mu       sync.Mutex
	max      int
	per      time.Duration
	passed   []time.Time
	passing  map[string]bool
	held     map[string]func()
	credit   int
	onChange func()
}

// NewBrake returns a brake. onChange is called, without locks held, whenever
// what is held or approved has changed.
func NewBrake(onChange func()) *Brake {
	return &Brake{held: map[string]func(){}, passing: map[string]bool{}, onChange: onChange}
}

// Configure sets how many deletions may pass within a time.
func (b *Brake) Configure(maxDeletes int, per time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.max, b.per = maxDeletes, per
}

// Pass reports whether the deletion of key may go ahead, and counts it once:
// a key that has passed passes until [Brake.Drop]. If it may not it is held,
// and release is called when it may be asked for again. wasHeld says that it
// was held before this process began.
func (b *Brake) Pass(key string, wasHeld bool, release func()) bool {
	b.mu.Lock()
	defer b.changed(len(b.held), b.credit)
	if b.passing[key] {
		return true
	}
	now := time.Now()
	b.passed = slices.DeleteFunc(b.passed, func(t time.Time) bool { return now.Sub(t) >= b.per })
	_, holds := b.held[key]
	switch {
	case b.credit > 0:
		b.credit--
	case holds || wasHeld || len(b.held) > 0 || len(b.passed) >= b.max:
		b.held[key] = release
		return false
	}
	delete(b.held, key)
	b.passing[key] = true
	b.passed = append(b.passed, now)
	return true
}

// Drop forgets a deletion that is done, or no longer wanted.
func (b *Brake) Drop(key string) {
	b.mu.Lock()
	defer b.changed(len(b.held), b.credit)
	delete(b.held, key)
	delete(b.passing, key)
}

// Clear forgets who asked, not what passed and what is approved: after a pause,
// whoever still wants to be deleted asks again, and knows whether it was held.
func (b *Brake) Clear() {
	b.mu.Lock()
	defer b.changed(len(b.held), b.credit)
	clear(b.held)
	clear(b.passing)
}

// Approve lets n more deletions pass; a negative n: all that are held now.
func (b *Brake) Approve(n int) {
	b.mu.Lock()
	if n < 0 {
		n = len(b.held)
	}
	b.credit += n
	release := make([]func(), 0, len(b.held))
	for _, f := range b.held {
		release = append(release, f)
	}
	b.mu.Unlock()
	for _, f := range release {
		f()
	}
}

// Standing returns how many deletions are held, and how many are approved and
// have not passed yet.
func (b *Brake) Standing() (held, approved int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.held), b.credit
}

// Limit returns how many deletions may pass within which time.
func (b *Brake) Limit() (maxDeletes int, per time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.max, b.per
}

// changed unlocks b.mu and tells of a change against the numbers given.
func (b *Brake) changed(held, credit int) {
	differs := len(b.held) != held || b.credit != credit
	b.mu.Unlock()
	if differs && b.onChange != nil {
		b.onChange()
	}
}
