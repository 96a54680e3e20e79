package consolesim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Effect is what a fault does to a request. "Before" and "after" say whether
// the request has taken effect.
type Effect string

// The effects. Those after the request has taken effect are how an answer is
// lost (open question 12).
const (
	EffectLatency      Effect = "latency"       // waits Delay before; no effect if the client leaves meanwhile
	EffectLatencyAfter Effect = "latency-after" // waits Delay after
	EffectSlowBody     Effect = "slow-body"     // after: the body takes Delay to arrive
	EffectError        Effect = "error"         // before: Status (503), Body or a JSON error
	EffectErrorAfter   Effect = "error-after"   // after: Status (502), Body or a proxy's HTML
	EffectTooMany      Effect = "too-many"      // before: 429, RetryAfter verbatim
	EffectCut          Effect = "cut"           // before: the connection is closed
	EffectCutAfter     Effect = "cut-after"     // after: the connection is closed
	EffectTruncated    Effect = "truncated"     // after: half of the body, then the connection is closed
	EffectNotJSON      Effect = "not-json"      // after: a success with Body or an HTML page
	EffectHugeBody     Effect = "huge-body"     // after: a success whose message has Size bytes (64 MiB)
	EffectWrongTypes   Effect = "wrong-types"   // after: a success, and no refusal, is JSON of other types than documented
	EffectRedirect     Effect = "redirect"      // before: Status (302) to Location
	EffectNoRoute      Effect = "no-route"      // before: a gateway's Status (404) in JSON, Body or {"message":"no Route matched with those values"}
	EffectHollow       Effect = "hollow"        // before: a success that is not the console's, Body or {}
)

var effects = []Effect{
	EffectLatency, EffectLatencyAfter, EffectSlowBody, EffectError, EffectErrorAfter, EffectTooMany, EffectCut,
	EffectCutAfter, EffectTruncated, EffectNotJSON, EffectHugeBody, EffectWrongTypes, EffectRedirect,
	EffectNoRoute, EffectHollow,
}

// Fault makes requests fail. Which ones: those that match every field of the
// first group that is set, after the first Skip of them, Times times, each with
// Probability. Of several faults the first that strikes counts. Requests over a
// window are refused before faults are considered.
type Fault struct {
	ID string `json:"id"` // given by the server

	Method     string `json:"method,omitempty"`
	PathPrefix string `json:"pathPrefix,omitempty"`
	Endpoint   string `json:"endpoint,omitempty"` // one of the constants, such as CreateTeam
	Project    string `json:"project,omitempty"`

	Skip        int     `json:"skip,omitempty"`
	Times       int     `json:"times,omitempty"`       // 0: without end
	Probability float64 `json:"probability,omitempty"` // 0: always

	Effect      Effect        `json:"effect"`
	Delay       time.Duration `json:"-"` // in JSON "delay", as "5s"
	Status      int           `json:"status,omitempty"`
	Body        string        `json:"body,omitempty"`
	ContentType string        `json:"contentType,omitempty"` // of Body; otherwise text/html
	RetryAfter  string        `json:"retryAfter,omitempty"`  // empty: no such header
	Location    string        `json:"location,omitempty"`
	Size        int           `json:"size,omitempty"` // bytes

	Seen int `json:"seen"` // requests that matched so far
	Hits int `json:"hits"` // requests that were struck so far
}

// plainFault is Fault without its methods.
type plainFault Fault

type faultJSON struct {
	plainFault
	Delay string `json:"delay,omitempty"`
}

