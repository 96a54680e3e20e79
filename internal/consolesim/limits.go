package consolesim

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Window is a rate limit: at most Requests in any span of length Per.
type Window struct {
	Requests int
	Per      time.Duration
}

// DefaultWindows are the documented limits of one project: about 100 requests
// in 10 seconds and about 900 in 15 minutes.
func DefaultWindows() []Window {
	return []Window{{100, 10 * time.Second}, {900, 15 * time.Minute}}
}

// ParseWindow reads REQUESTS/PER, as in "100/10s".
func ParseWindow(text string) (Window, error) {
	requests, per, _ := strings.Cut(text, "/")
	n, errN := strconv.Atoi(requests)
	d, errD := time.ParseDuration(per)
	w := Window{n, d}
	if err := errors.Join(errN, errD); err != nil || w.validate() != nil {
		return Window{}, fmt.Errorf("window %q: write REQUESTS/PER, such as 100/10s", text)
	}
	return w, nil
}

func (w Window) validate() error {
	if w.Requests < 1 || w.Per <= 0 {
		return fmt.Errorf("window %s: both figures must be positive", w)
	}
	return nil
}

// String is the form that [ParseWindow] reads.
func (w Window) String() string { return fmt.Sprintf("%d/%s", w.Requests, w.Per) }

// WindowUse is what was counted of one window of one project.
type WindowUse struct {
	Window
	// Used is the requests within the window that ends now.
	Used int
	// Max is the most that any window of this length has held, a refused
	// request included in the window that it would have overfilled.
	Max int
	// Violations is the requests that would have overfilled it.
	Violations int
}

// MarshalJSON writes {"window", "requests", "per", "used", "max", "violations"}.
func (u WindowUse) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{
		"window": u.String(), "requests": u.Requests, "per": u.Per.String(),
		"used": u.Used, "max": u.Max, "violations": u.Violations,
	})
}

// Violation is one request that would have overfilled one window.
type Violation struct {
	At       time.Time
	Window   Window
	Count    int // requests in (At-Per, At], this one included
	Endpoint string
}

// maxViolations bounds the list of violations; their number is always exact.
const maxViolations = 1000

// limiter counts every sliding window of one project. It keeps the arrival
// times themselves: with them, the number of requests in (t-Per, t] is exact
// for every t at which it can be highest, which is each arrival.
type limiter struct {
	windows    []WindowUse
	arrivals   []time.Time // ascending, as long as the longest window
	violations int         // requests, not windows
	list       []Violation
}

// setWindows changes the limits; what has arrived still counts.
func (l *limiter) setWindows(ws []Window) {
	l.windows = make([]WindowUse, len(ws))
	for i, w := range ws {
		l.windows[i].Window = w
	}
}

// arrive counts a request at t, which must not be before the previous one. When
// it overfills a window, over is true and wait is how long until it would not.
// A request that overfills is kept among the arrivals only if keepOver is set.
func (l *limiter) arrive(t time.Time, endpoint string, keepOver bool) (over bool, wait time.Duration) {
	l.forget(t)
	for i := range l.windows {
		w := &l.windows[i]
		inside := l.inside(w.Per, t)
		count := len(inside) + 1
		w.Max = max(w.Max, count)
		if count <= w.Requests {
			continue
		}
		over = true
		w.Violations++
		wait = max(wait, inside[len(inside)-w.Requests].Add(w.Per).Sub(t))
		if len(l.list) < maxViolations {
			l.list = append(l.list, Violation{At: t, Window: w.Window, Count: count, Endpoint: endpoint})
		}
	}
	if over {
		l.violations++
	}
	if !over || keepOver {
		l.arrivals = append(l.arrivals, t)
	}
	return over, wait
}

// inside returns the arrivals in (t-per, t].
func (l *limiter) inside(per time.Duration, t time.Time) []time.Time {
	start := t.Add(-per)
	i, _ := slices.BinarySearchFunc(l.arrivals, start, func(a, start time.Time) int {
		if a.After(start) {
			return 1
		}
		return -1
	})
	return l.arrivals[i:]
}

// forget drops the arrivals that no window can hold any more. An hour is kept
// at least, so that longer windows can be set later.
func (l *limiter) forget(t time.Time) {
	longest := time.Hour
	for _, w := range l.windows {
		longest = max(longest, w.Per)
	}
	keep := len(l.inside(longest, t))
	l.arrivals = slices.Delete(l.arrivals, 0, len(l.arrivals)-keep)
}

func (l *limiter) use(t time.Time) []WindowUse {
	out := slices.Clone(l.windows)
	for i := range out {
		out[i].Used = len(l.inside(out[i].Per, t))
	}
	return out
}

// Quota returns, per window, what has been counted for this project.
func (p *Project) Quota() []WindowUse {
	p.srv.mu.Lock()
	defer p.srv.mu.Unlock()
	return p.limits.use(time.Now())
}

// Violations returns how many requests would have overfilled a window.
func (p *Project) Violations() int {
	p.srv.mu.Lock()
	defer p.srv.mu.Unlock()
	return p.limits.violations
}

// ViolationList returns the first violations, one entry for each window that a
// request would have overfilled.
func (p *Project) ViolationList() []Violation {
	p.srv.mu.Lock()
	defer p.srv.mu.Unlock()
	return slices.Clone(p.limits.list)
}

// SetWindows replaces the limits of this project. Requests of the last hour, or
// of the longest former window, still count; maxima and violations per window
// start anew. It panics when a window is not positive.
func (p *Project) SetWindows(ws ...Window) {
	for _, w := range ws {
		if err := w.validate(); err != nil {
			panic("consolesim: " + err.Error())
		}
	}
	p.srv.mu.Lock()
	defer p.srv.mu.Unlock()
	p.limits.setWindows(ws)
}
