package statsig

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"
)

// errSilentRetry stands for the cut connection that made net/http ask for
// another try.
var errSilentRetry = errors.New("the connection was cut before an answer came")

// An attempt follows one request on its way out.
type attempt struct {
	connected, wroteHeaders, repeated atomic.Bool
}

type attemptKey struct{}

// context returns ctx with a's trace. It ends when net/http is about to send
// the request a second time: HTTP/2 repeats a request whose stream the server
// has refused or not processed, without asking [RefuseSilentRetry], and heeds
// the context before it writes.
func (a *attempt) context(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithValue(ctx, attemptKey{}, a))
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) {
			a.connected.Store(true)
			if a.wroteHeaders.Load() {
				a.repeated.Store(true)
				cancel()
			}
		},
		WroteHeaders: func() { a.wroteHeaders.Store(true) },
	}), cancel
}

// maybeSent tells whether the server may have seen the request. A connection
// is enough to say so: headers are written by another goroutine, which may
// still do it after a cancelled call returned.
func (a *attempt) maybeSent() bool { return a.connected.Load() || a.wroteHeaders.Load() }

// RefuseSilentRetry is a [http.Transport.Proxy] that also keeps the transport
// from sending a request twice. On a reused connection that breaks before an
// answer came, net/http repeats a GET by itself; that second request would be
// paid for by nobody. It asks for the proxy at the start of each try, and an
// error there ends the call. A try that wrote nothing may be repeated.
func RefuseSilentRetry(req *http.Request) (*url.URL, error) {
	if a, ok := req.Context().Value(attemptKey{}).(*attempt); ok {
		if a.wroteHeaders.Load() {
			return nil, errSilentRetry
		}
		a.connected.Store(false)
	}
	return http.ProxyFromEnvironment(req)
}

// An exchange is what came of one attempt.
type exchange struct {
	// started is just before the request was sent.
	started time.Time
	// status is 0 when no answer came.
	status int
	header http.Header
	body   []byte
	// err says why there is no whole answer.
	err error
	// cut: the connection failed or was given up before the whole answer came.
	cut bool
	// ended: cut because the caller's context ended.
	ended bool
	// maybeSent is false when the server certainly saw nothing.
	maybeSent bool
}

var errTooLarge = errors.New("the answer is larger than the limit")

// exchange sends req once and reads the answer, all within the time-out and by
// the deadline.
func (c *Client) exchange(req *http.Request, limit int64, deadline time.Time) (x exchange) {
	x.started = time.Now()
	if latest := x.started.Add(c.timeout); latest.Before(deadline) {
		deadline = latest
	}
	outer := req.Context()
	inner, cancel := context.WithDeadline(outer, deadline)
	defer cancel()
	var a attempt
	traced, end := a.context(inner)
	defer end()
	resp, err := c.transport.RoundTrip(req.WithContext(traced))
	x.maybeSent = a.maybeSent()
	if err != nil {
		if a.repeated.Load() {
			err = errSilentRetry
		}
		x.cut, x.ended = true, outer.Err() != nil
		x.err = c.describe(outer, inner, x.maybeSent, err)
		return x
	}
	defer func() { _ = resp.Body.Close() }()
	x.maybeSent, x.status, x.header = true, resp.StatusCode, resp.Header
	if x.status < 200 || x.status > 299 {
		limit = maxFailureBytes
	}
	x.body, err = io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		x.cut, x.ended = true, outer.Err() != nil
		x.err = c.describe(outer, inner, true, err)
	case int64(len(x.body)) > limit:
		x.err = errTooLarge
	}
	return x
}
