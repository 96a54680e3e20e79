package statsig

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/internal/quota"
)

// pages answers each query with its body, and notes the queries.
func pages(t *testing.T, asked *[]string, answers map[string]string) *Client {
	return newClient(t, "http://console.example", func(cfg *Config) {
		cfg.PageSize = 2
		cfg.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.URL.Host != "console.example" || r.URL.Path != usersPath {
				t.Errorf("asked %s", r.URL)
			}
			*asked = append(*asked, r.URL.RawQuery)
			body, ok := answers[r.URL.RawQuery]
			if !ok {
				body = answers["else"]
			}
			return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
		})
	})
}

// userPage is a page of users with these addresses; pagination as given.
func userPage(pagination string, emails ...string) string {
	items := make([]string, len(emails))
	for i, email := range emails {
		items[i] = fmt.Sprintf(`{"email":%q,"role":"Member"}`, email)
	}
	return fmt.Sprintf(`{"message":"m","data":[%s]%s}`, strings.Join(items, ","), pagination)
}

func TestListingFollowsPages(t *testing.T) {
	const first, second = "limit=2&page=1", "limit=2&page=2"
	next := func(pointer, more string) string {
		return fmt.Sprintf(`,"pagination":{"nextPage":%q%s}`, pointer, more)
	}
	const end = `,"pagination":{"nextPage":null}`
	tests := []struct {
		name     string
		answers  map[string]string
		asked    []string
		items    int
		complete bool
	}{
		{"one page", map[string]string{first: userPage(end, "a", "b")}, []string{first}, 2, true},
		{"no items", map[string]string{first: userPage(end)}, []string{first}, 0, true},
		{"path", map[string]string{first: userPage(next("/console/v1/users?page=2&limit=2", ""), "a"), second: userPage(end, "b")},
			[]string{first, second}, 2, false},
		{"query alone, other limit", map[string]string{first: userPage(next("?page=2&limit=1", ""), "a"), "limit=1&page=2": userPage(end, "b")},
			[]string{first, "limit=1&page=2"}, 2, false},
		{"cursor", map[string]string{first: userPage(next("/console/v1/users?cursor=x%26y", ""), "a"), "cursor=x%26y": userPage(end, "b")},
			[]string{first, "cursor=x%26y"}, 2, false},
		{"absolute URL", map[string]string{first: userPage(next("https://console.example/console/v1/users?page=2&limit=2", ""), "a"), second: userPage(end, "b")},
			[]string{first, second}, 2, false},
		{"another host", map[string]string{first: userPage(next("https://evil.example/console/v1/users?page=9", ""), "a"), second: userPage(end, "b")},
			[]string{first, second}, 2, false},
		{"another host without scheme", map[string]string{first: userPage(next("//evil.example/console/v1/users?page=9", ""), "a"), second: userPage(end, "b")},
			[]string{first, second}, 2, false},
		{"another path", map[string]string{first: userPage(next("/console/v1/keys?page=9", ""), "a"), second: userPage(end, "b")},
			[]string{first, second}, 2, false},
		{"unreadable pointer", map[string]string{first: userPage(next("http://[::bad?page=9", ""), "a"), second: userPage(end, "b")},
			[]string{first, second}, 2, false},
		{"empty page between", map[string]string{first: userPage(next("?page=2&limit=2", "")), second: userPage(end, "b")},
			[]string{first, second}, 1, false},
		{"empty pointer ends", map[string]string{first: userPage(next("", ""), "a")}, []string{first}, 1, true},
		{"total agrees", map[string]string{first: userPage(next("?page=2&limit=2", `,"totalItems":2`), "a"), second: userPage(`,"pagination":{"nextPage":null,"totalItems":2}`, "b")},
			[]string{first, second}, 2, true},
		{"total too high", map[string]string{first: userPage(`,"pagination":{"nextPage":null,"totalItems":3}`, "a", "b")}, []string{first}, 2, false},
		{"total too low", map[string]string{first: userPage(`,"pagination":{"nextPage":null,"totalItems":1}`, "a", "b")}, []string{first}, 2, false},
		{"total changed", map[string]string{first: userPage(next("?page=2&limit=2", `,"totalItems":3`), "a"), second: userPage(`,"pagination":{"nextPage":null,"totalItems":2}`, "b")},
			[]string{first, second}, 2, false},
		{"seen twice", map[string]string{first: userPage(next("?page=2&limit=2", ""), "a", "b"), second: userPage(end, "B", "c")},
			[]string{first, second}, 3, false},
		{"addresses that Unicode folds are two", map[string]string{first: userPage(end, "kim@x.io", "\u212aim@x.io")}, []string{first}, 2, true},
		{"no pointer", map[string]string{first: userPage(`,"pagination":{}`, "a")}, []string{first}, 1, false},
		{"no pointer, but the total agrees", map[string]string{first: userPage(`,"pagination":{"totalItems":1}`, "a")}, []string{first}, 1, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var asked []string
			l, err := pages(t, &asked, tt.answers).ListUsers(t.Context(), byAnyone)
			if err != nil || !slices.Equal(asked, tt.asked) {
				t.Fatalf("asked %q, want %q: %v", asked, tt.asked, err)
			}
			if len(l.Items) != tt.items || l.Complete != tt.complete || l.Pages != len(tt.asked) {
				t.Errorf("listing %+v, want %d items, complete %v", l, tt.items, tt.complete)
			}
		})
	}
}

