package consolesim_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/console-access/console-access-operator/internal/consolesim"
)

// TestEffects shows what the client sees of each effect, over TCP, and whether
// the request has taken effect.
func TestEffects(t *testing.T) {
	tests := []struct {
		name     string
		fault    consolesim.Fault
		status   int // 0: there is no whole answer
		header   string
		text     string // a part of the body
		effected bool
	}{
		{"error", consolesim.Fault{Effect: consolesim.EffectError}, 503, "", `"status":503`, false},
		{"error in html", consolesim.Fault{Effect: consolesim.EffectError, Status: 500, Body: "<h1>no</h1>"},
			500, "Content-Type: text/html; charset=utf-8", "<h1>no</h1>", false},
		{"error after", consolesim.Fault{Effect: consolesim.EffectErrorAfter},
			502, "Content-Type: text/html; charset=utf-8", "<h1>502 Bad Gateway</h1>", true},
		{"too many, absent", consolesim.Fault{Effect: consolesim.EffectTooMany}, 429, "Retry-After: ", `"status":429`, false},
		{"too many, seconds", consolesim.Fault{Effect: consolesim.EffectTooMany, RetryAfter: "7"}, 429, "Retry-After: 7", "", false},
		{"too many, absurd", consolesim.Fault{Effect: consolesim.EffectTooMany, RetryAfter: "soon, maybe"},
			429, "Retry-After: soon, maybe", "", false},
		{"cut", consolesim.Fault{Effect: consolesim.EffectCut}, 0, "", "", false},
		{"cut after", consolesim.Fault{Effect: consolesim.EffectCutAfter}, 0, "", "", true},
		{"truncated", consolesim.Fault{Effect: consolesim.EffectTruncated}, 0, "", `{"message":`, true},
		{"not json", consolesim.Fault{Effect: consolesim.EffectNotJSON}, 200, "", "<html>", true},
		{"not json, verbatim", consolesim.Fault{Effect: consolesim.EffectNotJSON, Body: `{"message":`,
			ContentType: "application/json"}, 200, "Content-Type: application/json", `{"message":`, true},
		{"huge", consolesim.Fault{Effect: consolesim.EffectHugeBody, Size: 100_000},
			200, "Content-Length: 100024", strings.Repeat("x", 100_000), true},
		{"wrong types", consolesim.Fault{Effect: consolesim.EffectWrongTypes}, 200, "", `"data":"none"`, true},
		{"redirect", consolesim.Fault{Effect: consolesim.EffectRedirect, Location: "https://elsewhere.example.com/"},
			302, "Location: https://elsewhere.example.com/", "", false},
		{"no route", consolesim.Fault{Effect: consolesim.EffectNoRoute},
			404, "Content-Type: application/json", `{"message":"no Route matched with those values"}`, false},
		{"no route, verbatim", consolesim.Fault{Effect: consolesim.EffectNoRoute, Body: `{"status":404,"message":"Role not found"}`},
			404, "Content-Type: application/json", `{"status":404,"message":"Role not found"}`, false},
		{"hollow", consolesim.Fault{Effect: consolesim.EffectHollow}, 200, "Content-Type: application/json", `{}`, false},
	}
	t.Run("wrong types of a refusal", func(t *testing.T) {
		sim, c := start(t, consolesim.Options{})
		sim.Inject(consolesim.Fault{Effect: consolesim.EffectWrongTypes})
		c.must(http.StatusNotFound, "GET", teamsPath+"/nobody-made-it", "")
	})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sim, c := start(t, consolesim.Options{})
			tt.fault.Method = "POST"
			id := sim.Inject(tt.fault)
			c.must(http.StatusOK, "GET", onePath, "")

			r, err := c.try("POST", onePath, `{"role":"Member"}`)
			if (err != nil) != (tt.status == 0) {
				t.Fatalf("error %v, status %d", err, r.status)
			}
			if tt.status != 0 {
				equal(t, "status", r.status, tt.status)
			}
			if name, value, ok := strings.Cut(tt.header, ": "); ok {
				equal(t, name, r.header.Get(name), value)
			}
			if !strings.Contains(r.text, tt.text) {
				t.Errorf("the body lacks %q: %.200s", tt.text, r.text)
			}
			u, _ := sim.User("ada@example.com")
			equal(t, "effected", u.Role == "Member", tt.effected)
			log := sim.Requests()
			equal(t, "log", log[1].Fault, string(tt.fault.Effect))
			equal(t, "hits", sim.Faults()[0].Hits, 1)

			if !sim.RemoveFault(id) {
				t.Fatal("the fault is not known by its id")
			}
			c.must(http.StatusOK, "POST", onePath, `{}`)
		})
	}
}

