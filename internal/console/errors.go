package console

import (
	"errors"
	"fmt"
	"time"
)

// A Class says what a failed call means to the caller.
type Class string

const (
	// NotFound means that the console says that the thing does not exist.
	NotFound Class = "NotFound"
	// Invalid means that the console refused the request's content, and says why.
	Invalid Class = "Invalid"
	// Unauthorized means that the key is wrong or was revoked.
	Unauthorized Class = "Unauthorized"
	// Forbidden means that the key is good but may not do this.
	Forbidden Class = "Forbidden"
	// Throttled means that the console refused the request for its rate limit;
	// the request had no effect.
	Throttled Class = "Throttled"
	// Unavailable means that the request certainly had no effect, or was a read
	// whose answer cannot be used.
	Unavailable Class = "Unavailable"
	// Ambiguous means that the effect of a write is unknown, because the answer
	// was lost, unreadable or a server error.
	Ambiguous Class = "Ambiguous"
)

// An Error is a failed call to the console. It never holds the key.
type Error struct {
	Class Class
	// Op is what was being done, e.g. "create team".
	Op string
	// Status is the HTTP status; 0 when no answer came.
	Status int
	// Message is the console's own message, bounded and free of control
	// characters; empty when it gave none.
	Message string
	// Rejected are the addresses, as they were sent, that the console names as
	// the reason why it refused the request.
	Rejected []string
	// RetryAfter is how long a throttling console asked to wait; 0 when it
	// did not say.
	RetryAfter time.Duration
	// Err is the cause when no answer could be used.
	Err error
}

func (e *Error) Error() string {
	text := e.Op
	if e.Status != 0 {
		text += fmt.Sprintf(": HTTP %d", e.Status)
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// ClassOf returns the class of a failed call, or "" when err is not one.
func ClassOf(err error) Class {
	if e, ok := AsError(err); ok {
		return e.Class
	}
	return ""
}

// AsError returns the failed call behind err, if it is one.
func AsError(err error) (*Error, bool) { return errors.AsType[*Error](err) }
