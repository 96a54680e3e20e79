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
func (c *Client) classify(k *call, x *exchange) error {
	if x.status == 0 {
		e := k.unusable(0, x.err)
		if !x.maybeSent {
			e.Class = console.Unavailable
		}
		return e
	}
	if x.status >= 200 && x.status <= 299 {
		if x.err != nil {
			return k.unusable(x.status, x.err)
		}
		return nil
	}
	e := &console.Error{Op: k.op, Status: x.status}
	if x.status >= 300 && x.status <= 399 {
		e.Class, e.Err = console.Unavailable, c.redirected(x.header.Get("Location"))
		return e
	}
	f, own := failure{}, false
	if x.err == nil {
		f, own = readFailure(x.body)
		e.Message = c.cleanMessage(f.message)
	}
	e.Class = classOf(k, x.status, f)
	switch {
	case e.Class == console.Unauthorized:
		// The documented message repeats the key.
		e.Message = "the console does not accept the API key; put an active Console key into the Secret"
	case e.Class == console.Throttled:
		e.RetryAfter, _ = x.retryAfter()
	case !own && e.Class == console.Unavailable:
		e.Err = errNotTheConsole
	case !own:
		e.Err = errNoMessage
	}
	return e
}

// classOf classifies a status that is neither success nor redirect.
func classOf(k *call, status int, f failure) console.Class {
	switch status {
	case http.StatusUnauthorized:
		return console.Unauthorized
	case http.StatusForbidden:
		return console.Forbidden
	case http.StatusTooManyRequests:
		return console.Throttled
	case http.StatusTooEarly:
		return console.Unavailable
	case http.StatusNotFound:
		if k.path != "" && f.absence() {
			return console.NotFound
		}
		return console.Unavailable
	}
	if status >= 400 && status <= 499 && status != http.StatusRequestTimeout {
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
