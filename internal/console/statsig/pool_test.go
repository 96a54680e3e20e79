package statsig

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// TestProjectsOfOneHost: while the calls of one project's key hang, those of
// another project at the same host do not wait for a connection.
func TestProjectsOfOneHost(t *testing.T) {
	const hanging = 30
	arrived, answered := make(chan struct{}, hanging), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("STATSIG-API-KEY") == canary {
			arrived <- struct{}{}
			<-answered
		}
		_, _ = io.WriteString(w, `{"message":"ok","data":{"email":"ada@example.com","role":"Member"}}`)
	}))
	t.Cleanup(server.Close)
	slow := newClient(t, server.URL)
	quick := newClient(t, server.URL, func(c *Config) { c.APIKey = canary + "-of-another-project" })
	var calls sync.WaitGroup
	defer calls.Wait()
	defer close(answered)
	for range hanging {
		calls.Go(func() {
			if err := read(t, slow); err != nil {
				t.Error(err)
			}
		})
	}
	patience := time.After(10 * time.Second)
	for i := range hanging {
		select {
		case <-arrived:
		case <-patience:
			t.Fatalf("%d of %d calls reached the server", i, hanging)
		}
	}
	if err := read(t, quick); err != nil {
		t.Errorf("another project's call: %v", err)
	}
}
