package console

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/console-access/console-access-operator/internal/quota"
)

// ErrReading says that what was asked for is being read; the caller is
// notified when the reading has ended, well or not.
var ErrReading = errors.New("the console is being read")

// Pauses between attempts at a listing that somebody waits for.
const (
	listRetryMin = time.Second
	listRetryMax = 30 * time.Second
)

// A reader reads one kind of listing: once at a time, for everybody who asks,
// and again by itself while somebody waits and it fails.
type reader[T any] struct {
	ctx context.Context
	// key is the reader's name to the quota.
	key  string
	list func(context.Context, quota.Request) (Listing[T], error)
	// accept is handed each good listing, and the readings up to it, before those
	// who wait are told.
	accept func(Listing[T], readings)
	// promote moves the pages of a listing to a more urgent lane.
	promote func(*quota.Urgency, quota.Lane)
	// jitter is a value in [0,1) for the random part of a pause.
	jitter func() float64

	mu       sync.Mutex
	read     readings
	err      error
	failures int
	retryAt  time.Time
	running  *run
	waiters  map[string]waiter
}

// ListingInfo tells of the last good reading of a listing.
type ListingInfo struct {
	// StartedAt is when it began; zero when there was none.
	StartedAt time.Time
	// Complete is false when absence from it means nothing.
	Complete bool
	// Pages is what it cost.
	Pages  int
	digest uint64
}

type waiter struct {
	since  time.Time
	lane   quota.Lane
	notify func()
}

type run struct {
	// lane is the most urgent one of those who wait for it.
	lane    quota.Lane
	urgency *quota.Urgency
}

// ensure returns nil when the last good listing began at since or later, and a
// zero since is satisfied by any. Otherwise it sees to it that one is read,
// remembers to notify the caller, and returns ErrReading, which also wraps the
// error of the last attempt while attempts fail.
func (r *reader[T]) ensure(by quota.Request, since time.Time) error {
	promoted, err := r.join(by, since)
	if promoted != nil {
		// Without the lock, as it may notify others.
		r.promote(promoted, by.Lane)
	}
	return err
}

// join is ensure, but returns what is to be promoted to the caller's lane.
func (r *reader[T]) join(by quota.Request, since time.Time) (promoted *quota.Urgency, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.satisfies(since) {
		delete(r.waiters, by.Key)
		return nil, nil
	}
	lane := by.Lane
	if r.read.last().StartedAt.IsZero() {
		// Nobody can be served before there is a first listing.
		lane = min(lane, quota.Change)
	}
	r.waiters[by.Key] = waiter{since: since, lane: lane, notify: by.Notify}
	switch {
	case r.running == nil && !time.Now().Before(r.retryAt):
		r.start(lane)
	case r.running != nil && lane < r.running.lane:
		// A check for drift waits for what people wait for, not the reverse.
		r.running.lane, promoted = lane, r.running.urgency
	}
	if r.err != nil {
		return promoted, fmt.Errorf("%w again after: %w", ErrReading, r.err)
	}
	return promoted, ErrReading
}

func (r *reader[T]) satisfies(since time.Time) bool {
	last := r.read.last().StartedAt
	return !last.IsZero() && !last.Before(since)
}

// start needs r.mu.
func (r *reader[T]) start(lane quota.Lane) {
	current := &run{lane: lane, urgency: quota.NewUrgency(lane)}
	r.running = current
	go func() {
		listing, err := r.list(r.ctx, quota.Request{Key: r.key, Lane: lane, Urgency: current.urgency})
		r.finish(listing, err)
	}()
}

func (r *reader[T]) finish(listing Listing[T], err error) {
	r.mu.Lock()
	listing.Complete = listing.Complete || listing.Digest != 0 && listing.Digest == r.read.last().digest
	read := r.read.with(ListingInfo{StartedAt: listing.StartedAt, Complete: listing.Complete, Pages: listing.Pages, digest: listing.Digest})
	r.mu.Unlock()
	if r.ctx.Err() != nil {
		return
	}
	if err == nil {
		r.accept(listing, read)
	}
	r.mu.Lock()
	r.running, r.err = nil, err
	var tell []func()
	if err != nil {
		r.failures++
		pause := min(listRetryMax, listRetryMin<<min(r.failures-1, 10))
		pause += time.Duration(r.jitter() * float64(pause) / 4)
		r.retryAt = time.Now().Add(pause)
		time.AfterFunc(pause, r.retry)
		for _, w := range r.waiters {
			tell = append(tell, w.notify)
		}
	} else {
		r.failures = 0
		r.read = read
		for key, w := range r.waiters {
			if r.satisfies(w.since) {
				tell = append(tell, w.notify)
				delete(r.waiters, key)
			}
		}
		r.startForWaiters()
	}
	r.mu.Unlock()
	for _, notify := range tell {
		if notify != nil {
			notify()
		}
	}
}

func (r *reader[T]) retry() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx.Err() == nil && r.running == nil {
		r.startForWaiters()
	}
}

// startForWaiters needs r.mu.
func (r *reader[T]) startForWaiters() {
	if len(r.waiters) == 0 {
		return
	}
	lane := quota.Drift
	for _, w := range r.waiters {
		lane = min(lane, w.lane)
	}
	r.start(lane)
}

// withdraw forgets that somebody waits.
func (r *reader[T]) withdraw(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.waiters, key)
}

func (r *reader[T]) info() ListingInfo { return r.past().last() }

// past returns the last good readings. They are not changed any more.
func (r *reader[T]) past() readings {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.read
}
