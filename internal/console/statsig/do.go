package statsig

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/quota"
)

// A call is one request to make.
type call struct {
	// op is what is being done, for errors: "update team".
	op string
	// endpoint is the path's template, for metrics.
	endpoint string
	// path is the escaped path; "" when the template has no variable.
	path  string
	query string
	// method is GET when empty.
	method string
	// body is marshalled as JSON; nil sends none.
	body any
	// sent are the addresses in the body, by the names of their lists.
	sent []addressList
	// limit of a successful answer in bytes; 0 is maxItemBytes.
	limit int64
}

func (k *call) write() bool { return k.method != "" && k.method != http.MethodGet }

// refuse is a call that is not made, because it can only be wrong.
func (k *call) refuse(why error) error {
	return &console.Error{Class: console.Invalid, Op: k.op, Err: why}
}

// unusable is a call whose answer cannot be used.
func (k *call) unusable(status int, why error) *console.Error {
	class := console.Unavailable
	if k.write() {
		class = console.Ambiguous
	}
	return &console.Error{Class: class, Op: k.op, Status: status, Err: why}
}

// segment puts value into the path, as one segment of it whatever it holds.
func (k *call) segment(value string) error {
	// "." and ".." are no different when escaped: servers resolve them.
	if value == "" || value == "." || value == ".." {
		return k.refuse(fmt.Errorf("%q cannot name anything in the console; correct it", value))
	}
	prefix, _, _ := strings.Cut(k.endpoint, "{")
	k.path = prefix + url.PathEscape(value)
	return nil
}

// send makes a call and decodes its answer. T is not used when there is an
// error.
func send[T any](ctx context.Context, c *Client, by quota.Request, k call, decode func([]byte) (T, error)) (T, error) {
	v, _, err := sendAt(ctx, c, by, k, decode)
	return v, err
}

// sendAt also tells when the request was sent.
func sendAt[T any](ctx context.Context, c *Client, by quota.Request, k call, decode func([]byte) (T, error)) (T, time.Time, error) {
	var zero T
	x, err := c.do(ctx, by, k)
	if err != nil {
		return zero, time.Time{}, err
	}
	if len(x.body) == 0 {
		return zero, time.Time{}, k.unusable(x.status, errors.New("the answer is empty"))
	}
	v, err := decode(c.scrub(x.body))
	if err != nil {
		// The decoder's text quotes the body.
		why := fmt.Errorf("the answer cannot be read, something else than the console may have given it: %s", c.cleanText(err.Error()))
		return zero, time.Time{}, k.unusable(x.status, why)
	}
	return v, x.started, nil
}

// do pays the quota, sends the request once, reports the outcome to the quota
// and returns the answer if it is a success.
func (c *Client) do(ctx context.Context, by quota.Request, k call) (exchange, error) {
	req, err := c.request(ctx, &k)
	if err != nil {
		return exchange{}, k.refuse(err)
	}
	by.Mutation = k.write()
	permit, err := c.acquire(ctx, by, &k)
	if err != nil {
		return exchange{}, err
	}
	if err := console.RunBeforeSend(ctx); err != nil {
		permit.Cancel()
		return exchange{}, fmt.Errorf("%s: not sent: %w", k.op, err)
	}
	return c.settle(permit, req, &k)
}

// settle uses the permit, which is settled whatever happens.
func (c *Client) settle(permit *quota.Permit, req *http.Request, k *call) (x exchange, err error) {
	// Should something panic on the way, the worst is assumed.
	x = exchange{cut: true, maybeSent: true}
	defer func() {
		if x.ended && !x.maybeSent {
			permit.Cancel()
			return
		}
		permit.Done(x.outcome())
	}()
	limit := k.limit
	if limit == 0 {
		limit = maxItemBytes
	}
	x = c.exchange(req, limit, permit.Deadline())
	if c.observer != nil {
		c.observer(k.endpoint, req.Method, x.status, time.Since(x.started))
	}
	err = c.classify(k, &x)
	console.RunOnAnswer(req.Context(), err)
	return x, err
}

func (c *Client) request(ctx context.Context, k *call) (*http.Request, error) {
	var body io.Reader
	if k.body != nil {
		raw, err := json.Marshal(k.body)
		if err != nil {
			return nil, fmt.Errorf("encode the request: %w", err)
		}
		body = bytes.NewReader(raw)
	}
	path := k.path
	if path == "" {
		path = k.endpoint
	}
	target, err := url.Parse(strings.TrimSuffix(c.base.String(), "/") + path)
	if err != nil {
		return nil, errors.New("the request's address cannot be built")
	}
	target.RawQuery = k.query
	req, err := http.NewRequestWithContext(ctx, k.method, target.String(), body)
	if err != nil {
		return nil, errors.New("the request cannot be built")
	}
	c.authorize(req.Header)
	req.Header.Set("STATSIG-API-VERSION", APIVersion)
	req.Header.Set("User-Agent", c.userAgent)
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// acquire waits for the call's turn, or, when the caller wants to be notified
// of it, returns the *quota.WaitError at once.
func (c *Client) acquire(ctx context.Context, by quota.Request, k *call) (*quota.Permit, error) {
	var permit *quota.Permit
	var err error
	if by.Notify == nil {
		permit, err = c.limiter.Acquire(ctx, by)
	} else {
		permit, err = c.limiter.TryAcquire(by)
	}
	if err == nil {
		return permit, nil
	}
	if _, waits := errors.AsType[*quota.WaitError](err); waits {
		return nil, fmt.Errorf("%s: %w", k.op, err)
	}
	return nil, &console.Error{Class: console.Unavailable, Op: k.op, Err: err}
}
