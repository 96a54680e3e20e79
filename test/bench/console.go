package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/console-access/console-access-operator/internal/consolesim"
)

// apiKey is a key that only the simulated console knows.
const apiKey = "console-bench"

// A console is the simulated console of one row, served over HTTP.
type console struct {
	*consolesim.Server
	endpoint string
	http     *http.Server
}

func startConsole(ctx context.Context, at scale) (*console, error) {
	behavior := consolesim.DefaultBehavior()
	behavior.Latency = at.of(consoleLatency)
	sim := consolesim.New(consolesim.Options{Keys: []string{apiKey}, Windows: at.windows(), Behavior: &behavior})
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the console: %w", err)
	}
	c := &console{
		Server: sim, endpoint: "http://" + listener.Addr().String(),
		http: &http.Server{Handler: sim, ReadHeaderTimeout: time.Minute},
	}
	go func() { _ = c.http.Serve(listener) }()
	return c, nil
}

func (c *console) stop() error {
	if err := c.http.Close(); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("stop the console: %w", err)
	}
	return nil
}

// A tally counts requests.
type tally struct {
	calls, writes, throttled, violations int
	endpoints                            map[string]int // calls, by the console's name for what they do
}

// tally counts all requests so far.
func (c *console) tally() tally {
	t := tally{violations: c.Violations(), endpoints: map[string]int{}}
	for _, r := range c.Requests() {
		t.calls++
		t.endpoints[r.Endpoint]++
		if r.Status == http.StatusTooManyRequests {
			t.throttled++
		} else if r.Method != http.MethodGet {
			t.writes++
		}
	}
	return t
}

func (t tally) since(before tally) tally {
	out := tally{t.calls - before.calls, t.writes - before.writes, t.throttled - before.throttled, t.violations - before.violations, map[string]int{}}
	for endpoint, n := range t.endpoints {
		if n -= before.endpoints[endpoint]; n > 0 {
			out.endpoints[endpoint] = n
		}
	}
	return out
}

// sentBefore are the times of all requests so far, relative to began.
func (c *console) sentBefore(began time.Time) []time.Duration {
	var out []time.Duration
	for _, r := range c.Requests() {
		if r.Received.Before(began) {
			out = append(out, r.Received.Sub(began))
		}
	}
	return out
}

// answered is how long the console took over the requests to a path, in total.
func (c *console) answered(path string) (took time.Duration) {
	for _, r := range c.Requests() {
		if strings.HasPrefix(r.Path, path) && !r.Answered.IsZero() {
			took += r.Answered.Sub(r.Received)
		}
	}
	return took
}
