package quota

import "time"

// hold is what was taken for a request.
type hold struct {
	lane   Lane
	counts bool // a token of every window
	era    int  // of the exempt requests, for one that does not count
	trial  bool // the gate's one trial
	probes bool // the one attempt beyond a guess
	block  *block
	worker bool    // one of the workers
	since  instant // when it was taken
}

// Permit allows one HTTP attempt. It ends with Done or Cancel, whichever is
// called first; later calls do nothing, so Cancel may be deferred. A Permit
// that is never ended holds its token for ever. It must not be copied.
type Permit struct {
	hold
	l       *Limiter
	started instant
	ended   bool
}

// Deadline is when the attempt must be over: the context of the call ends then.
func (p *Permit) Deadline() time.Time { return p.l.base.Add(p.started + p.l.maxCall) }

// Done says that the attempt ended, now, and how.
func (p *Permit) Done(o Outcome) {
	l := p.l
	now := l.lock()
	defer l.unlock(now)
	if p.ended {
		return
	}
	p.ended = true
	l.totals.add(o)
	if l.counted(p.hold) {
		l.cap.ended(now, now-p.since)
		for _, w := range l.remembering() {
			w.end(now, p.lane == Drift, o.Lost)
		}
	} else {
		l.exempt.exempted(now + lostGrace)
	}
	l.forget(p.hold)
	l.answered(now, p, o)
}

// Cancel says that nothing was sent: the token can be used again at once.
func (p *Permit) Cancel() {
	l := p.l
	now := l.lock()
	defer l.unlock(now)
	if p.ended {
		return
	}
	p.ended = true
	l.totals.Cancelled++
	l.release(p.hold)
}

// take takes what a request needs; obstacle has said that it is there. worker
// says that whoever makes the attempt keeps a worker meanwhile.
func (l *Limiter) take(now instant, lane Lane, counts, worker bool) hold {
	h := hold{lane: lane, counts: counts, worker: worker, era: l.exempt.era, since: now}
	if worker {
		l.workers.add(1)
	}
	if l.gate.trial {
		h.trial, l.gate.out = true, true
	}
	if l.beyond(counts) {
		h.probes, l.caution.out = true, true
	}
	if !counts {
		l.exempt.use.add(1, lane)
		return h
	}
	if l.journal != nil {
		h.block = l.journal.take(now)
	}
	if l.use.held == 0 {
		l.cap.began(now)
	}
	l.taken++
	l.use.add(1, lane)
	l.use.busy = l.use.busy || lane != Drift
	return h
}

// start makes a permit of what was taken.
func (l *Limiter) start(now instant, h hold, p *Permit) {
	p.l, p.hold, p.started = l, h, now
}

// release gives back what was taken and not used.
func (l *Limiter) release(h hold) {
	if l.counted(h) {
		l.taken--
	}
	if h.block != nil {
		h.block.left++
	}
	l.forget(h)
}

// forget ends the holding of what was taken.
func (l *Limiter) forget(h hold) {
	if h.worker {
		l.workers.add(-1)
	}
	if h.trial {
		l.gate.out = false
	}
	if h.probes {
		l.caution.out = false
	}
	if h.block != nil {
		h.block.out--
	}
	if l.counted(h) {
		l.use.add(-1, h.lane)
	} else {
		l.exempt.use.add(-1, h.lane)
	}
}
