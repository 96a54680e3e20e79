package consolesim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// DefaultKey is the API key of a server made without any.
const DefaultKey = "console-simulated"

// maxBody bounds the body of a request, in bytes.
const maxBody = 4 << 20

// Options are what a server is made with. The zero value is useful.
type Options struct {
	// Keys are the API keys of the first project; none: DefaultKey.
	Keys []string
	// Windows are the limits of every project; nil: DefaultWindows. An empty
	// list that is not nil sets no limit.
	Windows []Window
	// CompanyDomain is the mail domain outside of which nobody can be invited;
	// empty: anybody can.
	CompanyDomain string
	// Behavior is where the switches stand at first; nil: DefaultBehavior.
	Behavior *Behavior
	// RandSeed makes faults that strike by probability repeatable.
	RandSeed uint64
	// Observe is told of every change to a team or user, while it is being
	// made: it must be quick and must not call the server. Of what is loaded
	// whole it is told as of changes by hand. Nil: nobody is told.
	Observe func(Change)
	// RemoteControl lets clients from other machines use /_sim/.
	RemoteControl bool
}

// Validate says what is wrong with the options.
func (o Options) Validate() error {
	for _, w := range o.Windows {
		if err := w.validate(); err != nil {
			return err
		}
	}
	if o.Behavior != nil {
		return o.Behavior.Validate()
	}
	return nil
}

// Server is the simulated console. Its embedded Project is the first one,
// called "default".
type Server struct {
	*Project
	opts    Options
	windows []Window
	control http.Handler

	mu        sync.Mutex // guards all that follows and every project
	behavior  Behavior
	projects  []*Project
	keys      map[string]apiKey // by the key's text
	lastKey   int
	faults    []*Fault
	lastFault int
	rand      *rand.Rand
	log       requestLog
	// performing is the request that is being carried out.
	performing *Request
}

type apiKey struct {
	name     string // "key 1"
	project  *Project
	readOnly bool
}

// New returns a server with one project. It panics when the options do not
// validate.
func New(opts Options) *Server {
	if err := opts.Validate(); err != nil {
		panic("consolesim: " + err.Error())
	}
	s := &Server{
		opts: opts, windows: opts.Windows, behavior: DefaultBehavior(),
		keys: map[string]apiKey{}, rand: rand.New(rand.NewPCG(opts.RandSeed, 0)),
	}
	if opts.Windows == nil {
		s.windows = DefaultWindows()
	}
	if opts.Behavior != nil {
		s.behavior = *opts.Behavior
	}
	if len(opts.Keys) == 0 {
		opts.Keys = []string{DefaultKey}
	}
	s.Project = s.AddProject("default", opts.Keys...)
	s.control = s.controlPlane()
	return s
}

// AddProject makes another project, with its own limits and state.
func (s *Server) AddProject(name string, keys ...string) *Project {
	s.mu.Lock()
	p := newProject(s, name, s.windows)
	s.projects = append(s.projects, p)
	s.mu.Unlock()
	for _, key := range keys {
		p.AddKey(key)
	}
	return p
}

// AddKey lets a key act on this project, and returns the name ("key 2") by
// which the log speaks of it.
func (p *Project) AddKey(key string) string { return p.addKey(key, false) }

// AddReadOnlyKey adds a key whose every mutation is answered 403.
func (p *Project) AddReadOnlyKey(key string) string { return p.addKey(key, true) }

func (p *Project) addKey(key string, readOnly bool) string {
	p.srv.mu.Lock()
	defer p.srv.mu.Unlock()
	p.srv.lastKey++
	name := "key " + strconv.Itoa(p.srv.lastKey)
	p.srv.keys[key] = apiKey{name, p, readOnly}
	return name
}

// RevokeKey makes a key, given by its text or its name, invalid.
func (s *Server) RevokeKey(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for text, k := range s.keys {
		if text == key || k.name == key {
			delete(s.keys, text)
			return true
		}
	}
	return false
}

// Behavior returns where the switches stand.
func (s *Server) Behavior() Behavior {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.behavior
}

// SetBehavior changes switches, as in
//
//	sim.SetBehavior(func(b *consolesim.Behavior) { b.LowercaseEmails = true })
//
// When the result does not validate, nothing is changed.
func (s *Server) SetBehavior(change func(*Behavior)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.behavior
	change(&b)
	if err := b.Validate(); err != nil {
		return err
	}
	s.behavior = b
	return nil
}