// MarshalJSON writes the delay as text, such as "5s".
func (f Fault) MarshalJSON() ([]byte, error) {
	out := faultJSON{plainFault: plainFault(f)}
	if f.Delay != 0 {
		out.Delay = f.Delay.String()
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON writes, and refuses unknown fields.
func (f *Fault) UnmarshalJSON(b []byte) error {
	var in faultJSON
	dec := json.NewDecoder(strings.NewReader(string(b)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return fmt.Errorf("read fault: %w", err)
	}
	*f = Fault(in.plainFault)
	if in.Delay != "" {
		d, err := time.ParseDuration(in.Delay)
		if err != nil {
			return fmt.Errorf("read fault: delay: %w", err)
		}
		f.Delay = d
	}
	return nil
}

// Validate says what is wrong with the fault.
func (f Fault) Validate() error {
	switch {
	case !slices.Contains(effects, f.Effect):
		return fmt.Errorf("fault: effect %q is not one of %v", f.Effect, effects)
	case f.Skip < 0 || f.Times < 0 || f.Size < 0 || f.Delay < 0:
		return fmt.Errorf("fault: skip, times, size and delay must not be negative")
	case f.Probability < 0 || f.Probability > 1:
		return fmt.Errorf("fault: probability %v is not between 0 and 1", f.Probability)
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return fmt.Errorf("fault: status %d is not between 200 and 599", f.Status)
	case f.Effect == EffectRedirect && f.Location == "":
		return fmt.Errorf("fault: a redirect needs a location")
	case f.Endpoint != "" && !slices.ContainsFunc(routes, func(r route) bool { return r.endpoint == f.Endpoint }):
		return fmt.Errorf("fault: there is no endpoint %q", f.Endpoint)
	}
	return nil
}

// Inject puts a fault in place and returns its id. It panics when the fault
// does not validate.
func (s *Server) Inject(f Fault) string {
	if err := f.Validate(); err != nil {
		panic("consolesim: " + err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastFault++
	f.ID, f.Seen, f.Hits = fmt.Sprintf("fault-%d", s.lastFault), 0, 0
	s.faults = append(s.faults, &f)
	return f.ID
}

// Faults returns the faults in place, oldest first.
func (s *Server) Faults() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Fault, len(s.faults))
	for i, f := range s.faults {
		out[i] = *f
	}
	return out
}

// RemoveFault takes a fault away.
func (s *Server) RemoveFault(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.faults)
	s.faults = slices.DeleteFunc(s.faults, func(f *Fault) bool { return f.ID == id })
	return len(s.faults) < before
}

// ClearFaults takes every fault away.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// pickFault returns a copy of the first fault that strikes this request.
func (s *Server) pickFault(c *call) *Fault {
	for _, f := range s.faults {
		if !f.matches(c.entry) {
			continue
		}
		f.Seen++
		if f.Seen <= f.Skip || f.Times > 0 && f.Hits >= f.Times ||
			f.Probability > 0 && s.rand.Float64() >= f.Probability {
			continue
		}
		f.Hits++
		c.entry.Fault = string(f.Effect)
		struck := *f
		return &struck
	}
	return nil
}

func (f *Fault) matches(r *Request) bool {
	return (f.Method == "" || f.Method == r.Method) &&
		(f.Endpoint == "" || f.Endpoint == r.Endpoint) &&
		(f.Project == "" || f.Project == r.Project) &&
		strings.HasPrefix(r.Path, f.PathPrefix)
}

const proxyPage = "<html><head><title>%[1]d %[2]s</title></head><body><h1>%[1]d %[2]s</h1></body></html>\n"

// foreign is the JSON answer of something between client and console, which the
// request never reached.
func (f *Fault) foreign(status int, body string) answer {
	struck := *f
	if struck.Body == "" {
		struck.Body = body
	}
	if struck.ContentType == "" {
		struck.ContentType = "application/json"
	}
	return struck.spoilt(status, false)
}

// spoilt is the answer that the fault gives in place of the right one.
func (f *Fault) spoilt(status int, html bool) answer {
	if f.Status != 0 {
		status = f.Status
	}
	a := *failure(status, http.StatusText(status))
	switch {
	case f.Body != "":
		a.body, a.contentType = []byte(f.Body), "text/html; charset=utf-8"
		if f.ContentType != "" {
			a.contentType = f.ContentType
		}
	case html:
		a.body = fmt.Appendf(nil, proxyPage, status, http.StatusText(status))
		a.contentType = "text/html; charset=utf-8"
	}
	a.retryAfter, a.location = f.RetryAfter, f.Location
	return a
}
