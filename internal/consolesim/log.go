package consolesim

import (
	"maps"
	"strings"
	"time"
)

// maxLogged bounds the log; the oldest entries go first.
const maxLogged = 100_000

// maxLoggedBody bounds a logged body, in bytes.
const maxLoggedBody = 64 << 10

// Request is one request to the Console API, as the server saw it.
type Request struct {
	Number   int       `json:"number"` // from 1, never used again
	Received time.Time `json:"received"`
	// Answered is when the answer began to be written, or the connection was
	// cut; zero while the request is under way.
	Answered time.Time `json:"answered,omitzero"`
	Method   string    `json:"method"`
	Path     string    `json:"path"`               // with its query
	Endpoint string    `json:"endpoint,omitempty"` // empty: there is no such call
	Project  string    `json:"project,omitempty"`  // empty: the key was not valid
	Key      string    `json:"key,omitempty"`      // "key 1", never the key itself
	// Status is what was answered; 0 when the connection was cut instead.
	Status int    `json:"status"`
	Fault  string `json:"fault,omitempty"` // the effect of the fault that struck
	Body   string `json:"body,omitempty"`  // at most 64 KiB of it
}

// Counters are the numbers of requests received since the log was last emptied.
type Counters struct {
	Total      int            `json:"total"`
	ByEndpoint map[string]int `json:"byEndpoint"`
	ByMethod   map[string]int `json:"byMethod"`
}

type requestLog struct {
	entries  []*Request
	last     int
	counters Counters
}

func (l *requestLog) add(r Request) *Request {
	l.last++
	r.Number = l.last
	l.entries = append(l.entries, &r)
	if len(l.entries) > maxLogged {
		l.entries = l.entries[len(l.entries)-maxLogged:]
	}
	return &r
}

// count is called once the request's endpoint is known.
func (l *requestLog) count(r *Request) {
	if l.counters.ByEndpoint == nil {
		l.counters = Counters{ByEndpoint: map[string]int{}, ByMethod: map[string]int{}}
	}
	l.counters.Total++
	l.counters.ByEndpoint[r.Endpoint]++
	l.counters.ByMethod[r.Method]++
}

// keepBody notes the body, which has no place for the key.
func (s *Server) keepBody(c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.entry.Body = strings.ToValidUTF8(string(c.body[:min(len(c.body), maxLoggedBody)]), "?")
}

// finish notes that the request is answered; only the first call matters.
func (s *Server) finish(c *call, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.entry.Answered.IsZero() {
		c.entry.Answered, c.entry.Status = time.Now(), status
	}
}

// Requests returns the log, oldest first.
func (s *Server) Requests() []Request { return s.RequestsSince(0) }

// RequestsSince returns the requests numbered above n, oldest first.
func (s *Server) RequestsSince(n int) []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Request{}
	for _, r := range s.log.entries {
		if r.Number > n {
			out = append(out, *r)
		}
	}
	return out
}

// Counters returns how many requests were received, refused ones included.
func (s *Server) Counters() Counters {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.log.counters
	return Counters{c.Total, maps.Clone(c.ByEndpoint), maps.Clone(c.ByMethod)}
}

// Count returns how many requests an endpoint received.
func (s *Server) Count(endpoint string) int { return s.Counters().ByEndpoint[endpoint] }

// ResetRequests empties the log and the counters. Windows are not affected.
func (s *Server) ResetRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log.entries, s.log.counters = nil, Counters{}
}