// call is one request to the Console API on its way through the server.
type call struct {
	method, path string
	query        map[string][]string
	header       http.Header
	body         []byte
	route        *route
	args         []string // of the route's path
	allow        []string // the methods of the path, when route is nil
	key          *apiKey  // nil: the key is not valid
	entry        *Request
	latency      time.Duration
	fault        *Fault
}

// ServeHTTP answers the Console API and the control plane.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/_sim/") {
		s.control.ServeHTTP(w, r)
		return
	}
	c, refusal := s.admit(r)
	defer s.finish(c, 0)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	c.body = body
	s.keepBody(c)
	if refusal == nil && err != nil {
		refusal = failure(http.StatusBadRequest, "Invalid request. The body cannot be read.")
	}
	if refusal != nil {
		s.send(w, c, *refusal)
		return
	}
	if !pause(r.Context(), c.latency) {
		return
	}
	s.respond(w, r, c)
}

// admit notes the arrival, counts it, and picks the fault that will strike.
func (s *Server) admit(r *http.Request) (*call, *answer) {
	c := &call{method: r.Method, path: r.URL.RequestURI(), query: r.URL.Query(), header: r.Header}
	c.route, c.args, c.allow = findRoute(r.Method, r.URL.EscapedPath())
	s.mu.Lock()
	defer s.mu.Unlock()
	c.entry = s.log.add(Request{Received: time.Now(), Method: c.method, Path: c.path})
	c.latency = s.behavior.Latency
	if c.route != nil {
		c.entry.Endpoint = c.route.endpoint
	}
	s.log.count(c.entry)
	if key, ok := s.keys[r.Header.Get("STATSIG-API-KEY")]; ok {
		c.key = &key
		c.entry.Key, c.entry.Project = key.name, key.project.name
		if refusal := s.limit(c); refusal != nil {
			return c, refusal
		}
	}
	c.fault = s.pickFault(c)
	return c, nil
}

// limit counts the request, and refuses it when a window is full.
func (s *Server) limit(c *call) *answer {
	b := s.behavior
	if b.Count == CountMutations && !mutates(c.method) {
		return nil
	}
	keepOver := b.RejectedCount || !b.EnforceWindows
	over, wait := c.key.project.limits.arrive(c.entry.Received, c.entry.Endpoint, keepOver)
	if !over || !b.EnforceWindows {
		return nil
	}
	a := failure(http.StatusTooManyRequests, "Too many requests. Please slow down and try again later.")
	seconds := max(1, int((wait+time.Second-1)/time.Second))
	switch b.RetryAfter {
	case RetryAfterSeconds:
		a.retryAfter = strconv.Itoa(seconds)
	case RetryAfterDate:
		// A date has whole seconds, so one more keeps it from being early.
		at := c.entry.Received.Add(wait + time.Second).Truncate(time.Second)
		a.retryAfter = at.UTC().Format(http.TimeFormat)
	}
	return a
}

func mutates(method string) bool {
	switch method {
	case http.MethodPost, http.MethodPatch, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}

// perform authenticates and executes a request.
func (s *Server) perform(c *call) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case c.route == nil && c.allow != nil:
		a := failure(http.StatusMethodNotAllowed, fmt.Sprintf("Cannot %s %s", c.method, c.path))
		a.allow = strings.Join(c.allow, ", ")
		return *a
	case c.route == nil:
		return *failure(http.StatusNotFound, fmt.Sprintf("Cannot %s %s", c.method, c.path))
	case c.key == nil:
		sent := "console-xxxXXXxxxXXXxxx"
		if s.behavior.EchoKey {
			sent = c.header.Get("STATSIG-API-KEY")
		}
		return *failure(http.StatusUnauthorized,
			"This endpoint only accepts an active CONSOLE key, but an invalid key was sent. Key: "+sent)
	case s.behavior.RequireVersion && c.header.Get("STATSIG-API-VERSION") == "":
		return *failure(http.StatusBadRequest, "Invalid request. The header STATSIG-API-VERSION is required.")
	case c.key.readOnly && mutates(c.method):
		return *failure(http.StatusForbidden, "Forbidden. The request was valid, but the server is refusing action. "+
			"You might not have the necessary permissions to access the resource.")
	}
	s.performing = c.entry
	defer func() { s.performing = nil }()
	a, err := c.route.handle(c.key.project, c)
	if err == nil {
		return a
	}
	refusal, _ := errors.AsType[refused](err)
	return *s.behavior.refusal(refusal)
}

// pause waits for d, and reports whether the client is still there.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