func TestListingEnds(t *testing.T) {
	var asked []string
	loop := map[string]string{
		"limit=2&page=1": userPage(`,"pagination":{"nextPage":"?page=2&limit=2"}`, "a"),
		"limit=2&page=2": userPage(`,"pagination":{"nextPage":"?limit=2&page=1"}`, "b"),
	}
	l, err := pages(t, &asked, loop).ListUsers(t.Context(), byAnyone)
	if console.ClassOf(err) != console.Unavailable || len(asked) != 2 || l.Items != nil {
		t.Errorf("loop: %d pages asked, %+v, %v", len(asked), l, err)
	}
	asked = nil
	endless := map[string]string{"else": userPage(`,"pagination":{"nextPage":"elsewhere"}`, "a")}
	l, err = pages(t, &asked, endless).ListUsers(t.Context(), byAnyone)
	if console.ClassOf(err) != console.Unavailable || len(asked) != maxPages || l.Items != nil {
		t.Errorf("no end: %d pages asked, %+v, %v", len(asked), l, err)
	}
}

func TestListingOfTeamsKeepsNamesakes(t *testing.T) {
	body := `{"data":[{"name":"A"},{"name":"A"},{"id":"1","name":"B"},{"id":1,"name":"B2"}],"pagination":{"nextPage":null}}`
	l, err := serve(t, answer(200, body)).ListTeams(t.Context(), byAnyone)
	var names []string
	for _, team := range l.Items {
		names = append(names, team.Name)
	}
	if err != nil || l.Complete || !slices.Equal(names, []string{"A", "A", "B2"}) {
		t.Errorf("listing %+v, %v", l, err)
	}
}

func TestMissingListIsNotAnEmptyOne(t *testing.T) {
	c := serve(t, answer(404, `{"status":404,"message":"Not Found."}`))
	notify := byAnyone
	notify.Notify = func() {}
	if _, err := c.ListTeams(t.Context(), notify); console.ClassOf(err) != console.Unavailable {
		t.Errorf("error %v, want Unavailable", err)
	}
	// Without its pagination it is not the console's list.
	for _, body := range []string{`{"data":[]}`, `{"message":"m","data":[{"email":"a@x.io"}]}`, `{"data":[],"pagination":null}`, `{}`} {
		if l, err := serve(t, answer(200, body)).ListUsers(t.Context(), notify); console.ClassOf(err) != console.Unavailable {
			t.Errorf("%s: %+v, %v", body, l, err)
		}
	}
}

// inMemory runs f in a bubble with a simulated console of five users, two to a
// page.
func inMemory(t *testing.T, cfg quota.Config, f func(*testing.T, *consolesim.Server, *Client)) {
	synctest.Test(t, func(t *testing.T) {
		sim := consolesim.New(consolesim.Options{Keys: []string{canary}, Windows: []consolesim.Window{}})
		for i := range 5 {
			sim.PutUser(consolesim.User{Email: fmt.Sprintf("user%d@example.com", i)})
		}
		server := sim.InMemory()
		defer server.Close()
		server.Transport.Proxy = RefuseSilentRetry
		limiter := quota.New(cfg, quota.WithJitter(func() float64 { return 0 }))
		defer limiter.Close()
		f(t, sim, newClient(t, server.URL, func(c *Config) {
			c.Transport, c.Limiter, c.PageSize = server.Transport, limiter, 2
		}))
	})
}

