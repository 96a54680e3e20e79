package statsig

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/internal/quota"
)

const page502 = "<html><body><h1>502 Bad Gateway</h1></body></html>"

func TestAnswersAreClassified(t *testing.T) {
	var (
		ok        = quota.Totals{OK: 1}
		throttled = quota.Totals{Throttled: 1}
		down      = quota.Totals{Unavailable: 1}
		lost      = quota.Totals{Unavailable: 1, Lost: 1}
	)
	tests := []struct {
		name        string
		handler     http.HandlerFunc
		read, write console.Class
		text        string // what both errors say
		told        quota.Totals
	}{
		{"400", answer(400, `{"status":400,"message":"no such role"}`), console.Invalid, console.Invalid, "no such role", ok},
		{"400 by a proxy", answer(400, page502), console.Unavailable, console.Ambiguous, "HTTP 400: the answer is not the console's own", ok},
		{"400 without status", answer(400, `{"message":"Bad Request"}`), console.Unavailable, console.Ambiguous, "Bad Request: the answer is not the console's own", ok},
		{"400 with another status", answer(400, `{"status":502,"message":"oops"}`), console.Unavailable, console.Ambiguous, "oops: the answer is not the console's own", ok},
		{"400 too large", answer(400, `{"status":400,"message":"`+strings.Repeat("x", maxFailureBytes)+`"}`), console.Unavailable, console.Ambiguous, "not the console's own", ok},
		{"401", answer(401, `{"status":401,"message":"sent Key: `+canary+`"}`), console.Unauthorized, console.Unauthorized, "put an active Console key", ok},
		{"401 by a proxy", answer(401, page502), console.Unauthorized, console.Unauthorized, "put an active Console key", ok},
		{"403", answer(403, `{"status":403,"message":"refusing action"}`), console.Forbidden, console.Forbidden, "refusing action", ok},
		{"404", answer(404, `{"status":404,"message":"Not Found."}`), console.NotFound, console.NotFound, "Not Found.", ok},
		{"404 of Kong", answer(404, `{"message":"no Route matched with those values"}`), console.Unavailable, console.Ambiguous, "no Route matched with those values: the answer is not the console's own", ok},
		{"404 of AWS", answer(404, `{"message":"Not Found"}`), console.Unavailable, console.Ambiguous, "not the console's own", ok},
		{"404 by a proxy", answer(404, "<html>404</html>"), console.Unavailable, console.Ambiguous, "not the console's own", ok},
		{"404 empty", answer(404, ""), console.Unavailable, console.Ambiguous, "not the console's own", ok},
		{"404 of something else in JSON", answer(404, `{"error":"no route"}`), console.Unavailable, console.Ambiguous, "not the console's own", ok},
		{"404 with another status", answer(404, `{"status":500,"message":"oops"}`), console.Unavailable, console.Ambiguous, "oops", ok},
		{"404 with a status in words", answer(404, `{"status":"error","message":"oops"}`), console.Unavailable, console.Ambiguous, "not the console's own", ok},
		{"404 of a missing endpoint", answer(404, `{"status":404,"message":"Cannot GET /v2/x"}`), console.Unavailable, console.Ambiguous, "Cannot GET /v2/x", ok},
		{"404 of another framework", answer(404, `{"status":404,"message":"Route POST:/v2/x not found"}`), console.Unavailable, console.Ambiguous, "Route POST:/v2/x not found", ok},
		{"404 of the console's framework", answer(404, `{"statusCode":404,"message":"Team not found","error":"Not Found"}`), console.Unavailable, console.Ambiguous, "not the console's own", ok},
		{"404 cut off", cutOff(404, `{"status":404,"message":"Not Found."}`), console.Unavailable, console.Ambiguous, "not the console's own", lost},
		{"405", answer(405, `{"status":405,"message":"m"}`), console.Invalid, console.Invalid, ": m", ok},
		{"405 by a proxy", answer(405, ""), console.Unavailable, console.Ambiguous, "not the console's own", ok},
		{"408", answer(408, ""), console.Unavailable, console.Ambiguous, "HTTP 408", ok},
		{"409", answer(409, `{"status":409,"message":"taken"}`), console.Invalid, console.Invalid, "taken", ok},
		{"413 by a proxy", answer(413, page502), console.Invalid, console.Invalid, "the request is larger", ok},
		{"422", answer(422, `{"status":422,"message":"bad"}`), console.Invalid, console.Invalid, "bad", ok},
		{"425", answer(425, ""), console.Unavailable, console.Unavailable, "HTTP 425", ok},
		{"429", answer(429, `{"status":429,"message":"slow down"}`, "Retry-After", "7"), console.Throttled, console.Throttled, "slow down", throttled},
		{"500", answer(500, `{"status":500,"message":"oops"}`), console.Unavailable, console.Ambiguous, "oops", down},
		{"502", answer(502, page502), console.Unavailable, console.Ambiguous, "HTTP 502", down},
		{"503 cut off", cutOff(503, "half"), console.Unavailable, console.Ambiguous, "HTTP 503", down},
		{"302", answer(302, "", "Location", "https://elsewhere.example/x?y=1"), console.Unavailable, console.Ambiguous, "redirected to elsewhere.example,", ok},
		{"307 to itself", answer(307, "", "Location", "/other"), console.Unavailable, console.Ambiguous, "redirected to 127.0.0.1", ok},
		{"308 to nowhere", answer(308, ""), console.Unavailable, console.Ambiguous, "redirected to somewhere unknown", ok},
		{"301 unreadable", answer(301, "", "Location", "http://[::bad"), console.Unavailable, console.Ambiguous, "redirected to somewhere unknown", ok},
		{"304", answer(304, ""), console.Unavailable, console.Ambiguous, "HTTP 304", ok},
		{"200 HTML", answer(200, page502), console.Unavailable, console.Ambiguous, "cannot be read", ok},
		{"200 empty", answer(200, ""), console.Unavailable, console.Ambiguous, "empty", ok},
		{"202", answer(202, ada), console.Unavailable, console.Ambiguous, "not the console's own", ok},
		{"204", answer(204, ""), console.Unavailable, console.Ambiguous, "not the console's own", ok},
		{"200 {}", answer(200, "{}"), console.Unavailable, console.Ambiguous, `no "data"`, ok},
		{"200 about somebody else", answer(200, `{"message":"m","data":{"email":"alan@example.com"}}`), console.Unavailable, console.Ambiguous, "another user", ok},
		{"200 with an error beside the data", answer(200, `{"message":"m","data":{"email":"ada@example.com"},"error":"expired"}`), console.Unavailable, console.Ambiguous, "reports an error", ok},
		{"200 without data", answer(200, `{"message":"m"}`), console.Unavailable, console.Ambiguous, `no "data"`, ok},
		{"200 wrong types", answer(200, `{"data":{"email":7}}`), console.Unavailable, console.Ambiguous, "cannot be read", ok},
		{"200 with an error inside", answer(200, `{"status":404,"message":"Not Found."}`), console.Unavailable, console.Ambiguous, "reports an error", ok},
		{"200 cut off", cutOff(200, `{"data":{"email":"a@x.io"}}`), console.Unavailable, console.Ambiguous, "closed before the whole answer", lost},
		{"200 too large", answer(200, `{"data":{"email":"a@x.io"},"x":"`+strings.Repeat("x", maxItemBytes)+`"}`), console.Unavailable, console.Ambiguous, "larger than the limit", ok},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, call := range []struct {
				do   func(testing.TB, *Client) error
				want console.Class
			}{{read, tt.read}, {write, tt.write}} {
				c := serve(t, tt.handler)
				err := call.do(t, c)
				if got := console.ClassOf(err); got != call.want {
					t.Errorf("class %q, want %q: %v", got, call.want, err)
				}
				if err == nil || !strings.Contains(err.Error(), tt.text) {
					t.Errorf("error %v, want it to say %q", err, tt.text)
				}
				settled(t, c, tt.told)
			}
		})
	}
}

