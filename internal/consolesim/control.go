package consolesim

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
)

// controlError is answered to a request under /_sim/.
type controlError struct {
	status int
	text   string
}

func (e controlError) Error() string { return e.text }

func notThere(what string) error { return controlError{http.StatusNotFound, "there is no " + what} }

// controlHandler returns what is answered as JSON, or an error that is answered
// 400 unless it is a controlError.
type controlHandler func(p *Project, r *http.Request) (any, error)

var done = map[string]bool{"ok": true}

func (s *Server) controlPlane() http.Handler {
	mux := http.NewServeMux()
	for pattern, handle := range map[string]controlHandler{
		"GET /_sim/state":                   func(p *Project, _ *http.Request) (any, error) { return p.Snapshot(), nil },
		"PUT /_sim/state":                   controlPutState,
		"PUT /_sim/users/{email}":           controlPutUser,
		"DELETE /_sim/users/{email}":        controlDeleteUser,
		"POST /_sim/teams":                  controlPutTeam,
		"PUT /_sim/teams/{id}":              controlPutTeam,
		"DELETE /_sim/teams/{id}":           controlDeleteTeam,
		"PUT /_sim/roles/{name}":            controlPutRole,
		"DELETE /_sim/roles/{name}":         controlDeleteRole,
		"PUT /_sim/settings":                controlPutSettings,
		"POST /_sim/invites/{email}/accept": controlAcceptInvite,
		"GET /_sim/requests":                s.controlGetRequests,
		"DELETE /_sim/requests":             s.controlDeleteRequests,
		"GET /_sim/quota":                   controlGetQuota,
		"GET /_sim/behavior":                func(*Project, *http.Request) (any, error) { return s.Behavior(), nil },
		"PATCH /_sim/behavior":              s.controlPatchBehavior,
		"GET /_sim/faults":                  func(*Project, *http.Request) (any, error) { return s.Faults(), nil },
		"POST /_sim/faults":                 s.controlPostFault,
		"DELETE /_sim/faults":               s.controlDeleteFaults,
		"DELETE /_sim/faults/{id}":          s.controlDeleteFaults,
		"POST /_sim/keys":                   controlPostKey,
		"DELETE /_sim/keys":                 s.controlDeleteKey,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serveControl(w, r, handle) })
	}
	return mux
}

func (s *Server) serveControl(w http.ResponseWriter, r *http.Request, handle controlHandler) {
	result, err := s.dispatch(r, handle)
	a := jsonAnswer(http.StatusOK, result)
	if err != nil {
		status := http.StatusBadRequest
		if e, ok := errors.AsType[controlError](err); ok {
			status = e.status
		}
		a = jsonAnswer(status, map[string]any{"status": status, "message": err.Error()})
	}
	a.writeHeader(w)
	_, _ = w.Write(a.body)
}

func (s *Server) dispatch(r *http.Request, handle controlHandler) (any, error) {
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil && !s.opts.RemoteControl {
		if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
			return nil, controlError{http.StatusForbidden, "the control plane serves this machine only"}
		}
	}
	p := s.Project
	if name := r.URL.Query().Get("project"); name != "" {
		if p = s.ProjectNamed(name); p == nil {
			return nil, notThere("project " + strconv.Quote(name))
		}
	}
	return handle(p, r)
}

// ProjectNamed returns a project, or nil.
func (s *Server) ProjectNamed(name string) *Project {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.projects {
		if p.name == name {
			return p
		}
	}
	return nil
}

// readControl decodes the body onto v and refuses fields that v does not have.
func readControl(r *http.Request, v any) error {
	dec := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxBody))
	dec.DisallowUnknownFields()
	dec.UseNumber()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("read the body: %w", err)
	}
	return nil
}

func controlPutState(p *Project, r *http.Request) (any, error) {
	var st State
	if err := readControl(r, &st); err != nil {
		return nil, err
	}
	if err := p.Load(st); err != nil {
		return nil, err
	}
	return p.Snapshot(), nil
}

func controlPutUser(p *Project, r *http.Request) (any, error) {
	email := r.PathValue("email")
	u, ok := p.User(email)
	if !ok {
		u.Email, u.Role = email, RoleMember
	}
	if err := readControl(r, &u); err != nil {
		return nil, err
	}
	p.srv.mu.Lock()
	defer p.srv.mu.Unlock()
	switch {
	case !validEmail(u.Email) || fold(u.Email) != fold(email):
		return nil, fmt.Errorf("%q is not an address, or not that of the path", u.Email)
	case !p.now.knowsRole(u.Role):
		return nil, fmt.Errorf("there is no role %q", u.Role)
	}
	return p.putUser(u), nil
}

