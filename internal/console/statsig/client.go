// Package statsig is Statsig's Console API (version 20240601) as a
// [console.API]. Every HTTP attempt pays the quota, nothing is retried except
// pages of a listing, and every failure is classified once, here.
package statsig

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/quota"
)

const (
	// DefaultEndpoint is the server the published contract names.
	DefaultEndpoint = "https://statsigapi.net"
	// APIVersion is sent as STATSIG-API-VERSION.
	APIVersion = "20240601"
	// DefaultTimeout bounds one attempt, from its connection to the last byte
	// of the answer.
	DefaultTimeout = 30 * time.Second
	// DefaultPageSize is asked for in listings; the console may answer less.
	DefaultPageSize = 100

	// maxListBytes bounds a page of a listing, maxItemBytes any other
	// successful answer, maxFailureBytes the body of a refused call.
	maxListBytes    = 16 << 20
	maxItemBytes    = 1 << 20
	maxFailureBytes = 64 << 10
	// minKeyBytes is shorter than any key.
	minKeyBytes = 16
	// maxKeyBytes is far beyond any key, and far below what servers accept as
	// a header.
	maxKeyBytes = 1024
)

// An Observer learns of every attempt that was sent or tried: endpoint is a
// template such as "/console/v1/users/{email}", status is 0 when no answer
// came, d leaves out the wait for the quota. It is called from the goroutine
// of the call and must not block.
type Observer func(endpoint, method string, status int, d time.Duration)

// Config is what a [Client] needs.
type Config struct {
	// Endpoint is the server's address, e.g. [DefaultEndpoint], with an
	// optional path prefix.
	Endpoint string
	// APIKey is a Console key, the secret of a project's administrator.
	APIKey string
	// Limiter is the project's quota, shared with every other client of it.
	Limiter *quota.Limiter
	// Transport replaces the pool of connections that all clients of the
	// process share. It must not retry by itself nor follow redirects; an
	// http.Transport needs [RefuseSilentRetry] as its Proxy for that. It
	// excludes CABundle.
	Transport http.RoundTripper
	// CABundle holds PEM certificates to trust instead of the system's.
	CABundle []byte
	// Timeout bounds one attempt; 0 is [DefaultTimeout].
	Timeout time.Duration
	// PageSize is asked for in listings; 0 is [DefaultPageSize].
	PageSize int
	// Version of the operator, for the User-Agent.
	Version string
	// Observer is optional.
	Observer Observer
}

// Format keeps the key out of whatever prints a Config.
func (c Config) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "statsig.Config{Endpoint: %q}", c.Endpoint)
}

// A Client makes calls in the name of one key. It is safe for concurrent use
// and needs no closing.
type Client struct {
	base      *url.URL
	limiter   *quota.Limiter
	transport http.RoundTripper
	timeout   time.Duration
	pageSize  int
	userAgent string
	observer  Observer
	// authorize, redact and scrub hold the key where nothing can print it.
	authorize func(http.Header)
	redact    func(string) string
	scrub     func([]byte) []byte
}

// Format keeps what a Client holds out of whatever prints one.
func (c Client) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "statsig.Client{Endpoint: %q}", c.base)
}

var _ console.API = (*Client)(nil)