func TestListingOfSimulatedConsole(t *testing.T) {
	tests := []struct {
		name     string
		change   func(*consolesim.Behavior)
		pages    int
		complete bool
	}{
		{"as documented", func(*consolesim.Behavior) {}, 3, true},
		{"shorter pages", func(b *consolesim.Behavior) { b.MaxPageSize = 1 }, 5, true},
		{"no totals", func(b *consolesim.Behavior) { b.OmitTotals = true }, 3, false},
		{"users without ids", func(b *consolesim.Behavior) { b.ReturnsUserID = false }, 3, true},
		{"an item moves", func(b *consolesim.Behavior) { b.MoveBetweenPages = 1 }, 3, false},
		{"an item moves, no totals", func(b *consolesim.Behavior) { b.MoveBetweenPages, b.OmitTotals = 1, true }, 3, false},
		{"items move, no ids", func(b *consolesim.Behavior) { b.MoveBetweenPages, b.ReturnsUserID, b.OmitTotals = -1, false, true }, 3, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inMemory(t, quota.Config{}, func(t *testing.T, sim *consolesim.Server, c *Client) {
				if err := sim.SetBehavior(tt.change); err != nil {
					t.Fatal(err)
				}
				l, err := c.ListUsers(t.Context(), byAnyone)
				if err != nil || l.Pages != tt.pages || l.Complete != tt.complete || tt.complete && len(l.Items) != 5 {
					t.Errorf("listing %+v, %v; want %d pages, complete %v", l, err, tt.pages, tt.complete)
				}
				seen := map[string]bool{}
				for _, u := range l.Items {
					if seen[u.Email] {
						t.Errorf("%s is listed twice", u.Email)
					}
					seen[u.Email] = true
				}
			})
		})
	}
}

func TestPagesAreAskedForAgain(t *testing.T) {
	tests := []struct {
		name     string
		fault    consolesim.Fault
		notify   func()
		requests int
		want     console.Class
	}{
		{"unavailable twice", consolesim.Fault{Skip: 1, Times: 2, Effect: consolesim.EffectError}, nil, 5, ""},
		{"unavailable three times", consolesim.Fault{Skip: 1, Times: 3, Effect: consolesim.EffectError}, nil, 4, console.Unavailable},
		{"throttled", consolesim.Fault{Times: 1, Effect: consolesim.EffectTooMany, RetryAfter: "3"}, nil, 4, ""},
		{"cut", consolesim.Fault{Skip: 2, Times: 1, Effect: consolesim.EffectCut}, nil, 4, ""},
		{"refused", consolesim.Fault{Times: 1, Effect: consolesim.EffectError, Status: 400}, nil, 1, console.Invalid},
		{"not waiting for the quota", consolesim.Fault{Skip: 1, Times: 1, Effect: consolesim.EffectError}, func() {}, 2, console.Unavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inMemory(t, quota.Config{}, func(t *testing.T, sim *consolesim.Server, c *Client) {
				sim.Inject(tt.fault)
				begin := time.Now()
				by := byAnyone
				by.Notify = tt.notify
				l, err := c.ListUsers(t.Context(), by)
				if console.ClassOf(err) != tt.want || sim.Counters().Total != tt.requests {
					t.Fatalf("%d requests, want %d; error %v, want class %q", sim.Counters().Total, tt.requests, err, tt.want)
				}
				if err != nil {
					if l.Items != nil || !strings.HasPrefix(err.Error(), "list users page ") {
						t.Errorf("listing %+v, %v", l, err)
					}
					return
				}
				if len(l.Items) != 5 || !l.Complete || l.Pages != tt.requests {
					t.Errorf("listing %+v", l)
				}
				if tt.fault.Effect == consolesim.EffectTooMany && l.StartedAt.Sub(begin) < 3*time.Second {
					t.Errorf("started %v after a pause of 3s", l.StartedAt.Sub(begin))
				}
			})
		})
	}
}

func TestListingStartsWhenItsTurnComes(t *testing.T) {
	window := quota.Window{Requests: 3, Per: time.Minute}
	inMemory(t, quota.Config{Windows: []quota.Window{window}, Share: 100}, func(t *testing.T, sim *consolesim.Server, c *Client) {
		first, err := c.ListUsers(t.Context(), byAnyone)
		if err != nil {
			t.Fatal(err)
		}
		second, err := c.ListUsers(t.Context(), byAnyone)
		if err != nil {
			t.Fatal(err)
		}
		if wait := second.StartedAt.Sub(first.StartedAt); wait < window.Per {
			t.Errorf("the second listing says it started %v after the first, whose pages took the quota for %v", wait, window.Per)
		}
		by := byAnyone
		by.Notify = func() {}
		_, err = c.ListUsers(t.Context(), by)
		if _, waits := errors.AsType[*quota.WaitError](err); !waits || sim.Counters().Total != 6 {
			t.Errorf("%d requests, error %v; want a *quota.WaitError and no seventh request", sim.Counters().Total, err)
		}
	})
}
