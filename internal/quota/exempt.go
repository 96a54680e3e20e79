package quota

// exempt are the requests that no window counts while only mutations do. They
// are remembered for the moment from which all requests count.
type exempt struct {
	use   usage
	made  bool    // some have ended
	ended instant // the last of them, at the latest
	// era is how often those under way have begun to count.
	era int
}

// counted reports whether an attempt counts by now, which may have been exempt
// when it began.
func (l *Limiter) counted(h hold) bool { return h.counts || h.era != l.exempt.era }

// exempted notes that an exempt attempt ended.
func (e *exempt) exempted(at instant) { e.made, e.ended = true, max(e.ended, at) }

// countExempt has the exempt requests count if all requests do. How many of them
// are in a window is not known, so all windows are full until the last is out.
func (l *Limiter) countExempt(now instant) {
	e := &l.exempt
	if l.config.MutationsOnly || len(l.windows) == 0 {
		return
	}
	l.use.held += e.use.held
	l.use.heldDrift += e.use.heldDrift
	l.taken += uint64(e.use.held)
	if e.made {
		l.fillAll(now, e.ended)
	}
	*e = exempt{era: e.era + 1}
}

// fillAll has any number of requests count that ended no later than that.
func (l *Limiter) fillAll(now, ended instant) {
	for _, w := range l.remembering() {
		if back := ended + w.hold(); back > now {
			w.add(spend{back: back, n: maxRecordCount})
		}
	}
	l.past += maxRecordCount
}
