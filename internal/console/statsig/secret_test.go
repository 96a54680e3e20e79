package statsig

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/quota"
)

// leaks tells whether an error, any of its causes or any way to print them
// shows the key.
func leaks(err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if strings.Contains(fmt.Sprintf("%v %+v %#v %q", err, err, err, err), canary) {
			return true
		}
	}
	return false
}

func TestKeyIsInNoError(t *testing.T) {
	echo := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			key := r.Header.Get("STATSIG-API-KEY")
			if key != canary {
				t.Errorf("the key arrived as %q", key)
			}
			w.Header().Set("Location", "https://"+key+".example/"+key)
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, `{"status":%d,"message":%q,"data":{%q:1,"email":{"x":%q}}}`, status, "you sent "+key, key, key)
		}
	}
	for _, status := range []int{200, 301, 400, 401, 403, 404, 409, 429, 500} {
		for _, do := range []func(testing.TB, *Client) error{read, write} {
			err := do(t, serve(t, echo(status)))
			if err == nil || leaks(err) {
				t.Errorf("HTTP %d: %#v", status, err)
			}
		}
	}
	for _, raw := range []string{
		"HTTP/1.1 " + canary + "\r\n\r\n", canary + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\n" + canary + "\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: " + canary + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + canary + "\r\n\r\n",
	} {
		err := read(t, newClient(t, rawServer(t, raw)))
		if err == nil || leaks(err) {
			t.Errorf("answer %q: %v", raw, err)
		}
	}
}

// A success that repeats the key, for which there is no honest reason, is
// believed but for that: what it holds is shown in objects and events.
func TestKeyIsInNoAnswer(t *testing.T) {
	body := func(key string) http.HandlerFunc {
		return answer(200, `{"data":{"userID":"`+key+`","email":"a@x.io","firstName":"x `+key+`","role":"`+key+`"}}`)
	}
	got, err := serve(t, body(canary)).GetUser(t.Context(), byAnyone, "a@x.io")
	want := console.User{ID: redacted, Email: "a@x.io", FirstName: "x " + redacted, Role: redacted}
	if err != nil || got != want {
		t.Errorf("user %+v, %v, want %+v", got, err, want)
	}
	short := func(c *Config) { c.APIKey = "Admin" }
	if got, err := serve(t, body("Admin"), short).GetUser(t.Context(), byAnyone, "a@x.io"); err != nil || got.Role != "Admin" {
		t.Errorf("what is too short for a key is taken for one: %+v, %v", got, err)
	}
}

// rawServer answers every request with raw, HTTP or not.
func rawServer(t *testing.T, raw string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				_, _ = io.WriteString(conn, raw)
			}
			_ = conn.Close()
		}
	}()
	return "http://" + l.Addr().String()
}

func TestKeyIsNotPrinted(t *testing.T) {
	c := newClient(t, "https://console.example")
	cfg := Config{Endpoint: "https://console.example", APIKey: canary}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, v := range []any{c, *c, cfg, &cfg} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, canary) {
				t.Errorf("%s of %T prints the key: %s", verb, v, text)
			}
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	limiter := quota.New(quota.Config{})
	defer limiter.Close()
	good := Config{Endpoint: "https://console.example/base", APIKey: canary, Limiter: limiter}
	if _, err := New(good); err != nil {
		t.Fatalf("a good config: %v", err)
	}
	tests := []struct {
		name   string
		change func(*Config)
		says   string
	}{
		{"no key", func(c *Config) { c.APIKey = "" }, "the API key is empty"},
		{"key with a line break", func(c *Config) { c.APIKey += "\n" }, "line break"},
		{"key with a header inside", func(c *Config) { c.APIKey += "\r\nHost: x" }, "line break"},
		{"key with a space", func(c *Config) { c.APIKey += " " }, "a space"},
		{"key beyond ASCII", func(c *Config) { c.APIKey += "é" }, "another character"},
		{"key with NUL", func(c *Config) { c.APIKey += "\x00" }, "another character"},
		{"key of a megabyte", func(c *Config) { c.APIKey = strings.Repeat(canary, 1<<15) }, "more than any key"},
		{"no endpoint", func(c *Config) { c.Endpoint = "" }, "scheme and a host"},
		{"endpoint without scheme", func(c *Config) { c.Endpoint = "console.example" }, "scheme and a host"},
		{"endpoint of another scheme", func(c *Config) { c.Endpoint = "ftp://console.example" }, "scheme and a host"},
		{"endpoint with a password", func(c *Config) { c.Endpoint = "https://u:" + canary + "@console.example" }, "no user"},
		{"endpoint with a query", func(c *Config) { c.Endpoint = "https://console.example?" + canary }, "no user, query"},
		{"endpoint with a fragment", func(c *Config) { c.Endpoint = "https://console.example#x" }, "fragment"},
		{"endpoint is no URL", func(c *Config) { c.Endpoint = "https://" + canary + "%zz" }, "no URL"},
		{"no quota", func(c *Config) { c.Limiter = nil }, "quota"},
		{"negative time-out", func(c *Config) { c.Timeout = -1 }, "negative"},
		{"negative page size", func(c *Config) { c.PageSize = -1 }, "negative"},
		{"version with a line break", func(c *Config) { c.Version = "1\n2" }, "version"},
		{"CA bundle without certificate", func(c *Config) { c.CABundle = []byte(canary) }, "no certificate"},
		{"transport and CA bundle", func(c *Config) { c.CABundle, c.Transport = []byte("x"), http.DefaultTransport }, "excludes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := good
			tt.change(&cfg)
			_, err := New(cfg)
			if err == nil || !strings.Contains(err.Error(), tt.says) || leaks(err) {
				t.Errorf("error %v, want it to say %q", err, tt.says)
			}
		})
	}
}

func TestMessagesAreMadeSafe(t *testing.T) {
	c := newClient(t, "https://console.example")
	tests := []struct{ name, message, want string }{
		{"plain", "Team not found", "Team not found"},
		{"lines and controls", "a\r\n\tb\x00\x1b[31mc\u2028d\u202ee", "a b [31mc d e"},
		{"invalid UTF-8", "a\xffb", "a\uFFFDb"},
		{"the key", "Key: " + canary + ".", "Key: [redacted]."},
		{"another key", "Key: console-abcDEF123 and CONSOLE-abcDEF123", "Key: [redacted] and [redacted]"},
		{"not quite a key", "console-abc", "console-abc"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := c.cleanMessage(tt.message); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
	odd := newClient(t, "https://console.example", func(cfg *Config) { cfg.APIKey = "s3cr3t" })
	if got := odd.cleanMessage("Key: s3cr3t"); got != "Key: [redacted]" {
		t.Errorf("a key of another form: %q", got)
	}
	for _, long := range []string{strings.Repeat("é", 400), strings.Repeat("x", 290) + canary} {
		got := c.cleanMessage(long)
		if n := utf8.RuneCountInString(got); n > maxMessageRunes || strings.Contains(got, canary[:12]) {
			t.Errorf("%d runes: %q", n, got)
		}
	}
	err := read(t, serve(t, answer(400, `{"message":"one\ntwo`+"\xff"+`"}`)))
	if e, ok := console.AsError(err); !ok || e.Message != "one two\uFFFD" {
		t.Errorf("message of %#v", err)
	}
}
