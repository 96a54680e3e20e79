package statsig

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/quota"
)

var (
	errNotTheConsole = errors.New("the answer is not the console's own; check the endpoint and any proxy on the way")
	errNoMessage     = errors.New("the console gave no reason")
	// errRequestTooLarge: the request is to be made smaller.
	errRequestTooLarge = errors.New("the request is larger than the console, or a proxy on the way to it, accepts")
)

// outcome is what the attempt tells the quota.
func (x *exchange) outcome() quota.Outcome {
	switch {
	case x.status == http.StatusTooManyRequests:
		wait, ok := x.retryAfter()
		return quota.Outcome{Kind: quota.Throttled, RetryAfter: wait, HasRetryAfter: ok}
	case x.status >= 500:
		return quota.Outcome{Kind: quota.Unavailable}
	case x.ended:
		return quota.Outcome{Kind: quota.OK, Lost: true}
	case x.status == 0, x.cut:
		return quota.Outcome{Kind: quota.Unavailable, Lost: x.maybeSent}
	}
	return quota.Outcome{Kind: quota.OK}
}

func (x *exchange) retryAfter() (time.Duration, bool) {
	return parseRetryAfter(x.header.Get("Retry-After"), x.header.Get("Date"), time.Now())
}

// classify is the one place where an answer, or its lack, becomes an error.
//
// Only what is provably the console's own says anything about the console: a
// success is 200, or 201, with a body that the call's decoder accepts, and a
// refusal repeats its HTTP status in the body. Anything else may come from
// something on the way, such as a gateway, and leaves the outcome of a write open.
func (c *Client) classify(k *call, x *exchange) error {
	switch {
	case x.status == 0:
		e := k.unusable(0, x.err)
		if !x.maybeSent {
			e.Class = console.Unavailable
		}
		return e
	case x.status == http.StatusOK, x.status == http.StatusCreated:
		if x.err != nil {
			return k.unusable(x.status, x.err)
		}
		return nil
	case x.status <= 299:
		return k.unusable(x.status, errNotTheConsole)
	case x.status <= 399:
		return k.unusable(x.status, c.redirected(x.header.Get("Location")))
	}
	e := &console.Error{Op: k.op, Status: x.status}
	f, own := failure{}, false
	if x.err == nil {
		f, own = readFailure(x.status, x.body)
		e.Message = c.cleanMessage(f.text())
	}
	e.Class = classOf(k, x.status, own)
	if e.Class == console.Invalid || e.Class == console.NotFound {
		e.Rejected = f.rejected(k.sent)
	}
	switch e.Class {
	case console.Unauthorized:
		// The documented message repeats the key.
		e.Message = "the console does not accept the API key; put an active Console key into the Secret"
	case console.Throttled:
		e.RetryAfter, _ = x.retryAfter()
	}
	switch {
	case own, e.Class == console.Unauthorized, e.Class == console.Throttled:
	case x.status == http.StatusRequestEntityTooLarge, x.status == http.StatusRequestURITooLong, x.status == http.StatusRequestHeaderFieldsTooLarge:
		e.Err = errRequestTooLarge
	case e.Class == console.Forbidden:
		e.Err = errNoMessage
	default:
		e.Err = errNotTheConsole
	}
	return e
}

// classOf classifies a status that is neither success nor redirect; own tells
// whether the body is the console's.
func classOf(k *call, status int, own bool) console.Class {
	switch status {
	case http.StatusUnauthorized:
		return console.Unauthorized
	case http.StatusForbidden:
		return console.Forbidden
	case http.StatusTooManyRequests:
		return console.Throttled
	case http.StatusTooEarly:
		return console.Unavailable
	case http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong, http.StatusRequestHeaderFieldsTooLarge:
		// Refused for its size, whoever says so: it is no different next time.
		return console.Invalid
	case http.StatusNotFound:
		switch {
		case own && k.path != "":
			return console.NotFound
		case own && k.write():
			// The address names nothing that could be missing; the body does.
			return console.Invalid
		}
		return k.unusable(status, nil).Class
	}
	if own && status <= 499 && status != http.StatusRequestTimeout {
		return console.Invalid
	}
	return k.unusable(status, nil).Class
}

// redirected says where a redirect pointed. It is never followed: the key must
// not reach another host, and a write must not turn into a read.
func (c *Client) redirected(location string) error {
	host := "somewhere unknown"
	if target, err := c.base.Parse(location); err == nil && location != "" {
		host = c.cleanText(target.Host)
	}
	return fmt.Errorf("redirected to %s, which is not followed; set the endpoint to the console's own address", host)
}
