package quota

import (
	"errors"
	"fmt"
	"time"
)

// ErrClosed is returned for requests made to, or waiting in, a closed Limiter.
var ErrClosed = errors.New("the rate limiter is closed: the operator is shutting down or the connection changed; try again")

// Window is a limit: at most Requests in any period of length Per.
// A Window whose Per is not positive limits nothing.
type Window struct {
	Requests int
	Per      time.Duration
}

// Lane is the urgency of a request. A lane is served only when no request
// waits in the lanes before it.
type Lane uint8

const (
	// Revoke is for calls that take access away.
	Revoke Lane = iota
	// Change is for all other changes by people.
	Change
	// Drift is for periodic checks and background listings.
	Drift

	laneCount = int(Drift) + 1
)

// String returns the lane's name as used in metrics.
func (l Lane) String() string {
	switch l {
	case Revoke:
		return "revoke"
	case Change:
		return "change"
	case Drift:
		return "drift"
	}
	return fmt.Sprintf("lane(%d)", uint8(l))
}

// Config says what a Limiter limits.
type Config struct {
	// Windows all hold at once. Without windows only the gate and the circuit
	// breaker limit anything.
	Windows []Window
	// Share is the percentage of every window this limiter may use, rounded
	// down but at least one request; 0 means 90, more than 100 means 100.
	Share int
	// MutationsOnly exempts reads from the windows. They still respect the
	// gate and the circuit breaker.
	MutationsOnly bool
}

// Request describes one HTTP attempt to be made.
type Request struct {
	// Key says who asks, such as an object's UID. TryAcquire keeps at most one
	// ticket per key; Acquire ignores it.
	Key string
	// Turn is the unit of fairness within a lane, such as a namespace.
	Turn string
	Lane Lane
	// Urgency, if set, can move the request to a more urgent lane than Lane, before
	// and while it waits.
	Urgency *Urgency
	// Mutation is false for a call that only reads.
	Mutation bool
	// Notify is called once when the ticket's turn has come and a token is held
	// for Key. It runs without locks held and must not block: adding to a work
	// queue is what it is for. Acquire ignores it.
	Notify func()
}

// Urgency is the lane of requests that others come to wait for, such as the pages
// of a listing. [Limiter.Promote] raises it. One Urgency belongs to one Limiter.
type Urgency struct {
	lane Lane // guarded by the limiter's lock
}

// NewUrgency returns an Urgency that begins in the lane.
func NewUrgency(lane Lane) *Urgency { return &Urgency{lane: lane} }

// Kind classifies how an attempt ended.
type Kind uint8

const (
	// OK is any answer of the API itself, refusals such as 400 or 404 included.
	OK Kind = iota
	// Throttled is an answer 429.
	Throttled
	// Unavailable is an answer 5xx, a refused connection or a time-out.
	Unavailable
)

// Outcome is the end of an attempt as the caller saw it.
type Outcome struct {
	Kind Kind
	// RetryAfter is the wait asked for by a 429; it counts only when
	// HasRetryAfter is set.
	RetryAfter    time.Duration
	HasRetryAfter bool
	// Lost says that the answer never came, so the server may be about to see
	// the request yet: a time-out, a cut connection, a cancelled context. Its
	// token comes back later than that of an answered attempt, by the shorter
	// of the window's length and 10 seconds. With Kind OK it says nothing about
	// the health of the API (a cancelled context); with Unavailable it counts
	// as a failure (a time-out).
	Lost bool
}

// Reason says what a request is waiting for.
type Reason uint8

const (
	// ReasonQuota means that the windows are used up, or others are served first.
	ReasonQuota Reason = iota + 1
	// ReasonThrottled means that the API answered 429 and the gate is closed.
	ReasonThrottled
	// ReasonUnavailable means that the API keeps failing and the circuit is open.
	ReasonUnavailable
	// ReasonRecord means that the durable record is being read or written.
	ReasonRecord
	// ReasonGuess means that the API has answered 429 lately, and that the one
	// request which tries whether it takes more is under way or not due.
	ReasonGuess
	// ReasonAnswers means that as many requests are under way as may be, and none
	// has been answered yet.
	ReasonAnswers
)

// String returns the reason's name as used in metrics.
func (r Reason) String() string {
	switch r {
	case ReasonQuota:
		return "quota"
	case ReasonThrottled:
		return "throttled"
	case ReasonUnavailable:
		return "unavailable"
	case ReasonRecord:
		return "record"
	case ReasonGuess:
		return "guess"
	case ReasonAnswers:
		return "answers"
	}
	return fmt.Sprintf("reason(%d)", uint8(r))
}

// WaitError says that a request has to wait, and for how long.
type WaitError struct {
	// Ahead is the number of requests that will be served before this one.
	Ahead int
	// At is when its turn is expected, provided nothing more urgent arrives.
	At time.Time
	// Reason is what holds up the head of the queue.
	Reason Reason
}

// Error returns a text that depends on Reason only, so that repeated errors
// are equal. Ahead and At are for the caller to show.
func (e *WaitError) Error() string {
	switch e.Reason {
	case ReasonThrottled:
		return "waiting: the API asked to slow down (429); the call is made when the pause is over"
	case ReasonUnavailable:
		return "waiting: the API is not available; the call is made when a trial call succeeds"
	case ReasonRecord:
		return "waiting: the record of past calls must be saved before the call can be made"
	case ReasonGuess:
		return "waiting: the API has refused calls lately (429); one call at a time tries whether it takes more"
	case ReasonAnswers:
		return "waiting: the API has not answered the calls under way; the call is made when it does"
	default:
		return "waiting: the rate limit is used up; the call is made when its turn comes"
	}
}
