package statsig

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
)

// A cause is a failure below HTTP, reduced to a text without the key, without
// port numbers and clock times (so that it is the same from run to run), and to
// the context error that callers may look for.
type cause struct {
	text    string
	context error
}

func (e *cause) Error() string { return e.text }
func (e *cause) Unwrap() error { return e.context }

// describe turns a transport's error into a cause. outer is the caller's
// context, inner adds the time-out of the attempt.
func (c *Client) describe(outer, inner context.Context, sent bool, err error) error {
	if ended := outer.Err(); ended != nil {
		return &cause{text: "the call was ended before an answer came: " + ended.Error(), context: ended}
	}
	if inner.Err() != nil {
		if sent {
			return &cause{text: "no answer came in time"}
		}
		return &cause{text: fmt.Sprintf("no connection to %s came about in time", c.base.Host)}
	}
	return &cause{text: c.cleanText(c.explain(err))}
}

// explain names the usual failures in words; any other speaks for itself.
func (c *Client) explain(err error) string {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return fmt.Sprintf("the name %s cannot be resolved; check the endpoint and the cluster's DNS", c.base.Hostname())
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return "the server's certificate has expired or is not valid yet"
	}
	if verification, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Sprintf("the server's certificate is not trusted: %v; check the endpoint and the CA bundle", verification.Err)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		reason := op.Err
		if errno, ok := errors.AsType[syscall.Errno](op.Err); ok {
			reason = errno
		}
		if op.Op == "dial" {
			return fmt.Sprintf("cannot connect to %s: %v", c.base.Host, reason)
		}
		return fmt.Sprintf("the connection was cut: %v", reason)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "the connection was closed before the whole answer came"
	}
	return err.Error()
}