// What answers a deletion, or an invitation, is taken for success, or for absence,
// only when it is the console's own answer.
func TestOnlyTheConsoleConcludes(t *testing.T) {
	for _, tt := range []struct {
		status int
		body   string
		want   console.Class
	}{
		{200, `{"message":"Team deleted successfully"}`, ""},
		{200, `{}`, console.Ambiguous},
		{200, `{"error":"please log in"}`, console.Ambiguous},
		{200, `{"errors":[{"message":"x"}]}`, console.Ambiguous},
		{200, `{"message":"no","success":false}`, console.Ambiguous},
		{200, `[]`, console.Ambiguous},
		{200, ``, console.Ambiguous},
		{202, `{"message":"accepted"}`, console.Ambiguous},
		{204, ``, console.Ambiguous},
		{302, ``, console.Ambiguous},
		{404, `{"message":"no Route matched with those values"}`, console.Ambiguous},
		{404, `{"message":"Not Found"}`, console.Ambiguous},
		{404, `{"statusCode":404,"message":"Cannot DELETE /console/v1/users/teams/x","error":"Not Found"}`, console.Ambiguous},
		{404, `{"status":404,"message":"Route DELETE:/console/v1/users/teams/x not found"}`, console.Ambiguous},
		{404, `{"status":404,"message":"Team not found"}`, console.NotFound},
	} {
		c := serve(t, answer(tt.status, tt.body, "Content-Type", "application/json"))
		if err := c.DeleteTeam(t.Context(), byAnyone, "x"); console.ClassOf(err) != tt.want || (err == nil) != (tt.want == "") {
			t.Errorf("delete, HTTP %d %s: %v, want %q", tt.status, tt.body, err, tt.want)
		}
		// An invitation's address names nothing that could be absent.
		want := tt.want
		if want == console.NotFound {
			want = console.Invalid
		}
		if err := c.Invite(t.Context(), byAnyone, console.Invitation{Role: "Member", Emails: []string{"a@x.io"}}); console.ClassOf(err) != want || (err == nil) != (want == "") {
			t.Errorf("invite, HTTP %d %s: %v, want %q", tt.status, tt.body, err, want)
		}
	}
}

