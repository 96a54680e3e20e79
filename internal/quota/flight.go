package quota

import "time"

const (
	// leastFlight is how many attempts may be under way at once in any case.
	leastFlight = 4
	// headroom is how many times as many may be under way as it takes to use up
	// the shortest window in its own time.
	headroom = 2
	// memory is over how many attempts their usual length is averaged.
	memory = 50
)

// flight bounds how many attempts are under way at once. To use up a window of
// R requests in P takes R/P times the length of an attempt, by Little's law;
// more under way would gain nothing, and would all be refused together when
// other clients of the project take more than before.
type flight struct {
	rate   float64       // of the shortest window, per second; 0 without windows
	length time.Duration // usual, from taking the token to the end
	known  int           // attempts that length is the average of, up to memory
	// quiet is since when no attempt has ended, while some are under way: then
	// they may be taking longer than usual, and more are let out.
	quiet instant
}

// configure takes over the shortest window.
func (f *flight) configure(windows []*window) {
	f.rate = 0
	if len(windows) > 0 {
		f.rate = float64(windows[0].limit) / windows[0].Per.Seconds()
	}
}

// room returns when one more attempt may be made beside those under way: now or
// earlier if at once, and sooner when one of them ends.
func (f *flight) room(underway int) instant {
	if f.rate == 0 || underway < f.most() {
		return 0
	}
	return f.quiet + time.Duration(float64(underway+1)/(headroom*f.rate)*float64(time.Second))
}

// most is how many attempts may be under way while they take as long as usual.
func (f *flight) most() int {
	return max(leastFlight, int(headroom*f.rate*f.length.Seconds()))
}

// began notes that an attempt is the only one under way.
func (f *flight) began(now instant) { f.quiet = now }

// ended notes how long an attempt took.
func (f *flight) ended(now instant, took time.Duration) {
	f.quiet = now
	f.known = min(f.known+1, memory)
	f.length += (took - f.length) / time.Duration(f.known)
}
