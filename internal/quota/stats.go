package quota

import "time"

// Stats is the state of a Limiter at one moment.
type Stats struct {
	Windows []WindowStats // by length
	// Waiting is the number of queued requests by lane, indexed by Lane.
	Waiting [laneCount]int
	// InFlight is the number of tokens held by attempts and granted tickets.
	InFlight int
	// ClosedUntil is the end of the pause after a 429 or of an open circuit;
	// zero when there is none.
	ClosedUntil time.Time
	// ProbeAt is when the next request that goes beyond the Capacity of a window
	// may be made; zero when that is at once, or nothing goes beyond it.
	ProbeAt time.Time
	Breaker BreakerState
	Totals  Totals
}

// WindowStats is the state of one window.
type WindowStats struct {
	Window
	// Limit is what the share allows.
	Limit int
	// Capacity is less than Limit for some time after a 429, when other clients
	// seem to use the rest. That is a guess: it is what may be used freely, and
	// what goes beyond it is tried one request at a time.
	Capacity int
	// Used counts the requests in the window, those under way included, and is
	// no more than Limit even where a limit was lowered.
	Used int
	// FreesAt is when the next change could be made as far as this window is
	// concerned; zero when at once, or when it depends on attempts under way.
	FreesAt time.Time
}

// BreakerState is the state of the circuit breaker.
type BreakerState string

const (
	// BreakerClosed lets attempts pass.
	BreakerClosed BreakerState = "closed"
	// BreakerOpen holds all attempts back.
	BreakerOpen BreakerState = "open"
	// BreakerHalfOpen lets one attempt at a time pass, as a trial.
	BreakerHalfOpen BreakerState = "half-open"
)

// Totals counts the attempts since the limiter was made, by how they ended.
type Totals struct {
	OK, Throttled, Unavailable, Cancelled uint64
	// Lost counts those without an answer; they are among the others too.
	Lost uint64
}

func (t *Totals) add(o Outcome) {
	switch o.Kind {
	case Throttled:
		t.Throttled++
	case Unavailable:
		t.Unavailable++
	default:
		t.OK++
	}
	if o.Lost {
		t.Lost++
	}
}

// Stats returns the limiter's present state.
func (l *Limiter) Stats() Stats {
	now := l.lock()
	defer l.unlock(now)
	s := Stats{InFlight: l.use.held, Breaker: BreakerClosed, Totals: l.totals}
	for i := range s.Waiting {
		s.Waiting[i] = l.paid[i].n + l.unpaid[i].n
	}
	for _, w := range l.windows {
		ws := WindowStats{Window: w.Window, Limit: w.limit, Capacity: w.capacity(), Used: min(w.spent+l.use.held, w.limit)}
		if at := w.room(Change, l.use); at > now && at != never {
			ws.FreesAt = l.base.Add(at)
		}
		s.Windows = append(s.Windows, ws)
	}
	if now < l.gate.until {
		s.ClosedUntil = l.base.Add(l.gate.until)
	}
	if at := l.caution.next; at > now && (l.beyond(true) || l.beyond(false)) {
		s.ProbeAt = l.base.Add(at)
	}
	if l.gate.trial && l.gate.cause == ReasonUnavailable {
		s.Breaker = BreakerHalfOpen
		if now < l.gate.until {
			s.Breaker = BreakerOpen
		}
	}
	return s
}