// New returns a client, or an error that says what to change in the Config. No
// error holds the key.
func New(cfg Config) (*Client, error) {
	base, err := parseEndpoint(cfg.Endpoint)
	if err != nil {
		return nil, err
	}
	if err := checkKey(cfg.APIKey); err != nil {
		return nil, err
	}
	if cfg.Limiter == nil {
		return nil, errors.New("console client: the quota is missing")
	}
	if cfg.Timeout < 0 || cfg.PageSize < 0 {
		return nil, errors.New("console client: neither the time-out nor the page size may be negative")
	}
	if !printable(cfg.Version) {
		return nil, errors.New("console client: the version cannot be part of a header")
	}
	transport, err := chooseTransport(cfg, base)
	if err != nil {
		return nil, err
	}
	key := cfg.APIKey
	c := &Client{
		base:      base,
		limiter:   cfg.Limiter,
		transport: transport,
		timeout:   cfg.Timeout,
		pageSize:  cfg.PageSize,
		userAgent: "console-access-operator/" + cfg.Version,
		observer:  cfg.Observer,
		authorize: func(h http.Header) { h.Set("STATSIG-API-KEY", key) },
		redact:    func(text string) string { return strings.ReplaceAll(text, key, redacted) },
		scrub:     scrubber(key),
	}
	if c.timeout == 0 {
		c.timeout = DefaultTimeout
	}
	if c.pageSize == 0 {
		c.pageSize = DefaultPageSize
	}
	return c, nil
}

// scrubber takes the key out of answers, whose names and texts are shown in
// objects and events. What is shorter than any key is left alone: it may be
// part of anything.
func scrubber(key string) func([]byte) []byte {
	if len(key) < minKeyBytes {
		return func(body []byte) []byte { return body }
	}
	return func(body []byte) []byte { return bytes.ReplaceAll(body, []byte(key), []byte(redacted)) }
}

func parseEndpoint(endpoint string) (*url.URL, error) {
	base, err := url.Parse(endpoint)
	// The address is not repeated: it may hold a password.
	switch {
	case err != nil:
		return nil, errors.New("console client: the endpoint is no URL; write it as https://host")
	case base.Scheme != "https" && base.Scheme != "http", base.Hostname() == "":
		return nil, errors.New("console client: the endpoint needs a scheme and a host; write it as https://host")
	case base.User != nil, base.RawQuery != "", base.ForceQuery, base.Fragment != "":
		return nil, errors.New("console client: the endpoint must have no user, query or fragment; write it as https://host")
	}
	return base.JoinPath("/"), nil
}

func checkKey(key string) error {
	if key == "" {
		return errors.New("console client: the API key is empty; put a Console key into the Secret")
	}
	if len(key) > maxKeyBytes {
		return fmt.Errorf("console client: the API key has %d bytes, more than any key; put a Console key, and nothing else, into the Secret", len(key))
	}
	if !printable(key) || strings.Contains(key, " ") {
		return errors.New("console client: the API key holds a space, a line break or another character that no key has; " +
			"write it into the Secret without (a line break at its end is the usual one)")
	}
	return nil
}

// printable tells whether text is printable ASCII, hence safe in a header.
func printable(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

func chooseTransport(cfg Config, endpoint *url.URL) (http.RoundTripper, error) {
	switch {
	case cfg.Transport != nil && len(cfg.CABundle) != 0:
		return nil, errors.New("console client: a transport of its own excludes a CA bundle")
	case cfg.Transport != nil:
		return cfg.Transport, nil
	}
	if err := checkProxy(endpoint); err != nil {
		return nil, err
	}
	if len(cfg.CABundle) != 0 {
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(cfg.CABundle) {
			return nil, errors.New("console client: the CA bundle holds no certificate; it must be PEM")
		}
		return newTransport(roots), nil
	}
	return pool(), nil
}

// pool is the process's one set of connections, made when first needed.
var pool = sync.OnceValue(func() *http.Transport { return newTransport(nil) })

// newTransport trusts roots, or the system's when nil. The number of connections
// to a host is not limited: all projects of a vendor are at one host, and each has
// its own limit of calls under way. Idle connections are given up sooner than usual servers do (60 seconds), so that
// a request seldom meets a connection that is being closed.
func newTransport(roots *x509.CertPool) *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}
	return &http.Transport{
		Proxy:                  RefuseSilentRetry,
		DialContext:            dialer.DialContext,
		ForceAttemptHTTP2:      true,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		TLSHandshakeTimeout:    10 * time.Second,
		MaxIdleConns:           256,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
}