func controlDeleteUser(p *Project, r *http.Request) (any, error) {
	if !p.RemoveUser(r.PathValue("email")) {
		return nil, notThere("such user")
	}
	return done, nil
}

func controlPutTeam(p *Project, r *http.Request) (any, error) {
	id := r.PathValue("id")
	old, _ := p.Team(id)
	t := old.detached()
	if err := readControl(r, &t); err != nil {
		return nil, err
	}
	if t.Name == "" {
		return nil, errors.New("a team needs a name")
	}
	for _, email := range slices.Concat(t.Members, t.Admins) {
		if !validEmail(email) {
			return nil, fmt.Errorf("%q is not an address", email)
		}
	}
	if id != "" {
		t.ID = id
	}
	return p.PutTeam(t), nil
}

func controlDeleteTeam(p *Project, r *http.Request) (any, error) {
	if !p.RemoveTeam(r.PathValue("id")) {
		return nil, notThere("such team")
	}
	return done, nil
}

func controlPutRole(p *Project, r *http.Request) (any, error) {
	role := Role{}
	if err := readControl(r, &role); err != nil {
		return nil, err
	}
	role.Name = r.PathValue("name")
	if isBuiltIn(role.Name) {
		return nil, fmt.Errorf("every project has the role %s", role.Name)
	}
	return p.PutRole(role), nil
}

func controlDeleteRole(p *Project, r *http.Request) (any, error) {
	if !p.RemoveRole(r.PathValue("name")) {
		return nil, notThere("such role")
	}
	return done, nil
}

func controlPutSettings(p *Project, r *http.Request) (any, error) {
	settings := p.Snapshot().Settings
	if err := readControl(r, &settings); err != nil {
		return nil, err
	}
	p.SetSettings(settings)
	return settings, nil
}

func controlAcceptInvite(p *Project, r *http.Request) (any, error) {
	u, ok := p.AcceptInvite(r.PathValue("email"))
	if !ok {
		return nil, notThere("such invitation")
	}
	return u, nil
}

func (s *Server) controlGetRequests(_ *Project, r *http.Request) (any, error) {
	since := 0
	if text := r.URL.Query().Get("since"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("since: %q is not a number", text)
		}
		since = n
	}
	return map[string]any{"requests": s.RequestsSince(since), "counters": s.Counters()}, nil
}

func (s *Server) controlDeleteRequests(*Project, *http.Request) (any, error) {
	s.ResetRequests()
	return done, nil
}

func controlGetQuota(p *Project, _ *http.Request) (any, error) {
	return map[string]any{"violations": p.Violations(), "windows": p.Quota()}, nil
}

func (s *Server) controlPatchBehavior(_ *Project, r *http.Request) (any, error) {
	var changes map[string]any
	if err := readControl(r, &changes); err != nil {
		return nil, err
	}
	var wrong error
	err := s.SetBehavior(func(b *Behavior) {
		before := *b
		for _, name := range slices.Sorted(maps.Keys(changes)) {
			if wrong = b.Set(name, fmt.Sprint(changes[name])); wrong != nil {
				*b = before
				return
			}
		}
	})
	if err := errors.Join(wrong, err); err != nil {
		return nil, err
	}
	return s.Behavior(), nil
}

func (s *Server) controlPostFault(_ *Project, r *http.Request) (any, error) {
	var f Fault
	if err := readControl(r, &f); err != nil {
		return nil, err
	}
	if err := f.Validate(); err != nil {
		return nil, err
	}
	return map[string]string{"id": s.Inject(f)}, nil
}

func (s *Server) controlDeleteFaults(_ *Project, r *http.Request) (any, error) {
	id := r.PathValue("id")
	if id == "" {
		s.ClearFaults()
	} else if !s.RemoveFault(id) {
		return nil, notThere("such fault")
	}
	return done, nil
}

type keyRequest struct {
	Key      string `json:"key"`
	ReadOnly bool   `json:"readOnly"`
}

func controlPostKey(p *Project, r *http.Request) (any, error) {
	var k keyRequest
	if err := readControl(r, &k); err != nil {
		return nil, err
	}
	if k.Key == "" {
		return nil, errors.New("the key is empty")
	}
	return map[string]string{"name": p.addKey(k.Key, k.ReadOnly)}, nil
}

func (s *Server) controlDeleteKey(_ *Project, r *http.Request) (any, error) {
	var k keyRequest
	if err := readControl(r, &k); err != nil {
		return nil, err
	}
	if !s.RevokeKey(k.Key) {
		return nil, notThere("such key")
	}
	return done, nil
}
