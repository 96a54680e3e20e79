package quota

import "time"

const (
	// safely is what is used freely of the level at which a 429 came.
	safely = 0.9
	// regain is the fraction of that level, and regainLeast the number of
	// requests, that the API has to accept beyond it for the guess to be dropped.
	regain      = 0.25
	regainLeast = 8
	// maxRelapses bounds how often these are doubled.
	maxRelapses = 6

	// The pause before a probe that the API refuses grows by probeFactor.
	probeMin    = time.Second
	probeFactor = 4
	// haltedMax is up to how often a probe is made while nothing was accepted
	// since the last refusal, and flowingMax while other requests get through.
	haltedMin  = 10 * time.Second
	haltedMax  = 30 * time.Second
	flowingMax = 15 * time.Minute
)

// A guess is what refusals suggest of one window: that the API has no room for
// more requests than there were when it refused one, because other clients of
// the project use the rest, or because it has a limit that it does not publish.
//
// A guess stops nothing. Requests beyond it are probes: one at a time, the most
// urgent first, after a pause that grows while probes are refused. It is dropped
// when enough probes were accepted, or when no 429 came for two windows.
type guess struct {
	held    bool
	level   int // requests in the window when one was refused, or accepted since
	enough  int // the level from which the guess is wrong
	expires instant
}

// caution is what the guesses of all windows have in common.
type caution struct {
	out   bool // a probe is under way
	pause time.Duration
	next  instant // no probe before
	later instant // that, once other requests get through
	// flowing: the API has accepted a request since it last refused one.
	flowing bool
	// relapses is how often it refused one after that.
	relapses int
	calm     instant // when all this is forgotten
}

// known is how many requests there are in the window, those under way included.
func (w *window) known(held int) int { return min(w.spent+held, w.limit) }

// capacity is how many requests the window may hold without a probe.
func (w *window) capacity() int {
	if !w.guess.held {
		return w.limit
	}
	return min(w.limit, int(safely*float64(w.guess.level)))
}

// beyond says whether one more request would go beyond the guess.
func (w *window) beyond(held int) bool { return w.guess.held && w.known(held) >= w.capacity() }

// refused notes a 429; relapses make the window harder to convince.
func (w *window) refused(now instant, held, relapses int) {
	w.guessed(max(0, w.known(held)-1), relapses, now+w.believes())
}

func (w *window) guessed(level, relapses int, expires instant) {
	more := int(regain*float64(level)) + regainLeast
	w.guess = guess{held: true, level: level, enough: level + more<<relapses, expires: expires}
}

// recall takes over the guess of a window of the same length.
func (w *window) recall(guesses map[time.Duration]guess) {
	if g, ok := guesses[w.Per]; ok && !w.guess.held {
		w.guess = g
	}
}

// refusedToo notes that one more of those under way then was refused.
func (w *window) refusedToo() { w.guess.level = max(0, w.guess.level-1) }

// believes is how long a guess is held.
func (w *window) believes() time.Duration { return 2*w.Per + 2*time.Minute }

// accepted notes that a probe was, and reports whether that ends the guess.
func (w *window) accepted(held int) (wrong bool) {
	w.guess.level = max(w.guess.level, w.known(held))
	if w.guess.level < w.guess.enough {
		return false
	}
	w.guess = guess{}
	return true
}

// beyond says whether a request needs to be a probe: it goes beyond a guess, or
// it is the first after a 429 and no window counts it.
func (l *Limiter) beyond(counts bool) bool {
	if !counts {
		return l.gate.trial && l.gate.cause == ReasonThrottled
	}
	for _, w := range l.windows {
		if w.beyond(l.use.held) {
			return true
		}
	}
	return false
}

// probeRoom returns when a request may be made as far as the guesses go: now or
// earlier if at once, and sooner when a probe ends.
func (l *Limiter) probeRoom(counts bool) instant {
	if !l.beyond(counts) {
		return 0
	}
	at := l.caution.next
	if l.caution.out {
		at = never
	}
	if !counts {
		return at
	}
	back := instant(0) // when no window is beyond its guess any more
	for _, w := range l.windows {
		if w.beyond(l.use.held) {
			back = max(back, w.backAt(w.spent+l.use.held-w.capacity()+1, countAll))
		}
	}
	return min(at, back)
}

// exceeded returns the index of the longest window whose guess an attempt went
// beyond that has just ended; -1 if there is none.
func (l *Limiter) exceeded(p *Permit) int {
	for i := len(l.windows) - 1; p.probes && i >= 0; i-- {
		if l.windows[i].beyond(l.use.held - 1) {
			return i
		}
	}
	return -1
}

// suspect draws from a 429, after which the gate is closed, what it suggests of
// the windows: the blamed one was full. It is nil when no window counts the
// request.
func (l *Limiter) suspect(now instant, blamed *window) {
	c := &l.caution
	switch {
	case now >= c.calm:
		*c = caution{out: c.out} // the first one for long: the next request may be made when the gate opens
	case c.pause == 0:
		c.pause = probeMin
	default:
		c.pause *= probeFactor
	}
	if c.flowing {
		c.relapses = min(c.relapses+1, maxRelapses)
	}
	c.flowing = false
	if blamed == nil {
		c.pause = min(c.pause, haltedMax)
		c.calm = max(c.calm, now+2*haltedMax)
	} else {
		blamed.refused(now, l.use.held, c.relapses)
		c.pause = min(c.pause, blamed.patience(probeMin, min(flowingMax, 9*blamed.Per)))
		c.calm = max(c.calm, blamed.guess.expires)
	}
	spread := func(d time.Duration) time.Duration { return d - time.Duration(l.jitter()*float64(d)/4) }
	c.next, c.later = now+spread(min(c.pause, l.halted(blamed))), now+spread(c.pause)
	l.epoch++
}

// patience is between least and most: the more the API accepts of us, the less
// is lost by leaving it at that for longer.
func (w *window) patience(least, most time.Duration) time.Duration {
	share := min(1, 2*float64(w.guess.level)/float64(w.limit))
	return max(least, time.Duration(share*float64(most)))
}

// halted is the longest pause before a probe while nothing is accepted: less
// than the longest window in any case.
func (l *Limiter) halted(blamed *window) time.Duration {
	if blamed == nil {
		return haltedMax
	}
	longest := l.windows[len(l.windows)-1].Per
	pause := blamed.patience(haltedMax, blamed.Per/4) * time.Duration(1+l.caution.relapses)
	return min(max(haltedMin, longest/2), pause)
}

// trust draws from a good answer what it shows of the guesses.
func (l *Limiter) trust(now instant, p *Permit) {
	c := &l.caution
	switch {
	case p.probes:
		c.next, c.later = now, now // as long as they are accepted
		for _, w := range l.windows {
			if w.guess.held && w.accepted(l.use.held) {
				l.paused()
			}
		}
		l.epoch++
	case !c.flowing:
		c.next = c.later
	}
	c.flowing = true
}
