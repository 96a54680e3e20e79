package harness

import (
	"net/http"
	"slices"
	"strings"
	"sync"
)

// A Held request to the console has been sent and has not reached it yet.
type Held struct {
	method, prefix string
	taken          bool
	arrived        chan struct{}
	release        func()
	released       chan struct{}
}

// gate stands before the console and lets requests wait.
type gate struct {
	mu   sync.Mutex
	held []*Held
	next http.Handler
}

// ServeHTTP implements http.Handler.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h := g.take(r); h != nil {
		close(h.arrived)
		<-h.released
	}
	g.next.ServeHTTP(w, r)
}

// take returns what the request was to be held by.
func (g *gate) take(r *http.Request) *Held {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.IndexFunc(g.held, func(h *Held) bool {
		return !h.taken && h.method == r.Method && strings.HasPrefix(r.URL.Path, h.prefix)
	})
	if i < 0 {
		return nil
	}
	g.held[i].taken = true
	return g.held[i]
}

// Hold has the next request of a method to a path that begins so wait before
// the console, until [Held.Release] or the test's end.
func (e *Env) Hold(method, prefix string) *Held {
	h := &Held{method: method, prefix: prefix, arrived: make(chan struct{}), released: make(chan struct{})}
	h.release = sync.OnceFunc(func() { close(h.released) })
	e.gate.mu.Lock()
	defer e.gate.mu.Unlock()
	e.gate.held = append(e.gate.held, h)
	e.T.Cleanup(h.release)
	return h
}

// Wait waits until the request has arrived.
func (h *Held) Wait(e *Env) {
	e.T.Helper()
	e.WaitUntil("wait for "+h.method+" "+h.prefix, func() bool {
		select {
		case <-h.arrived:
			return true
		default:
			return false
		}
	})
}

// Release lets the request through.
func (h *Held) Release() { h.release() }
