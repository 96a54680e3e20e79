package statsig

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/internal/quota"
)

// canary is a key that must appear nowhere but in one header.
const canary = "console-C4naryKey0123456789abcdef"

// newClient returns a client of the server at url, with a quota of its own.
func newClient(t testing.TB, url string, change ...func(*Config)) *Client {
	t.Helper()
	limiter := quota.New(quota.Config{})
	t.Cleanup(limiter.Close)
	cfg := Config{Endpoint: url, APIKey: canary, Limiter: limiter, Version: "1.2.3"}
	for _, f := range change {
		f(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// serve returns a client of a server with that handler.
func serve(t testing.TB, handler http.HandlerFunc, change ...func(*Config)) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return newClient(t, server.URL, change...)
}

// answer is a handler that always answers the same.
func answer(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// simulate returns a simulated console and a client of it.
func simulate(t testing.TB, change ...func(*Config)) (*consolesim.Server, *Client) {
	t.Helper()
	sim := consolesim.New(consolesim.Options{Keys: []string{canary}, Windows: []consolesim.Window{}})
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	return sim, newClient(t, server.URL, change...)
}

// byAnyone is a request that waits for its turn.
var byAnyone = quota.Request{Key: "test", Turn: "test", Lane: quota.Change}

// read and write are one call of each sort.
func read(t testing.TB, c *Client) error {
	_, err := c.GetUser(t.Context(), byAnyone, "ada@example.com")
	return err
}

func write(t testing.TB, c *Client) error {
	_, err := c.UpdateUser(t.Context(), byAnyone, "ada@example.com", console.UserChange{Role: new("Member")})
	return err
}

// settled checks what the quota was told of the one attempt made.
func settled(t testing.TB, c *Client, want quota.Totals) {
	t.Helper()
	s := c.limiter.Stats()
	if s.Totals != want || s.InFlight != 0 {
		t.Errorf("quota was told %+v with %d in flight, want %+v and none", s.Totals, s.InFlight, want)
	}
}

// quiet drops what a test server would log about provoked failures.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
