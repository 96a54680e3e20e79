package quota

import "time"

const (
	// decrease is what is kept of the level at which a 429 came.
	decrease = 0.9
	// recoveryPeriods is how many window lengths after a 429 the whole limit is
	// tried again.
	recoveryPeriods = 20
)

// estimate is how much of a window other clients of the project seem to leave
// to us, learned from 429s: multiplicative decrease, slow recovery.
//
// The recovery is quadratic in time, so it stays near the level that was
// refused for about six periods when others keep using half of the window, and
// is still back at the limit after twenty when they have stopped. Up to
// proven the capacity may be used at will; beyond, one attempt at a time has
// to succeed first, so finding the ceiling costs one 429, not a burst of them.
type estimate struct {
	low       int // capacity right after the last 429 blamed on this window
	since     instant
	recovers  bool // low and since hold
	before    int  // capacity before that 429
	accepted  int  // our requests in the window that the server took, then
	proven    int
	unproven  bool // proven holds
	provenEnd instant

	filled      int // tokens believed to be used by others
	filledUntil instant
}

func (w *window) recovery() time.Duration { return recoveryPeriods * w.Per }

// capacity is how many requests the window may hold now.
func (w *window) capacity(now instant) int {
	e := &w.est
	if !e.recovers {
		return w.limit
	}
	f := float64(now-e.since) / float64(w.recovery())
	if f >= 1 {
		e.recovers = false
		return w.limit
	}
	return min(w.limit, e.low+int(float64(w.limit-e.low)*f*f))
}

// throttled notes a 429. blamed says that this is the window believed full; of
// the others it is only known that they might be.
func (w *window) throttled(now instant, held int, blamed bool) {
	e := &w.est
	e.accepted = w.own(now, held)
	e.before = w.capacity(now)
	e.unproven, e.provenEnd = true, now+w.recovery()
	if blamed {
		e.recovers, e.since = true, now
	} else {
		e.before = 0
	}
	w.refused()
}

// refused notes that one more of the requests in flight at the last 429 was
// refused too, so that the level to return to is what the server accepted.
func (w *window) refused() {
	e := &w.est
	e.accepted = max(0, e.accepted-1)
	e.proven = int(decrease * float64(e.accepted))
	if e.before > 0 {
		// Never less than half: that others took it all once is no reason to
		// make one call per quarter of an hour.
		e.low = max(1, e.proven, e.before/2)
	}
}

// doubtful says whether the window gave rise to a 429 not long ago.
func (w *window) doubtful(now instant) bool {
	w.est.unproven = w.est.unproven && now < w.est.provenEnd
	return w.est.unproven
}

// explores says whether one more request would go beyond what is proven.
func (w *window) explores(now instant, held int) bool {
	return w.doubtful(now) && w.own(now, held) >= w.est.proven
}

// proved notes that an attempt beyond proven was accepted.
func (w *window) proved(now instant, held int) {
	w.est.proven = max(w.est.proven, w.own(now, held))
}
