package metricsauth

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/client-go/rest"
)

// reviewer serves the two review endpoints of the Kubernetes API.
type reviewer struct {
	mu sync.Mutex
	// users maps tokens to user names.
	users map[string]string
	// readers may get /metrics.
	readers []string
	// evaluationError is what the authorizer stumbles over, if anything.
	evaluationError string
	reviews         []string
	accesses        []authorizationv1.SubjectAccessReviewSpec
}

func (s *reviewer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reviews = append(s.reviews, r.Method+" "+r.URL.Path)
	var answer any
	switch r.URL.Path {
	case "/apis/authentication.k8s.io/v1/tokenreviews":
		var review authenticationv1.TokenReview
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		name, known := s.users[review.Spec.Token]
		review.Status = authenticationv1.TokenReviewStatus{Authenticated: known}
		if known {
			review.Status.User = authenticationv1.UserInfo{
				Username: name, UID: "uid-" + name, Groups: []string{"system:authenticated"},
				Extra: map[string]authenticationv1.ExtraValue{"pod": {"prometheus-0"}},
			}
		}
		answer = review
	case "/apis/authorization.k8s.io/v1/subjectaccessreviews":
		var review authorizationv1.SubjectAccessReview
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.accesses = append(s.accesses, review.Spec)
		review.Status = authorizationv1.SubjectAccessReviewStatus{
			Allowed:         slices.Contains(s.readers, review.Spec.User),
			EvaluationError: s.evaluationError,
		}
		answer = review
	default:
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(answer)
}

// change changes the answers, and returns how many reviews were made before.
func (s *reviewer) change(f func(*reviewer)) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
	return len(s.reviews)
}

func (s *reviewer) count() int { return s.change(func(*reviewer) {}) }

// bench is a guarded metrics endpoint before a Kubernetes API.
type bench struct {
	api   *reviewer
	down  func()
	guard *guard
	url   string
	log   *strings.Builder
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{
		api: &reviewer{
			users:   map[string]string{"good": "prometheus", "other": "mallory"},
			readers: []string{"prometheus"},
		},
		log: &strings.Builder{},
	}
	server := httptest.NewServer(b.api)
	t.Cleanup(server.Close)
	b.down = server.Close

	config := &rest.Config{
		Host: server.URL, QPS: -1,
		ContentConfig: rest.ContentConfig{ContentType: "application/json"},
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	if b.guard, err = newGuard(config, client); err != nil {
		t.Fatal(err)
	}
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "the metrics") })
	handler, err := b.guard.filter(b.logger(), metrics)
	if err != nil {
		t.Fatal(err)
	}
	guarded := httptest.NewServer(handler)
	t.Cleanup(guarded.Close)
	b.url = guarded.URL
	return b
}

func (b *bench) logger() logr.Logger {
	var mu sync.Mutex
	return funcr.New(func(prefix, args string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintln(b.log, prefix, args)
	}, funcr.Options{})
}

// get asks for path with that Authorization header.
func (b *bench) get(t *testing.T, path, authorization string) (status int, body string, header http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text), resp.Header
}

func TestAnswers(t *testing.T) {
	tests := []struct {
		name, authorization string
		evaluationError     string
		status              int
		body                string
		reviews             int
	}{
		{"no header", "", "", http.StatusUnauthorized, "send a bearer token", 0},
		{"another scheme", "Basic Z29vZDpnb29k", "", http.StatusUnauthorized, "send a bearer token", 0},
		{"empty token", "Bearer ", "", http.StatusUnauthorized, "send a bearer token", 0},
		{"unknown token", "Bearer stolen", "", http.StatusUnauthorized, "does not accept this token", 1},
		{"may not", "Bearer other", "", http.StatusForbidden, "mallory may not get /metrics", 2},
		{"may", "Bearer good", "", http.StatusOK, "the metrics", 2},
		{"may, scheme in lower case", "bearer good", "", http.StatusOK, "the metrics", 2},
		{"authorizer fails", "Bearer other", "webhook is down", http.StatusInternalServerError, "cannot check", 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.api.change(func(s *reviewer) { s.evaluationError = tt.evaluationError })
			status, body, header := b.get(t, "/metrics", tt.authorization)
			if status != tt.status || !strings.Contains(body, tt.body) {
				t.Errorf("got %d and %q, want %d and %q in it", status, body, tt.status, tt.body)
			}
			if got := header.Get("WWW-Authenticate"); (got == "Bearer") != (tt.status == http.StatusUnauthorized) {
				t.Errorf("status %d came with WWW-Authenticate %q", status, got)
			}
			if served := strings.Contains(body, "the metrics"); served != (tt.status == http.StatusOK) {
				t.Errorf("served: %t, with status %d", served, status)
			}
			if n := b.api.count(); n != tt.reviews {
				t.Errorf("it took %d reviews, want %d", n, tt.reviews)
			}
		})
	}
}

