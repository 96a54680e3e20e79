package consolesim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// answer is a response before it is written, or spoilt by a fault.
type answer struct {
	status      int
	contentType string
	body        []byte
	retryAfter  string
	allow       string
	location    string
}

func jsonAnswer(status int, body any) answer {
	b, err := json.Marshal(body)
	if err != nil {
		panic(fmt.Sprintf("consolesim: encode an answer: %v", err))
	}
	return answer{status: status, contentType: "application/json; charset=utf-8", body: b}
}

// success is {"message", "data"[, "pagination"]}.
func success(status int, message string, data any, pages *pagination) answer {
	return jsonAnswer(status, struct {
		Message    string      `json:"message"`
		Data       any         `json:"data,omitempty"`
		Pagination *pagination `json:"pagination,omitempty"`
	}{message, data, pages})
}

// failure is {"status", "message"}.
func failure(status int, message string) *answer {
	a := jsonAnswer(status, map[string]any{"status": status, "message": message})
	return &a
}

// refused is a request that a handler does not carry out.
type refused struct {
	status  int
	message string
	// property is the field that is wrong, such as members.1, and bare the message
	// without the address that stands there; both may be empty.
	property, bare string
}

func (r refused) Error() string { return r.message }

func invalid(format string, args ...any) error {
	return refused{status: http.StatusBadRequest, message: "Invalid request. " + fmt.Sprintf(format, args...)}
}

// badEntry refuses the address at a place of a list.
func badEntry(status int, list string, at int, email, bare string) error {
	return refused{
		status: status, message: "Invalid request. " + email + " " + bare,
		property: fmt.Sprintf("%s.%d", list, at), bare: "This address " + bare,
	}
}

var errNotFound = refused{status: http.StatusNotFound, message: "Not Found. The requested resource could not be found."}

// refusal is the body of a refused request.
func (b *Behavior) refusal(r refused) *answer {
	if r.status != http.StatusBadRequest || b.Refusals == RefusalsMessage {
		return failure(r.status, r.message)
	}
	detail := map[string]string{"property": r.property, "errorMessage": r.message}
	if b.Refusals == RefusalsIndex && r.bare != "" {
		detail["errorMessage"] = r.bare
	}
	a := jsonAnswer(r.status, map[string]any{"status": r.status, "message": "Bad Request Exception", "errors": []any{detail}})
	return &a
}

func (a answer) writeHeader(w http.ResponseWriter) {
	h := w.Header()
	for name, value := range map[string]string{
		"Content-Type": a.contentType, "Retry-After": a.retryAfter, "Allow": a.allow, "Location": a.location,
	} {
		if value != "" {
			h.Set(name, value)
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
}

// send writes an answer whole.
func (s *Server) send(w http.ResponseWriter, c *call, a answer) {
	s.finish(c, a.status)
	a.writeHeader(w)
	// An error means that the client has gone; there is nobody left to tell.
	_, _ = w.Write(a.body)
}
