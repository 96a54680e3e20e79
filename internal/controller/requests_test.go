package controller

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// An apiServer answers at once, except what is to be answered later.
type apiServer struct {
	hangs    func(*http.Request) bool
	answer   chan struct{}
	underway atomic.Int64
}

func (a *apiServer) RoundTrip(r *http.Request) (*http.Response, error) {
	a.underway.Add(1)
	defer a.underway.Add(-1)
	if a.hangs(r) {
		<-a.answer
	}
	return httptest.NewRecorder().Result(), nil
}

func ask(ctx context.Context, c *requestCap, path string) error {
	r := httptest.NewRequestWithContext(ctx, http.MethodPatch, path, nil)
	_, err := c.RoundTrip(r) //nolint:bodyclose // there is none
	return err
}

func teamIn(namespace string, i int) string {
	return fmt.Sprintf("/apis/console-access.dev/v1alpha1/namespaces/%s/teams/%d/status", namespace, i)
}

// TestCapRequests: requests of a namespace that hang, however many, are in nobody
// else's way, and all are made in the end.
func TestCapRequests(t *testing.T) {
	const most, each = 30, 200
	synctest.Test(t, func(t *testing.T) {
		server := &apiServer{answer: make(chan struct{}), hangs: func(r *http.Request) bool {
			return namespaceOf(r.URL.Path) == "hangs" || r.URL.Query().Has("watch")
		}}
		c := newRequestCap(server, most)
		var asking sync.WaitGroup
		var made atomic.Int64
		for i := range each {
			asking.Go(func() {
				if err := ask(t.Context(), c, teamIn("hangs", i)); err != nil {
					t.Error(err)
				}
				made.Add(1)
			})
		}
		synctest.Wait()
		if n := server.underway.Load(); n != most/3 {
			t.Errorf("%d requests of one namespace are under way, want %d", n, most/3)
		}
		for i := range 2 * most {
			asking.Go(func() { _ = ask(t.Context(), c, fmt.Sprintf("/api/v1/namespaces?watch=true&n=%d", i)) })
		}
		synctest.Wait()
		if n := server.underway.Load(); n != most/3+2*most {
			t.Errorf("%d requests are under way, want every watch among them", n)
		}
		for i := range each {
			for _, path := range []string{teamIn("quick", i), "/apis/console-access.dev/v1alpha1/consoleconnections/c/status"} {
				if err := ask(t.Context(), c, path); err != nil {
					t.Error(err)
				}
			}
		}
		gone, leave := context.WithCancelCause(t.Context())
		tired := errors.New("tired of waiting")
		asking.Go(func() {
			if err := ask(gone, c, teamIn("hangs", each)); !errors.Is(err, tired) {
				t.Errorf("%v, want the context's cause", err)
			}
		})
		synctest.Wait()
		leave(tired)
		synctest.Wait()
		close(server.answer)
		asking.Wait()
		if made.Load() != each || c.free != most || len(c.underway)+len(c.waiting) != 0 {
			t.Errorf("%d of %d requests were made; %d are free of %d, and there are left %v and %v",
				made.Load(), each, c.free, most, c.underway, c.waiting)
		}
	})
}

func TestNamespaceOf(t *testing.T) {
	for path, want := range map[string]string{
		"/api/v1/namespaces/a/secrets/key":                                "a",
		"/apis/console-access.dev/v1alpha1/namespaces/b/teams/t":          "b",
		"/apis/console-access.dev/v1alpha1/consoleconnections/namespaces": "",
		"/api/v1/namespaces":                                              "",
	} {
		if got := namespaceOf(path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}
