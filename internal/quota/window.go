package quota

import "time"

// An instant is the time since the limiter was made, on the monotonic clock.
type instant = time.Duration

const never instant = 1<<63 - 1

// lostGrace bounds how much longer an unanswered attempt is held against a
// window: a request still unseen by the server that long after its connection
// was given up is not going to be seen.
const lostGrace = 10 * time.Second

// spend is a number of requests whose tokens come back together.
type spend struct {
	back  instant
	n     int
	drift int // how many of n were checks for drift
	from  source
}

// A source is the quota under which requests were made, as an index of the
// limiter's sources; 0 is the limiter's own.
type source int

// window counts the ended requests of one Window. Attempts that have not ended
// count in every window alike, so the limiter counts them.
type window struct {
	Window
	limit int // what the share leaves of Requests
	// grain is what times are rounded up to, where a coarse memory will do.
	grain time.Duration

	// ring is a queue of spends ordered by back; its length is a power of two.
	ring       []spend
	head, size int
	spent      int // sum of n
	drift      int // sum of drift

	guess guess
}

func newWindow(w Window, share int) *window {
	limit := max(1, int(int64(w.Requests)*int64(share)/100))
	return &window{Window: w, limit: limit, ring: make([]spend, 8)}
}

// newMemory makes a window that only remembers: in so many parts as the record
// of a window has.
func newMemory(per time.Duration) *window {
	w := &window{Window: Window{Per: per}, ring: make([]spend, 8)}
	w.grain = w.hold() / buckets
	return w
}

// margin is added to the window's length: for the inclusive ends of intervals,
// for timer granularity, and for a server whose clock runs up to 0.1 % slow.
func (w *window) margin() time.Duration { return w.Per/1000 + time.Millisecond }

// hold is how long an attempt counts after it ended.
func (w *window) hold() time.Duration { return w.Per + w.margin() }

// end records that an attempt ended. Ends arrive in order of time, except for
// the later return of lost ones.
func (w *window) end(now instant, drift, lost bool) {
	s := spend{back: now + w.hold(), n: 1}
	if drift {
		s.drift = 1
	}
	if lost {
		s.back += min(w.Per, lostGrace)
	}
	w.add(s)
}

// add inserts s, walking from the back: constant time when s belongs there.
func (w *window) add(s spend) {
	if s.n == 0 {
		return
	}
	if w.grain > 0 {
		s.back = (s.back + w.grain - 1) / w.grain * w.grain
	}
	w.spent += s.n
	w.drift += s.drift
	i := w.size
	for i > 0 && w.at(i-1).back > s.back {
		i--
	}
	if i > 0 && w.at(i-1).back == s.back && w.at(i-1).from == s.from {
		w.at(i - 1).n += s.n
		w.at(i - 1).drift += s.drift
		return
	}
	if w.size == len(w.ring) {
		grown := make([]spend, 2*len(w.ring))
		for j := range w.size {
			grown[j] = *w.at(j)
		}
		w.ring, w.head = grown, 0
	}
	w.size++
	for j := w.size - 1; j > i; j-- {
		*w.at(j) = *w.at(j - 1)
	}
	*w.at(i) = s
}

func (w *window) at(i int) *spend { return &w.ring[(w.head+i)&(len(w.ring)-1)] }

// expire takes back the tokens that are due, and drops an old guess.
func (w *window) expire(now instant) {
	if w.guess.held && now >= w.guess.expires {
		w.guess = guess{}
	}
	for w.size > 0 && w.at(0).back <= now {
		w.spent -= w.at(0).n
		w.drift -= w.at(0).drift
		w.head = (w.head + 1) & (len(w.ring) - 1)
		w.size--
	}
}

// drop forgets the requests made under another quota.
func (w *window) drop(from source) {
	kept := 0
	for i := range w.size {
		s := *w.at(i)
		if s.from == from {
			w.spent -= s.n
			w.drift -= s.drift
			continue
		}
		*w.at(kept) = s
		kept++
	}
	w.size = kept
}

// clear forgets all requests.
func (w *window) clear() {
	w.head, w.size, w.spent, w.drift = 0, 0, 0, 0
}

// backAt returns when n tokens will have come back, counted by count; never if
// that depends on attempts which have not ended.
func (w *window) backAt(n int, count func(*spend) int) instant {
	for i := range w.size {
		if n -= count(w.at(i)); n <= 0 {
			return w.at(i).back
		}
	}
	return never
}

func countAll(s *spend) int   { return s.n }
func countDrift(s *spend) int { return s.drift }

// room returns when a request of the lane fits into the window: now or earlier
// if at once, never if that depends on attempts which have not ended.
func (w *window) room(lane Lane, use usage) instant {
	at := instant(0)
	if excess := w.spent + use.held - w.limit; excess >= 0 {
		at = w.backAt(excess+1, countAll)
	}
	if lane == Drift {
		if excess := w.drift + use.heldDrift - driftShare(w.limit, use.busy); excess >= 0 {
			at = max(at, w.backAt(excess+1, countDrift))
		}
	}
	return at
}

// usage is what the limiter knows about attempts that have not ended.
type usage struct {
	held, heldDrift int
	busy            bool // a request of people waits or is being made
}

// add counts n attempts of the lane.
func (u *usage) add(n int, lane Lane) {
	u.held += n
	if lane == Drift {
		u.heldDrift += n
	}
}

// people is how many attempts are made for people.
func (u *usage) people() int { return u.held - u.heldDrift }

// driftShare is how much of a window of that limit checks for drift may use: a quarter while
// people's requests wait or are being made, else half. The other half waits
// for a change made after a quiet hour.
func driftShare(limit int, busy bool) int {
	if busy {
		return max(1, limit/4)
	}
	return max(1, limit/2)
}

// inherit fills a new window with the requests known from the old ones, which
// are ordered by length. Of a time before those windows it is only known that no
// more than ended requests were made, by whom the last parameter says.
func (w *window) inherit(now instant, old []*window, ended int, whose source) {
	var from *window
	for _, o := range old {
		if from == nil || from.Per < w.Per {
			from = o
		}
	}
	if from == nil {
		from = &window{} // which held nothing, for no time at all
	}
	shift := w.hold() - from.hold()
	for i := range from.size {
		s := *from.at(i)
		ended -= s.n
		if s.back += shift; s.back > now {
			w.add(s)
		}
	}
	// All of them, and not what is left of the limit: those that are known come
	// back sooner, and limits are raised.
	if from.Per < w.Per && ended > 0 {
		w.add(spend{back: now + shift, n: min(ended, maxRecordCount), from: whose})
	}
}
