package quota

import "time"

const (
	// breakerFailures is how many failures in a row open the circuit.
	breakerFailures = 5

	backoffMin = time.Second
	backoffMax = time.Minute

	// maxRetryAfter bounds the wait that a 429 asks for.
	maxRetryAfter = 24 * time.Hour
)

// gate stops everyone: after a 429, and when the API is not available. After
// the pause one trial attempt at a time is let through, until one is answered.
type gate struct {
	until    instant // no attempt starts before
	asked    instant // the end of the wait that a 429 asked for, which nothing ends sooner
	closedAt instant // attempts started until then belong to what closed it
	cause    Reason  // ReasonThrottled or ReasonUnavailable
	trial    bool    // one at a time
	out      bool    // the trial is being made
	failures int     // Unavailable in a row
	streak   int     // closings in a row without a good answer
	blamed   int     // index of the window that the last 429 suggested to be full
}

// shut closes the gate for d.
func (g *gate) shut(now instant, d time.Duration, cause Reason) {
	if g.cause != cause {
		g.streak = 0
	}
	g.cause = cause
	g.until = max(g.until, now+d)
	g.closedAt = now
	g.trial = true
	g.streak++
}

// wait closes the gate until an instant at which a 429 allows to go on.
func (g *gate) wait(until instant) {
	g.asked = max(g.asked, until)
	g.until = max(g.until, g.asked)
}

// closed says why no attempt may start now; 0 if it may.
func (g *gate) closed(now instant) Reason {
	switch {
	case now < g.asked:
		return ReasonThrottled
	case now < g.until || g.trial && g.out:
		return g.cause
	}
	return 0
}

// backoff is the pause after the nth failure in a row, counted from 0: doubling
// from 1s to 1m, of which the upper half is random so that the replicas and
// clients of one project do not come back together.
func backoff(n int, jitter float64) time.Duration {
	d := backoffMax
	if n < 6 {
		d = min(backoffMin<<n, backoffMax)
	}
	return d/2 + time.Duration(jitter*float64(d)/2)
}

// answered draws the consequences of an attempt's outcome for everyone.
func (l *Limiter) answered(now instant, p *Permit, o Outcome) {
	g := &l.gate
	stale := p.started <= g.closedAt
	switch {
	case o.Kind == Throttled:
		g.failures = 0
		l.throttled(now, p, o)
	case o.Kind == Unavailable:
		g.failures++
		failed := g.failures >= breakerFailures && (p.trial || !g.trial)
		if failed || p.trial && g.cause == ReasonUnavailable {
			g.shut(now, backoff(l.pauses(ReasonUnavailable), l.jitter()), ReasonUnavailable)
			l.epoch++
			l.paused()
		}
	case o.Lost:
		if p.trial {
			g.shut(now, backoff(l.pauses(g.cause), l.jitter()), g.cause)
			l.epoch++
			l.paused()
		}
	default:
		g.failures = 0
		if stale && g.cause == ReasonThrottled {
			return // the server took it before it said to slow down
		}
		l.trust(now, p)
		if g.streak > 0 {
			l.epoch++
		}
		g.trial, g.streak = false, 0
		if g.cause == ReasonUnavailable {
			g.until = g.asked
		}
		if now < g.asked {
			g.cause, g.trial = ReasonThrottled, true
		}
	}
}

// pauses is the number of pauses for this cause so far without a good answer.
func (l *Limiter) pauses(cause Reason) int {
	if l.gate.cause != cause {
		return 0
	}
	return l.gate.streak
}

// throttled closes the gate after a 429, for as long as the API asks or, where
// it does not, for a growing time. It suspects the shortest window that explains
// the wait asked for, or the next longer one when the first attempt after the
// last wait was refused again.
func (l *Limiter) throttled(now instant, p *Permit, o Outcome) {
	g, last := &l.gate, len(l.windows)-1
	again := l.pauses(ReasonThrottled)
	pause := backoff(again, l.jitter())
	if o.HasRetryAfter {
		pause = min(max(o.RetryAfter, backoffMin), maxRetryAfter)
	}
	l.epoch++
	l.paused()
	if p.started <= g.closedAt && g.cause == ReasonThrottled {
		if o.HasRetryAfter {
			g.wait(now + pause)
		}
		for _, w := range l.windows {
			w.refusedToo()
		}
		return
	}
	blamed := max(l.exceeded(p), 0)
	for o.HasRetryAfter && blamed < last && l.windows[blamed].Per < pause {
		blamed++
	}
	if again > 0 {
		blamed = max(blamed, min(g.blamed+1, last))
	}
	g.blamed = blamed
	if last < 0 || !l.counted(p.hold) {
		l.suspect(now, nil)
	} else {
		l.suspect(now, l.windows[blamed])
	}
	g.shut(now, pause, ReasonThrottled)
	g.wait(now + pause)
	if l.journal != nil {
		l.journal.note()
	}
}