// An answer about another thing than the call is no answer to it.
func TestAnswersAreAboutWhatWasAsked(t *testing.T) {
	other := serve(t, answer(200, `{"message":"m","data":{"id":"other","name":"Other","members":[],"admins":[]}}`))
	team := console.Team{Name: "Ops", MembersKnown: true}
	if got, err := other.GetTeam(t.Context(), byAnyone, "mine"); console.ClassOf(err) != console.Unavailable {
		t.Errorf("get: %+v, %v", got, err)
	}
	if got, err := other.UpdateTeam(t.Context(), byAnyone, "mine", team); console.ClassOf(err) != console.Ambiguous {
		t.Errorf("update: %+v, %v", got, err)
	}
	if got, err := other.CreateTeam(t.Context(), byAnyone, team); console.ClassOf(err) != console.Ambiguous {
		t.Errorf("create: %+v, %v", got, err)
	}
	if got, err := other.GetTeam(t.Context(), byAnyone, "other"); err != nil || got.ID != "other" {
		t.Errorf("get: %+v, %v", got, err)
	}
}

// cutOff answers with the first half of the body and cuts the connection.
func cutOff(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body[:len(body)/2]))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

func TestThrottledTellsHowLong(t *testing.T) {
	for _, tt := range []struct {
		header string
		want   time.Duration
	}{{"7", 7 * time.Second}, {"-7", 0}, {"soon", 0}, {"31536000", 365 * 24 * time.Hour}} {
		err := read(t, serve(t, answer(429, `{"message":"m"}`, "Retry-After", tt.header)))
		e, ok := console.AsError(err)
		if !ok || e.RetryAfter != tt.want {
			t.Errorf("Retry-After %s: %v in %v, want %v", tt.header, e.RetryAfter, err, tt.want)
		}
	}
	x := exchange{status: 429, header: http.Header{"Retry-After": {"-7"}}}
	if got, want := x.outcome(), (quota.Outcome{Kind: quota.Throttled, HasRetryAfter: true}); got != want {
		t.Errorf("a negative wait is told as %+v, want %+v", got, want)
	}
	x.header.Set("Retry-After", "soon")
	if got, want := x.outcome(), (quota.Outcome{Kind: quota.Throttled}); got != want {
		t.Errorf("an unreadable wait is told as %+v, want %+v", got, want)
	}
}

