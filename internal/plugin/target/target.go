// Package target says which console the plugin talks to, with which key and
// within which part of the rate limit, and opens the way to it.
package target

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"time"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/console/statsig"
	"github.com/console-access/console-access-operator/internal/quota"
)

// A Target is a console project and how it may be used.
type Target struct {
	Provider v1alpha1.Provider
	// Endpoint is the base URL of the Console API.
	Endpoint string
	APIKey   string
	// CABundle holds PEM certificates to trust instead of the system's.
	CABundle []byte
	// AllowInsecure permits plain http to another machine.
	AllowInsecure bool
	// Limit is what the plugin keeps to.
	Limit quota.Config
}

// Format keeps the key out of whatever prints a Target.
func (t Target) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "target.Target{Endpoint: %q}", t.Endpoint)
}

// DefaultLimit is the documented limit of a console of which nothing else is
// known. See docs/quota.md for its source.
func DefaultLimit() quota.Config {
	return quota.Config{Windows: []quota.Window{
		{Requests: 100, Per: 10 * time.Second},
		{Requests: 900, Per: 15 * time.Minute},
	}}
}

// A Console is an open Target. Close it.
type Console struct {
	console.API
	Limiter *quota.Limiter
}

// Close gives up calls that wait for their turn.
func (c *Console) Close() { c.Limiter.Close() }

// Open checks the target and returns the way to it. Nothing is sent yet.
func (t Target) Open(version string) (*Console, error) {
	if t.Provider != v1alpha1.ProviderStatsig {
		return nil, fmt.Errorf("provider %q is not known; use %s", t.Provider, v1alpha1.ProviderStatsig)
	}
	if err := t.checkEndpoint(); err != nil {
		return nil, err
	}
	limiter := quota.New(t.Limit)
	api, err := statsig.New(statsig.Config{
		Endpoint: t.Endpoint, APIKey: t.APIKey, CABundle: t.CABundle, Limiter: limiter, Version: version,
	})
	if err != nil {
		limiter.Close()
		return nil, err
	}
	return &Console{API: api, Limiter: limiter}, nil
}

// checkEndpoint refuses to send the key in the clear to another machine, as the
// schema of ConsoleConnections does.
func (t Target) checkEndpoint() error {
	base, err := url.Parse(t.Endpoint)
	if err != nil {
		return nil //nolint:nilerr // the client reports what else is wrong with an endpoint
	}
	if base.Scheme != "http" || t.AllowInsecure {
		return nil
	}
	address, err := netip.ParseAddr(base.Hostname())
	if base.Hostname() == "localhost" || err == nil && address.IsLoopback() {
		return nil
	}
	return errors.New("the endpoint is plain http, on which anybody on the way can read the API key: use https, " +
		"or accept that with --allow-insecure (on a ConsoleConnection: spec.allowInsecure)")
}
