package statsig

import (
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
)

// checkProxy returns an error when the environment names a proxy for the endpoint
// that cannot be one. net/http ignores such a value, and calls with the key would
// then go past the proxy that they were meant to take. The value is not repeated:
// it may hold a password.
func checkProxy(endpoint *url.URL) error {
	name := strings.ToUpper(endpoint.Scheme) + "_PROXY"
	value := os.Getenv(name)
	if value == "" {
		name = strings.ToLower(name)
		value = os.Getenv(name)
	}
	if value == "" || isProxy(value) {
		return nil
	}
	return fmt.Errorf("console client: the environment variable %s of this program names no proxy; "+
		"write it there as http://host:port, or take it away, and start the program again", name)
}

// isProxy reports whether net/http takes a value for a proxy: a URL, or a host with
// an optional port.
func isProxy(value string) bool {
	if !strings.Contains(value, "://") {
		value = "http://" + value
	}
	proxy, err := url.Parse(value)
	return err == nil && proxy.Hostname() != "" && slices.Contains([]string{"http", "https", "socks5", "socks5h"}, proxy.Scheme)
}