// Every fault of the simulated console has a class, and a write's class tells
// truly whether it may have taken effect.
func TestFaultsAreClassified(t *testing.T) {
	lost := quota.Totals{Unavailable: 1, Lost: 1}
	tests := []struct {
		fault       consolesim.Fault
		read, write console.Class
		told        quota.Totals
	}{
		{consolesim.Fault{Effect: consolesim.EffectError}, console.Unavailable, console.Ambiguous, quota.Totals{Unavailable: 1}},
		{consolesim.Fault{Effect: consolesim.EffectErrorAfter}, console.Unavailable, console.Ambiguous, quota.Totals{Unavailable: 1}},
		{consolesim.Fault{Effect: consolesim.EffectTooMany, RetryAfter: "3"}, console.Throttled, console.Throttled, quota.Totals{Throttled: 1}},
		{consolesim.Fault{Effect: consolesim.EffectCut}, console.Unavailable, console.Ambiguous, lost},
		{consolesim.Fault{Effect: consolesim.EffectCutAfter}, console.Unavailable, console.Ambiguous, lost},
		{consolesim.Fault{Effect: consolesim.EffectTruncated}, console.Unavailable, console.Ambiguous, lost},
		{consolesim.Fault{Effect: consolesim.EffectNotJSON}, console.Unavailable, console.Ambiguous, quota.Totals{OK: 1}},
		{consolesim.Fault{Effect: consolesim.EffectHugeBody, Size: 2 << 20}, console.Unavailable, console.Ambiguous, quota.Totals{OK: 1}},
		{consolesim.Fault{Effect: consolesim.EffectWrongTypes}, console.Unavailable, console.Ambiguous, quota.Totals{OK: 1}},
		{consolesim.Fault{Effect: consolesim.EffectRedirect, Location: "https://elsewhere.example/"}, console.Unavailable, console.Ambiguous, quota.Totals{OK: 1}},
		{consolesim.Fault{Effect: consolesim.EffectNoRoute}, console.Unavailable, console.Ambiguous, quota.Totals{OK: 1}},
		{consolesim.Fault{Effect: consolesim.EffectHollow}, console.Unavailable, console.Ambiguous, quota.Totals{OK: 1}},
	}
	for _, tt := range tests {
		t.Run(string(tt.fault.Effect), func(t *testing.T) {
			sim, c := simulate(t)
			sim.PutUser(consolesim.User{Email: "ada@example.com", Role: "Admin"})
			sim.Inject(tt.fault)
			if err := read(t, c); console.ClassOf(err) != tt.read {
				t.Errorf("read: %v, want %s", err, tt.read)
			}
			settled(t, c, tt.told)
			limiter := c.limiter
			c.limiter = quota.New(quota.Config{})
			defer c.limiter.Close()
			defer limiter.Close()
			err := write(t, c)
			if console.ClassOf(err) != tt.write {
				t.Errorf("write: %v, want %s", err, tt.write)
			}
			settled(t, c, tt.told)
			if u, _ := sim.User("ada@example.com"); u.Role != "Admin" && console.ClassOf(err) != console.Ambiguous {
				t.Errorf("the write took effect, yet its class is %s", console.ClassOf(err))
			}
			if n := sim.Counters().Total; n != 2 {
				t.Errorf("the console saw %d requests for two paid", n)
			}
		})
	}
}
