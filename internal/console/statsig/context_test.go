package statsig

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/internal/quota"
)

// Calls that end before their answer: by the caller, by the time-out, by the
// permit's deadline, in the middle of the body.
func TestUnansweredCalls(t *testing.T) {
	const never = time.Hour
	cancelled := func(t *testing.T) context.Context {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(2*time.Second, cancel)
		return ctx
	}
	whole := func(t *testing.T) context.Context { return t.Context() }
	tests := []struct {
		name  string
		fault consolesim.Fault
		ctx   func(*testing.T) context.Context
		after time.Duration
		cause error
		text  string
		told  quota.Totals
	}{
		{"cancelled before the effect", consolesim.Fault{Effect: consolesim.EffectLatency, Delay: never}, cancelled, 2 * time.Second,
			context.Canceled, "the call was ended before an answer came: context canceled", quota.Totals{OK: 1, Lost: 1}},
		{"cancelled after the effect", consolesim.Fault{Effect: consolesim.EffectLatencyAfter, Delay: never}, cancelled, 2 * time.Second,
			context.Canceled, "the call was ended before an answer came: context canceled", quota.Totals{OK: 1, Lost: 1}},
		{"cancelled in the body", consolesim.Fault{Effect: consolesim.EffectSlowBody, Delay: never}, cancelled, 2 * time.Second,
			context.Canceled, "HTTP 200: the call was ended before an answer came: context canceled", quota.Totals{OK: 1, Lost: 1}},
		{"time-out", consolesim.Fault{Effect: consolesim.EffectLatencyAfter, Delay: never}, whole, 20 * time.Second,
			nil, "no answer came in time", quota.Totals{Unavailable: 1, Lost: 1}},
		{"time-out in the body", consolesim.Fault{Effect: consolesim.EffectSlowBody, Delay: never}, whole, 20 * time.Second,
			nil, "HTTP 200: no answer came in time", quota.Totals{Unavailable: 1, Lost: 1}},
	}
	for _, tt := range tests {
		for op, want := range map[string]console.Class{"get user": console.Unavailable, "update user": console.Ambiguous} {
			t.Run(tt.name+", "+op, func(t *testing.T) {
				inMemory(t, quota.Config{}, func(t *testing.T, sim *consolesim.Server, c *Client) {
					c.timeout = 20 * time.Second
					sim.Inject(tt.fault)
					begin := time.Now()
					err := callOf(tt.ctx(t), c, op)
					if got := time.Since(begin); got != tt.after {
						t.Errorf("ended after %v, want %v", got, tt.after)
					}
					if console.ClassOf(err) != want || err.Error() != op+": "+tt.text {
						t.Errorf("%s %q, want %s %q", console.ClassOf(err), err, want, op+": "+tt.text)
					}
					if ended := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded); ended != (tt.cause != nil) || tt.cause != nil && !errors.Is(err, tt.cause) {
						t.Errorf("cause of %v, want %v", err, tt.cause)
					}
					settled(t, c, tt.told)
				})
			})
		}
	}
}

func callOf(ctx context.Context, c *Client, op string) (err error) {
	if op == "get user" {
		_, err = c.GetUser(ctx, byAnyone, "user0@example.com")
	} else {
		_, err = c.UpdateUser(ctx, byAnyone, "user0@example.com", console.UserChange{Role: new("Admin")})
	}
	return err
}

func TestCallsThatWereNeverSent(t *testing.T) {
	tests := []struct {
		name string
		wait time.Duration // of the caller
		told quota.Totals
	}{
		{"no connection in time", time.Hour, quota.Totals{Unavailable: 1}},
		{"given up while connecting", time.Second, quota.Totals{Cancelled: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// net/http goes on dialling when the call has ended.
				end := make(chan struct{})
				defer close(end)
				c := newClient(t, "http://console.example", func(cfg *Config) {
					cfg.Transport = &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
						<-end
						return nil, net.ErrClosed
					}}
				})
				defer c.limiter.Close()
				ctx, cancel := context.WithTimeout(t.Context(), tt.wait)
				defer cancel()
				if err := callOf(ctx, c, "update user"); console.ClassOf(err) != console.Unavailable {
					t.Errorf("a write that was not sent: %s %v", console.ClassOf(err), err)
				}
				settled(t, c, tt.told)
			})
		})
	}
}

func TestPermitBoundsTheAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := consolesim.New(consolesim.Options{Keys: []string{canary}})
		server := sim.InMemory()
		defer server.Close()
		limiter := quota.New(quota.Config{}, quota.WithMaxCall(5*time.Second))
		defer limiter.Close()
		c := newClient(t, server.URL, func(cfg *Config) { cfg.Transport, cfg.Limiter = server.Transport, limiter })
		sim.Inject(consolesim.Fault{Effect: consolesim.EffectLatency, Delay: time.Hour})
		begin := time.Now()
		if err := read(t, c); err == nil || time.Since(begin) != 5*time.Second {
			t.Errorf("ended after %v: %v; want the permit's 5s", time.Since(begin), err)
		}
	})
}

func TestWaitForTheQuota(t *testing.T) {
	cfg := quota.Config{Windows: []quota.Window{{Requests: 1, Per: time.Minute}}, MutationsOnly: true}
	inMemory(t, cfg, func(t *testing.T, sim *consolesim.Server, c *Client) {
		if err := callOf(t.Context(), c, "update user"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := callOf(ctx, c, "update user")
		if console.ClassOf(err) != console.Unavailable || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a wait that was given up: %v", err)
		}
		for range 3 {
			if err := callOf(t.Context(), c, "get user"); err != nil {
				t.Errorf("a read, which this quota does not count: %v", err)
			}
		}
		turn := make(chan struct{})
		by := byAnyone
		by.Notify = func() { close(turn) }
		change := console.UserChange{LastName: new("Lovelace")}
		_, err = c.UpdateUser(t.Context(), by, "user0@example.com", change)
		if wait, ok := errors.AsType[*quota.WaitError](err); !ok || wait.Reason != quota.ReasonQuota || console.ClassOf(err) != "" {
			t.Errorf("a call before its turn: %v", err)
		}
		if n := sim.Counters().Total; n != 4 {
			t.Errorf("%d requests were sent, want 4", n)
		}
		<-turn
		if _, err = c.UpdateUser(t.Context(), by, "user0@example.com", change); err != nil {
			t.Errorf("a call in its turn: %v", err)
		}
		c.limiter.Close()
		for _, by := range []quota.Request{byAnyone, by} {
			_, err := c.GetUser(t.Context(), by, "user0@example.com")
			if console.ClassOf(err) != console.Unavailable || !errors.Is(err, quota.ErrClosed) {
				t.Errorf("a call after the end: %v", err)
			}
		}
	})
}
