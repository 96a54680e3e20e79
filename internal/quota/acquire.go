package quota

import (
	"context"
	"fmt"
)

// TryAcquire returns a permit, or a *WaitError when the request has to wait;
// then Notify is called when it is time to ask again, within 30 seconds. A key
// that asks again keeps its place, or moves to the end of a more urgent lane;
// the new Notify replaces the old one. The only other error is ErrClosed.
func (l *Limiter) TryAcquire(r Request) (*Permit, error) {
	// This is inlined, so a permit that stays in the calling function is not
	// allocated.
	return l.try(&r, new(Permit))
}

// Acquire waits for a permit. It returns an error only when ctx ends first,
// wrapping its cause, or when the limiter is closed.
func (l *Limiter) Acquire(ctx context.Context, r Request) (*Permit, error) {
	return l.wait(ctx, &r, new(Permit))
}

func (l *Limiter) try(r *Request, p *Permit) (*Permit, error) {
	now := l.lock()
	defer l.unlock(now)
	if l.closed {
		return nil, ErrClosed
	}
	l.pump(now)
	r.raise()
	t := l.tickets[r.Key]
	if t != nil && l.counts(t.Mutation) != l.counts(r.Mutation) {
		l.drop(t)
		t = nil
	}
	switch {
	case t == nil:
		if l.direct(now, r, p, true) {
			return p, nil
		}
		t = &ticket{Request: *r}
		l.tickets[r.Key] = t
		l.queue(t.Mutation).push(t, false)
	case t.granted:
		if l.claim(now, t, p) {
			return p, nil
		}
	case r.Lane < t.Lane:
		l.move(t, r.Lane)
	}
	t.Notify = r.Notify
	return nil, l.waitError(now, t)
}

func (l *Limiter) wait(ctx context.Context, r *Request, p *Permit) (*Permit, error) {
	if ctx.Err() != nil {
		return nil, waitEnded(ctx)
	}
	now := l.lock()
	if l.closed {
		l.unlock(now)
		return nil, ErrClosed
	}
	l.pump(now)
	r.raise()
	if l.direct(now, r, p, false) {
		l.unlock(now)
		return p, nil
	}
	t := &ticket{Request: *r, ready: make(chan struct{}, 1)}
	l.queue(t.Mutation).push(t, false)
	l.unlock(now)
	for {
		select {
		case <-t.ready:
			if ok, err := l.claimBlocking(t, p); err != nil {
				return nil, err
			} else if ok {
				return p, nil
			}
		case <-ctx.Done():
			now := l.lock()
			l.drop(t)
			l.unlock(now)
			return nil, waitEnded(ctx)
		}
	}
}

func waitEnded(ctx context.Context) error {
	return fmt.Errorf("wait for the rate limit: %w", context.Cause(ctx))
}

// claimBlocking is claim for a ticket of Acquire, which Close may have ended.
func (l *Limiter) claimBlocking(t *ticket, p *Permit) (bool, error) {
	now := l.lock()
	defer l.unlock(now)
	if l.closed {
		l.drop(t)
		return false, ErrClosed
	}
	return l.claim(now, t, p), nil
}

// direct starts a request at once if nothing stands in its way. Since pump has
// just run, whoever still waits cannot use what is free.
func (l *Limiter) direct(now instant, r *Request, p *Permit, worker bool) bool {
	counts := l.counts(r.Mutation)
	if l.obstacle(now, r.Lane, counts) != 0 {
		return false
	}
	l.start(now, l.take(now, r.Lane, counts, worker), p)
	return true
}

// Withdraw drops the key's ticket, or gives back the token held for it.
func (l *Limiter) Withdraw(key string) {
	now := l.lock()
	defer l.unlock(now)
	if t := l.tickets[key]; t != nil {
		l.drop(t)
	}
}

// Promote moves the requests of u that wait, and those to come, to the end of a
// more urgent lane. A less urgent one changes nothing.
func (l *Limiter) Promote(u *Urgency, lane Lane) {
	now := l.lock()
	defer l.unlock(now)
	u.lane = min(u.lane, lane)
	var waiting []*ticket
	for _, q := range [...]*queue{&l.unpaid, &l.paid} {
		q.each(func(t *ticket) {
			if t.Urgency == u && u.lane < t.Lane {
				waiting = append(waiting, t)
			}
		})
	}
	for _, t := range waiting {
		l.move(t, u.lane)
	}
}

// move puts a waiting ticket at the end of another lane.
func (l *Limiter) move(t *ticket, lane Lane) {
	q := l.queue(t.Mutation)
	q.remove(t)
	t.Lane = lane
	q.push(t, false)
}

// raise takes over what the request's Urgency has become. It needs the limiter's
// lock.
func (r *Request) raise() {
	if r.Urgency != nil {
		r.Lane = min(r.Lane, r.Urgency.lane)
	}
}

// Waiting returns the current position of a key whose ticket is in the queue.
func (l *Limiter) Waiting(key string) (*WaitError, bool) {
	now := l.lock()
	defer l.unlock(now)
	l.pump(now)
	t := l.tickets[key]
	if t == nil || t.turn == nil {
		return nil, false
	}
	return l.waitError(now, t), true
}

// drop removes a ticket from wherever it is.
func (l *Limiter) drop(t *ticket) {
	if t.turn != nil {
		l.queue(t.Mutation).remove(t)
	}
	if t.granted {
		t.granted = false
		l.release(t.hold)
	}
	if l.tickets[t.Key] == t {
		delete(l.tickets, t.Key)
	}
}

// claim turns the token held for t into a permit. If the gate has closed since,
// the token's block is over, or the request begins to count, the ticket goes
// back to the front of its turn.
func (l *Limiter) claim(now instant, t *ticket, p *Permit) bool {
	t.granted = false
	if now < l.gate.until || t.block != nil && now >= t.block.notAfter || !t.counts && l.counts(t.Mutation) {
		l.release(t.hold)
		l.queue(t.Mutation).push(t, true)
		return false
	}
	if l.tickets[t.Key] == t {
		delete(l.tickets, t.Key)
	}
	l.start(now, t.hold, p)
	return true
}
