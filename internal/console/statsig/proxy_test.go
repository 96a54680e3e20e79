package statsig

import (
	"strings"
	"testing"

	"github.com/console-access/console-access-operator/internal/quota"
)

// A proxy that cannot be one is reported, and not gone past.
func TestProxyIsChecked(t *testing.T) {
	limiter := quota.New(quota.Config{})
	defer limiter.Close()
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"} {
		t.Setenv(name, "")
	}
	create := func(endpoint string, change ...func(*Config)) error {
		cfg := Config{Endpoint: endpoint, APIKey: canary, Limiter: limiter}
		for _, f := range change {
			f(&cfg)
		}
		_, err := New(cfg)
		return err
	}
	for _, value := range []string{"", "http://proxy.example:3128", "proxy.example:3128", "proxy.example", "10.0.0.1:3128", "https://u:p@proxy.example", "socks5://[::1]:1080"} {
		for _, name := range []string{"HTTPS_PROXY", "https_proxy"} {
			t.Setenv(name, value)
			if err := create("https://console.example"); err != nil {
				t.Errorf("%s=%s: %v", name, value, err)
			}
			t.Setenv(name, "")
		}
	}
	for _, value := range []string{"http://pro xy.example:3128", "http://u:" + canary + "@proxy.example:port", "http://" + canary + "%zz", "http://", "://proxy.example", "ftp://proxy.example", "http://:3128"} {
		for _, name := range []string{"HTTPS_PROXY", "https_proxy"} {
			t.Setenv(name, value)
			if err := create("https://console.example"); err == nil || !strings.Contains(err.Error(), "variable "+name) || leaks(err) {
				t.Errorf("%s=%s: %v", name, value, err)
			}
			if err := create("http://console.example"); err != nil {
				t.Errorf("%s=%s for another scheme: %v", name, value, err)
			}
			t.Setenv(name, "")
		}
		t.Setenv("HTTP_PROXY", value)
		if err := create("http://console.example"); err == nil || !strings.Contains(err.Error(), "variable HTTP_PROXY") {
			t.Errorf("HTTP_PROXY=%s: %v", value, err)
		}
		if err := create("http://console.example", func(c *Config) { c.Transport = roundTripper(nil) }); err != nil {
			t.Errorf("HTTP_PROXY=%s with a transport of its own: %v", value, err)
		}
		t.Setenv("HTTP_PROXY", "")
	}
}
