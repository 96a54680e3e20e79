package quota

import (
	"math"
	"time"
)

// forecastTTL bounds how old a forecast gets: attempts end a little later than
// it assumes.
const forecastTTL = 100 * time.Millisecond

// forecast is a greedy simulation of the windows: when each of the next
// requests gets its tokens, if attempts take as long as usual. It is extended on demand
// and shared by all tickets, so that asking for ten thousand positions costs
// one simulation.
type forecast struct {
	made   instant
	epoch  uint64
	taken  uint64
	people int // requests before the first check for drift
	times  []instant
	floor  instant       // no request before
	length time.Duration // of an attempt
	most   int           // attempts under way at once
	tracks []track
}

// track is one window in the simulation.
type track struct {
	hold       time.Duration
	free       int       // requests that fit at once; negative when over-full
	back       []instant // the returns after that, in order
	driftFree  int
	driftBack  []instant
	driftAfter int // checks for drift simulated
}

// at returns when the kth request from now gets its tokens. It is a check for
// drift when k is at least people.
func (l *Limiter) at(now instant, k, people int) instant {
	f := &l.forecast[0]
	if k >= people {
		f = &l.forecast[1]
	} else {
		people = math.MaxInt
	}
	since := int(l.taken - f.taken)
	valid := f.epoch == l.epoch && l.taken >= f.taken && now-f.made <= forecastTTL && f.tracks != nil &&
		(people == math.MaxInt || f.people == people+since)
	if !valid {
		l.simulate(f, now, people)
		since = 0
	}
	for k += since; len(f.times) <= k; {
		f.step()
	}
	return max(now, f.times[k])
}

// simulate starts f afresh from the present state of the windows.
func (l *Limiter) simulate(f *forecast, now instant, people int) {
	*f = forecast{made: now, epoch: l.epoch, taken: l.taken, people: people, times: f.times[:0], floor: max(now, l.gate.until, l.probeFloor()),
		length: l.cap.length, most: l.cap.most()}
	for _, w := range l.windows {
		t := track{
			hold:      w.hold(),
			free:      w.limit - w.spent - l.use.held,
			driftFree: driftShare(w.limit, false) - w.drift - l.use.heldDrift,
		}
		// What comes back while the window is still over-full lets nobody in.
		over := max(0, -t.free)
		t.free = max(0, t.free)
		for i := range w.size {
			s := w.at(i)
			skipped := min(over, s.n)
			over -= skipped
			for range s.n - skipped {
				t.back = append(t.back, s.back)
			}
			for range s.drift {
				t.driftBack = append(t.driftBack, s.back)
			}
		}
		for i := range l.use.held {
			t.back = insert(t.back, now+f.length+t.hold)
			if i < l.use.heldDrift {
				t.driftBack = insert(t.driftBack, now+f.length+t.hold)
			}
		}
		f.tracks = append(f.tracks, t)
	}
}

// probeFloor is before which nothing is tried because of a guess. A guess does
// not change a forecast otherwise: it is likely to be wrong before long.
func (l *Limiter) probeFloor() instant {
	if !l.gate.trial || l.gate.cause != ReasonThrottled {
		return 0
	}
	return l.caution.next
}

// step simulates one more request.
func (f *forecast) step() {
	k := len(f.times)
	drift := k >= f.people
	at := f.floor
	if k > 0 {
		at = max(at, f.times[k-1])
	}
	if k >= f.most {
		at = max(at, f.times[k-f.most]+f.length)
	}
	for i := range f.tracks {
		t := &f.tracks[i]
		at = max(at, nth(t.back, k-t.free))
		if drift {
			at = max(at, nth(t.driftBack, t.driftAfter-t.driftFree))
		}
	}
	f.times = append(f.times, at)
	for i := range f.tracks {
		t := &f.tracks[i]
		t.back = insert(t.back, at+f.length+t.hold)
		if drift {
			t.driftBack = insert(t.driftBack, at+f.length+t.hold)
			t.driftAfter++
		}
	}
}

func nth(times []instant, i int) instant {
	if i < 0 {
		return 0
	}
	return times[i]
}

// insert adds at to the sorted times; it nearly always belongs at the end.
func insert(times []instant, at instant) []instant {
	times = append(times, at)
	for i := len(times) - 1; i > 0 && times[i-1] > at; i-- {
		times[i-1], times[i] = times[i], times[i-1]
	}
	return times
}

// waitError describes the position of a queued ticket.
func (l *Limiter) waitError(now instant, t *ticket) *WaitError {
	q := l.queue(t.Mutation)
	e := &WaitError{Ahead: q.ahead(t), Reason: ReasonQuota}
	for i := range t.Lane {
		e.Ahead += q[i].n
	}
	head := q.head()
	if r := l.obstacle(now, head.Lane, q == &l.paid); r != 0 {
		e.Reason = r
	}
	at := max(now, l.gate.until, l.probeFloor())
	if q == &l.paid {
		people := q.people()
		if t.Lane != Drift {
			people = math.MaxInt
		}
		at = l.at(now, e.Ahead, people)
	}
	e.At = l.base.Add(at)
	return e
}
