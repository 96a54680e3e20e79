package quota

import (
	"sync/atomic"
	"time"
)

const (
	// leastConcurrent is how many attempts may be under way at once in any case,
	// as long as the workers of all limiters are not used up.
	leastConcurrent = 4
	// unpacedConcurrent is how many attempts may be under way at once that no
	// window paces.
	unpacedConcurrent = 32
	// headroom is how many times as many may be under way as it takes to use up
	// the shortest window in its own time.
	headroom = 2
	// longestUsual is up to how long an attempt may take without being counted as
	// slow: a slow API gets no more attempts than it takes at this length.
	longestUsual = 2 * time.Second
	// memory is over how many attempts their usual length is averaged.
	memory = 50
)

// Workers are shared by the limiters of a process: each attempt by
// [Limiter.TryAcquire] keeps one of them until it ends. No limiter takes more than
// half as many as it leaves free, so that APIs that are slow or hang leave workers
// for those that answer.
type Workers struct {
	n    int64
	busy atomic.Int64
}

// NewWorkers returns n workers.
func NewWorkers(n int) *Workers { return &Workers{n: int64(n)} }

// WithWorkers has the limiter's attempts share workers with other limiters.
func WithWorkers(w *Workers) Option { return func(l *Limiter) { l.workers = w } }

// add notes that n more attempts are under way. No workers are any number.
func (w *Workers) add(n int64) {
	if w != nil {
		w.busy.Add(n)
	}
}

// most is how many of n attempts of one limiter may keep a worker: one in any
// case.
func (w *Workers) most(n int) int {
	if w == nil {
		return n
	}
	return min(n, max(1, int(w.n-w.busy.Load())/2))
}

// concurrencyCap bounds how many attempts are under way at once. To use up a
// window of R requests in P takes R/P times the length of an attempt, by Little's
// law; more under way would gain nothing, and would all be refused together when
// other clients of the project take more than before. Beyond longestUsual it does
// not grow with the length: whoever waits for a slow API is not to be in the way
// of others.
type concurrencyCap struct {
	workers *Workers
	rate    float64       // of the shortest window, per second; 0 without windows
	length  time.Duration // usual, from taking the token to the end
	known   int           // attempts that length is the average of, up to memory
	// quiet is since when no attempt has ended, while some are under way: then
	// they may be taking longer than usual, and more are let out.
	quiet instant
}

// configure takes over the shortest window.
func (c *concurrencyCap) configure(windows []*window) {
	c.rate = 0
	if len(windows) > 0 {
		c.rate = float64(windows[0].limit) / windows[0].Per.Seconds()
	}
}

// room returns when one more attempt that counts may be made beside those under
// way, unless these are all there may be: now or earlier if at once, and sooner
// when one of them ends.
func (c *concurrencyCap) room(underway int) instant {
	if c.rate == 0 || underway < c.paced(c.length) {
		return 0
	}
	return c.quiet + time.Duration(float64(underway+1)/(headroom*c.rate)*float64(time.Second))
}

// full reports whether no more attempt may be made before one of those under way
// ends. Those that count and those that do not are capped alike, but apart.
func (c *concurrencyCap) full(underway int, counts bool) bool {
	most := unpacedConcurrent
	if counts && c.rate > 0 {
		most = c.paced(longestUsual)
	}
	return underway >= c.workers.most(most)
}

// paced is how many attempts of a length it takes to use up the shortest window
// in its time, with the headroom.
func (c *concurrencyCap) paced(length time.Duration) int {
	return max(leastConcurrent, int(headroom*c.rate*min(length, longestUsual).Seconds()))
}

// most is how many attempts that count may be under way while they take as long
// as usual.
func (c *concurrencyCap) most() int { return c.workers.most(c.paced(c.length)) }

// began notes that an attempt is the only one under way.
func (c *concurrencyCap) began(now instant) { c.quiet = now }

// ended notes how long an attempt took.
func (c *concurrencyCap) ended(now instant, took time.Duration) {
	c.quiet = now
	c.known = min(c.known+1, memory)
	c.length += (took - c.length) / time.Duration(c.known)
}