// The authorizer must be asked about everything that is known of the caller.
func TestAccessReviewTellsWhoAsks(t *testing.T) {
	b := newBench(t)
	if status, body, _ := b.get(t, "/metrics", "Bearer good"); status != http.StatusOK {
		t.Fatalf("got %d: %s", status, body)
	}
	b.api.change(func(s *reviewer) {
		got := s.accesses[0]
		if got.User != "prometheus" || got.UID != "uid-prometheus" || !slices.Equal(got.Groups, []string{"system:authenticated"}) ||
			!slices.Equal(got.Extra["pod"], []string{"prometheus-0"}) {
			t.Errorf("the caller was described as %+v", got)
		}
		if got.NonResourceAttributes == nil || got.NonResourceAttributes.Path != "/metrics" || got.NonResourceAttributes.Verb != "get" {
			t.Errorf("asked for %+v, want get /metrics", got.NonResourceAttributes)
		}
	})
}

func TestVerdictsAreRememberedForATime(t *testing.T) {
	tests := []struct {
		name, authorization string
		before, after       int
		ttl                 time.Duration
		// turn makes the API server answer otherwise.
		turn func(*reviewer)
	}{
		{"granted", "Bearer good", http.StatusOK, http.StatusForbidden, time.Minute,
			func(s *reviewer) { s.readers = nil }},
		{"forbidden", "Bearer other", http.StatusForbidden, http.StatusOK, 10 * time.Second,
			func(s *reviewer) { s.readers = append(s.readers, "mallory") }},
		{"not accepted", "Bearer new", http.StatusUnauthorized, http.StatusOK, 10 * time.Second,
			func(s *reviewer) { s.users["new"] = "prometheus" }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			var mu sync.Mutex
			now := time.Now()
			b.guard.cache.now = func() time.Time {
				mu.Lock()
				defer mu.Unlock()
				return now
			}
			want := func(when string, status int) {
				t.Helper()
				if got, body, _ := b.get(t, "/metrics", tt.authorization); got != status {
					t.Errorf("%s: got %d, want %d: %s", when, got, status, body)
				}
			}
			pass := func(d time.Duration) {
				mu.Lock()
				defer mu.Unlock()
				now = now.Add(d)
			}
			want("at first", tt.before)
			made := b.api.change(tt.turn)
			pass(tt.ttl - time.Millisecond)
			want("while remembered", tt.before)
			if n := b.api.count(); n != made {
				t.Errorf("%d reviews were made for what is remembered", n-made)
			}
			pass(time.Millisecond)
			want("when forgotten", tt.after)
		})
	}
}

// A verdict holds for one path only.
func TestPathsAreJudgedApart(t *testing.T) {
	b := newBench(t)
	for _, path := range []string{"/metrics", "/debug/pprof"} {
		if status, body, _ := b.get(t, path, "Bearer good"); status != http.StatusOK {
			t.Fatalf("%s: got %d: %s", path, status, body)
		}
	}
	b.api.change(func(s *reviewer) {
		var paths []string
		for _, a := range s.accesses {
			paths = append(paths, a.NonResourceAttributes.Path)
		}
		if !slices.Equal(paths, []string{"/metrics", "/debug/pprof"}) {
			t.Errorf("access was reviewed for %q", paths)
		}
	})
}

func TestAPIServerDown(t *testing.T) {
	b := newBench(t)
	b.down()
	const token = "a-token-that-nobody-may-read"
	status, body, _ := b.get(t, "/metrics", "Bearer "+token)
	if status != http.StatusInternalServerError {
		t.Errorf("got %d, want 500: %s", status, body)
	}
	if strings.Contains(body, token) || strings.Contains(b.log.String(), token) {
		t.Errorf("the token got out: body %q, log %q", body, b.log)
	}
	if !strings.Contains(b.log.String(), "review the token") {
		t.Errorf("the log does not say what failed: %q", b.log)
	}
	if n := len(b.guard.cache.entries); n != 0 {
		t.Errorf("%d failures were remembered", n)
	}
}

func TestCacheIsBounded(t *testing.T) {
	c := cache{now: time.Now, entries: map[request]entry{}}
	for i := range 3 * maxEntries {
		req := request{verb: "get", path: fmt.Sprint(i)}
		c.put(req, verdict{status: http.StatusUnauthorized})
		if _, ok := c.get(req); !ok {
			t.Fatalf("entry %d was forgotten at once", i)
		}
		if len(c.entries) > maxEntries {
			t.Fatalf("%d entries, want no more than %d", len(c.entries), maxEntries)
		}
	}
}

// Scrapes come at the same time as everything else; the race detector watches.
func TestConcurrentRequests(t *testing.T) {
	b := newBench(t)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if status, body, _ := b.get(t, "/metrics", "Bearer good"); status != http.StatusOK {
				t.Errorf("got %d: %s", status, body)
			}
		})
	}
	wg.Wait()
}