func TestTruncatedBodyIsUnexpectedEOF(t *testing.T) {
	sim, c := start(t, consolesim.Options{})
	sim.Inject(consolesim.Fault{Effect: consolesim.EffectTruncated})
	if _, err := c.try("GET", onePath, ""); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v", err)
	}
}

func TestLatencyFaults(t *testing.T) {
	tests := []struct {
		effect   consolesim.Effect
		effected bool // although the client gives up after one second
	}{
		{consolesim.EffectLatency, false},
		{consolesim.EffectLatencyAfter, true},
		{consolesim.EffectSlowBody, true},
	}
	for _, tt := range tests {
		t.Run(string(tt.effect), func(t *testing.T) {
			inBubble(t, consolesim.Options{}, func(t *testing.T, sim *consolesim.Server, c *client) {
				sim.Inject(consolesim.Fault{Effect: tt.effect, Delay: 10 * time.Second})
				start := time.Now()
				r := c.must(http.StatusOK, "GET", onePath, "")
				equal(t, "elapsed", time.Since(start), 10*time.Second)
				equal(t, "role", r.get("data", "role"), any("Admin"))

				c.http.Timeout = time.Second
				_, err := c.try("POST", onePath, `{"role":"Member"}`)
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("error %v", err)
				}
				u, _ := sim.User("ada@example.com")
				equal(t, "effected", u.Role == "Member", tt.effected)
			})
		})
	}
}

func TestWhichRequestsAFaultStrikes(t *testing.T) {
	tests := []struct {
		name  string
		fault consolesim.Fault
		want  string // of six requests: GET user, GET teams, POST user, twice; x is struck
	}{
		{"every", consolesim.Fault{}, "xxxxxx"},
		{"method", consolesim.Fault{Method: "POST"}, "..x..x"},
		{"endpoint", consolesim.Fault{Endpoint: consolesim.ListTeams}, ".x..x."},
		{"path", consolesim.Fault{PathPrefix: "/console/v1/users/ada"}, "x.xx.x"},
		{"project", consolesim.Fault{Project: "other"}, "......"},
		{"the third", consolesim.Fault{Skip: 2, Times: 1}, "..x..."},
		{"the second POST", consolesim.Fault{Method: "POST", Skip: 1}, ".....x"},
		{"two", consolesim.Fault{Times: 2}, "xx...."},
		{"never", consolesim.Fault{Probability: 1e-12}, "......"},
		{"certain", consolesim.Fault{Probability: 1}, "xxxxxx"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sim, c := start(t, consolesim.Options{})
			tt.fault.Effect = consolesim.EffectError
			sim.Inject(tt.fault)
			got := ""
			for range 2 {
				for _, r := range []reply{
					c.do("GET", onePath, ""), c.do("GET", teamsPath, ""), c.do("POST", onePath, "{}"),
				} {
					got += map[int]string{503: "x", 200: "."}[r.status]
				}
			}
			equal(t, "struck", got, tt.want)
		})
	}
}

func TestProbabilityIsRepeatable(t *testing.T) {
	strikes := func(seed uint64) string {
		sim, c := start(t, consolesim.Options{RandSeed: seed})
		sim.Inject(consolesim.Fault{Effect: consolesim.EffectError, Probability: 0.5})
		got := ""
		for range 40 {
			got += map[int]string{503: "x", 200: "."}[c.do("GET", onePath, "").status]
		}
		return got
	}
	first := strikes(1)
	equal(t, "the same seed", strikes(1), first)
	if strikes(2) == first || !strings.Contains(first, "x") || !strings.Contains(first, ".") {
		t.Errorf("the dice are not fair: %s", first)
	}
}

func TestFirstFaultThatStrikesCounts(t *testing.T) {
	sim, c := start(t, consolesim.Options{})
	sim.Inject(consolesim.Fault{Effect: consolesim.EffectError, Status: 500, Times: 1})
	sim.Inject(consolesim.Fault{Effect: consolesim.EffectError, Status: 503})
	c.must(500, "GET", onePath, "")
	c.must(503, "GET", onePath, "")
	sim.ClearFaults()
	c.must(200, "GET", onePath, "")
}

func TestFaultValidate(t *testing.T) {
	for _, f := range []consolesim.Fault{
		{},
		{Effect: "explode"},
		{Effect: consolesim.EffectRedirect},
		{Effect: consolesim.EffectError, Skip: -1},
		{Effect: consolesim.EffectError, Status: 99},
		{Effect: consolesim.EffectError, Probability: 1.1},
		{Effect: consolesim.EffectError, Endpoint: "listGates"},
	} {
		if f.Validate() == nil {
			t.Errorf("%+v is accepted", f)
		}
	}
}
