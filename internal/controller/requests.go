package controller

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"k8s.io/client-go/rest"
)

// maxRequests is how many requests to the Kubernetes API may be under way at once,
// far fewer than API Priority and Fairness queues for one user.
const maxRequests = 128

// CapRequests has the clients of a configuration make no more than a number of
// requests to the Kubernetes API at once, watches excepted: there are many
// workers, and an API server sheds load. No namespace gets more than half of those
// that it leaves free, so that one whose admission webhook hangs is in nobody's
// way. It is not for the client that renews the Lease.
func CapRequests(config *rest.Config) {
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return newRequestCap(next, maxRequests) })
}

// A requestCap is an http.RoundTripper that bounds how many requests are under
// way.
type requestCap struct {
	next http.RoundTripper

	mu       sync.Mutex
	free     int
	underway map[string]int // by namespace; "" is what is in none
	waiting  map[string][]chan struct{}
}

func newRequestCap(next http.RoundTripper, most int) *requestCap {
	return &requestCap{next: next, free: most, underway: map[string]int{}, waiting: map[string][]chan struct{}{}}
}

// RoundTrip implements http.RoundTripper.
func (c *requestCap) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Query().Has("watch") {
		return c.next.RoundTrip(r)
	}
	namespace := namespaceOf(r.URL.Path)
	if err := c.begin(r.Context(), namespace); err != nil {
		return nil, err
	}
	defer c.end(namespace)
	return c.next.RoundTrip(r)
}

// namespaceOf returns the namespace in a path of the Kubernetes API.
func namespaceOf(path string) string {
	parts := strings.Split(path, "/")
	if i := slices.Index(parts, "namespaces"); i >= 0 && i+1 < len(parts) {
		return parts[i+1]
	}
	return ""
}

// begin waits until a request of the namespace may be made.
func (c *requestCap) begin(ctx context.Context, namespace string) error {
	turn := make(chan struct{})
	c.mu.Lock()
	c.waiting[namespace] = append(c.waiting[namespace], turn)
	c.grant(namespace)
	c.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.waiting[namespace], turn)
	if i < 0 {
		return nil // it came just now
	}
	c.waiting[namespace] = slices.Delete(c.waiting[namespace], i, i+1)
	return fmt.Errorf("wait for other requests to the Kubernetes API: %w", context.Cause(ctx))
}

// end notes that a request of the namespace is over.
func (c *requestCap) end(namespace string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.free++
	if c.underway[namespace]--; c.underway[namespace] == 0 {
		delete(c.underway, namespace)
	}
	for waiting := range c.waiting {
		c.grant(waiting)
	}
}

// grant has requests of a namespace begin as far as they may. It needs c.mu.
func (c *requestCap) grant(namespace string) {
	for len(c.waiting[namespace]) > 0 && c.free > 0 && c.underway[namespace] < max(1, c.free/2) {
		close(c.waiting[namespace][0])
		c.waiting[namespace] = c.waiting[namespace][1:]
		c.underway[namespace]++
		c.free--
	}
	if len(c.waiting[namespace]) == 0 {
		delete(c.waiting, namespace)
	}
}
