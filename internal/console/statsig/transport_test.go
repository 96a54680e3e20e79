package statsig

import (
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/quota"
)

const ada = `{"message":"m","data":{"email":"ada@example.com","firstName":"","lastName":"","role":"Member"}}`

func TestRequestIsWhole(t *testing.T) {
	type seen struct{ method, uri, contentType, body string }
	var got seen
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for name, want := range map[string]string{
			"STATSIG-API-KEY": canary, "STATSIG-API-VERSION": "20240601",
			"User-Agent": "console-access-operator/1.2.3", "Accept": "application/json",
		} {
			if r.Header.Get(name) != want {
				t.Errorf("%s: %q, want %q", name, r.Header.Get(name), want)
			}
		}
		body, _ := io.ReadAll(r.Body)
		got = seen{r.Method, r.RequestURI, r.Header.Get("Content-Type"), string(body)}
		answer(200, ada)(w, r)
	}, func(cfg *Config) { cfg.Endpoint += "/base/" })
	if err := read(t, c); err != nil || got != (seen{"GET", "/base/console/v1/users/ada@example.com", "", ""}) {
		t.Errorf("read sent %+v: %v", got, err)
	}
	want := seen{"POST", "/base/console/v1/users/ada@example.com", "application/json", `{"role":"Member"}`}
	if err := write(t, c); err != nil || got != want {
		t.Errorf("write sent %+v: %v", got, err)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	var followed atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		c := serve(t, answer(status, "", "Location", other.URL+"/console/v1/users"))
		// Some servers redirect after they have done what was asked.
		for want, err := range map[console.Class]error{console.Unavailable: read(t, c), console.Ambiguous: write(t, c)} {
			if console.ClassOf(err) != want || !strings.Contains(err.Error(), strings.TrimPrefix(other.URL, "http://")) {
				t.Errorf("HTTP %d: %v", status, err)
			}
		}
	}
	if n := followed.Load(); n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
}

func TestTLSIsVerified(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("spoken to in %s, want HTTP/2", r.Proto)
		}
		answer(200, ada)(w, r)
	}))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = quiet()
	server.StartTLS()
	defer server.Close()
	bundle := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	trust := func(cfg *Config) { cfg.CABundle = bundle }

	if err := read(t, newClient(t, server.URL, trust)); err != nil {
		t.Errorf("trusted server: %v", err)
	}
	c := newClient(t, server.URL)
	if err := write(t, c); console.ClassOf(err) != console.Unavailable || !strings.Contains(err.Error(), "not trusted") {
		t.Errorf("unknown authority: %v", err)
	}
	settled(t, c, quota.Totals{Unavailable: 1})
	wrongName := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	if err := read(t, newClient(t, wrongName, trust)); err == nil || !strings.Contains(err.Error(), "not trusted") {
		t.Errorf("another server's certificate: %v", err)
	}

	old := httptest.NewUnstartedServer(answer(200, ada))
	old.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	old.Config.ErrorLog = quiet()
	old.StartTLS()
	defer old.Close()
	if err := write(t, newClient(t, old.URL, trust)); console.ClassOf(err) != console.Unavailable || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("TLS 1.1: %v", err)
	}
}

// A connection that breaks under a reused GET must not cost a second request.
func TestNothingIsSentTwice(t *testing.T) {
	var requests atomic.Int32
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) == 1 {
			answer(200, ada)(w, r)
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_ = conn.Close()
	})
	if err := read(t, c); err != nil {
		t.Fatal(err)
	}
	if err := read(t, c); console.ClassOf(err) != console.Unavailable {
		t.Errorf("cut connection: %v", err)
	}
	if n := requests.Load(); n != 2 {
		t.Errorf("%d requests were sent for two paid", n)
	}
	settled(t, c, quota.Totals{OK: 1, Unavailable: 1, Lost: 1})
}

// A try on a connection that turned out to be closed, before anything was
// written, is forgotten: what follows may still never be sent.
func TestTryThatWroteNothingIsForgotten(t *testing.T) {
	var a attempt
	ctx, cancel := a.context(t.Context())
	defer cancel()
	req := httptest.NewRequestWithContext(ctx, http.MethodPost, "http://console.example/", nil)
	a.connected.Store(true)
	if _, err := RefuseSilentRetry(req); err != nil || a.maybeSent() {
		t.Errorf("nothing was written: %v, maybe sent %v", err, a.maybeSent())
	}
	a.wroteHeaders.Store(true)
	if _, err := RefuseSilentRetry(req); !errors.Is(err, errSilentRetry) || !a.maybeSent() {
		t.Errorf("the headers were written: %v, maybe sent %v", err, a.maybeSent())
	}
}

func TestRefusedConnectionHasNoEffect(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	c := newClient(t, server.URL)
	err := write(t, c)
	if console.ClassOf(err) != console.Unavailable || !strings.HasSuffix(err.Error(), ": connection refused") {
		t.Errorf("error %v", err)
	}
	settled(t, c, quota.Totals{Unavailable: 1})
}

func TestAnswersAreLimited(t *testing.T) {
	list := func(size int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprintf(w, `{"data":[],"pagination":{"nextPage":null},"x":"%s"}`, strings.Repeat("x", size))
		}
	}
	if l, err := serve(t, list(maxItemBytes)).ListUsers(t.Context(), byAnyone); err != nil || !l.Complete {
		t.Errorf("a list larger than an item: %+v, %v", l, err)
	}
	notify := byAnyone
	notify.Notify = func() {}
	if _, err := serve(t, list(maxListBytes)).ListUsers(t.Context(), notify); console.ClassOf(err) != console.Unavailable || !errors.Is(err, errTooLarge) {
		t.Errorf("a list over the limit: %v", err)
	}
}

// A small answer may unpack to a large one.
func TestUnpackedAnswersAreLimited(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "gzip" {
			t.Errorf("accepts %q", r.Header.Get("Accept-Encoding"))
		}
		w.Header().Set("Content-Encoding", "gzip")
		packed := gzip.NewWriter(w)
		_, _ = packed.Write(bytes.Repeat([]byte(" "), maxItemBytes+1))
		_ = packed.Close()
	})
	if err := read(t, c); console.ClassOf(err) != console.Unavailable || !errors.Is(err, errTooLarge) {
		t.Errorf("an answer that unpacks to more than the limit: %v", err)
	}
}

// However many pages a console sends, a listing takes a bounded memory.
func TestListsAreLimited(t *testing.T) {
	pages := 0
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		pages++
		const items = maxItems / 2
		_, _ = io.WriteString(w, `{"data":[{"email":"x"}`)
		for i := range items {
			_, _ = fmt.Fprintf(w, `,{"email":"%d"}`, pages*items+i)
		}
		_, _ = fmt.Fprintf(w, `],"pagination":{"nextPage":"/console/v1/users?page=%d"}}`, pages+1)
	})
	_, err := c.ListUsers(t.Context(), byAnyone)
	if console.ClassOf(err) != console.Unavailable || !strings.Contains(err.Error(), "more than 100000 items") || pages != 2 {
		t.Errorf("after %d pages: %v", pages, err)
	}
}

// The certificate of a server counts only while it is valid.
func TestExpiredCertificate(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour),
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(answer(200, ada))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{certificate}, PrivateKey: key}}}
	server.Config.ErrorLog = quiet()
	server.StartTLS()
	defer server.Close()
	bundle := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
	err = read(t, newClient(t, server.URL, func(c *Config) { c.CABundle = bundle }))
	if err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("an expired certificate: %v", err)
	}
}

func TestObserverSeesTemplates(t *testing.T) {
	var got []string
	observe := func(cfg *Config) {
		cfg.Observer = func(endpoint, method string, status int, d time.Duration) {
			got = append(got, fmt.Sprint(method, " ", endpoint, " ", status, " ", d > 0))
		}
	}
	c := serve(t, answer(404, `{"message":"m"}`), observe)
	_ = read(t, c)
	_ = c.DeleteTeam(t.Context(), byAnyone, "t1")
	server := httptest.NewServer(nil)
	server.Close()
	_ = write(t, newClient(t, server.URL, observe))
	want := []string{"GET /console/v1/users/{email} 404 true", "DELETE /console/v1/users/teams/{id} 404 true", "POST /console/v1/users/{email} 0 true"}
	if !slices.Equal(got, want) {
		t.Errorf("observed %q, want %q", got, want)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestPermitIsSettledWhateverHappens(t *testing.T) {
	c := newClient(t, "http://console.example", func(cfg *Config) {
		cfg.Transport = roundTripper(func(*http.Request) (*http.Response, error) { panic("broken") })
	})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = read(t, c)
	}()
	settled(t, c, quota.Totals{Unavailable: 1, Lost: 1})
}

// What is said of a broken connection is the same from run to run: no port of
// ours, no clock.
func TestCausesAreStable(t *testing.T) {
	c := newClient(t, "https://console.example:8443")
	local := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 54321}
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"dial", &net.OpError{Op: "dial", Net: "tcp", Addr: local, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)},
			"cannot connect to console.example:8443: connection refused"},
		{"reset", fmt.Errorf("wrapped: %w", &net.OpError{Op: "read", Source: local, Addr: local, Err: os.NewSyscallError("read", syscall.ECONNRESET)}),
			"the connection was cut: connection reset by peer"},
		{"DNS", &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Server: "10.0.0.10:53"}},
			"the name console.example cannot be resolved; check the endpoint and the cluster's DNS"},
		{"expired", &tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.Expired, Detail: time.Now().String()}},
			"the server's certificate has expired or is not valid yet"},
		{"closed", io.ErrUnexpectedEOF, "the connection was closed before the whole answer came"},
		{"other", errors.New("strange " + canary), "strange [redacted]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := c.describe(t.Context(), t.Context(), true, tt.err).Error(); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestPathsAreEscaped(t *testing.T) {
	var uri string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		uri = r.RequestURI
		// The answer is about what was asked for, or it would not be read.
		asked, _ := json.Marshal(r.URL.Path[strings.LastIndex(r.URL.Path, "users/")+len("users/"):])
		answer(200, fmt.Sprintf(`{"data":{"email":%s,"name":"x"}}`, asked))(w, r)
	})
	get := func(value string, team bool) error {
		uri = ""
		if team {
			_, err := c.GetTeam(t.Context(), byAnyone, value)
			return err
		}
		_, err := c.GetUser(t.Context(), byAnyone, value)
		return err
	}
	for value, want := range map[string]string{
		"ada@example.com":        "ada@example.com",
		"ada+x@example.com":      "ada+x@example.com",
		"a b@x.io":               "a%20b@x.io",
		"../teams/1@":            "..%2Fteams%2F1@",
		"a/../../v2@x.io":        "a%2F..%2F..%2Fv2@x.io",
		"%2e%2e%2f@":             "%252e%252e%252f@",
		"a@x.io?limit=1#top":     "a@x.io%3Flimit=1%23top",
		"é@x.io":                 "%C3%A9@x.io",
		"@\r\nHost: evil":        "@%0D%0AHost:%20evil",
		"\xff@":                  "%FF@",
		"@//evil.example":        "@%2F%2Fevil.example",
		`..\@`:                   "..%5C@",
		"@;v=1":                  "@%3Bv=1",
		"http://evil.example/@x": "http:%2F%2Fevil.example%2F@x",
	} {
		if err := get(value, false); err != nil && utf8.ValidString(value) || uri != usersPath+"/"+want {
			t.Errorf("user %q went to %q, want %q: %v", value, uri, usersPath+"/"+want, err)
		}
		if err := get(value, true); err != nil || uri != teamsPath+"/"+want {
			t.Errorf("team %q went to %q, want %q: %v", value, uri, teamsPath+"/"+want, err)
		}
	}
	for _, value := range []string{"", ".", ".."} {
		for _, team := range []bool{false, true} {
			if err := get(value, team); console.ClassOf(err) != console.Invalid || uri != "" {
				t.Errorf("%q (team %v) went to %q: %v", value, team, uri, err)
			}
		}
	}
	for _, value := range []string{"teams", "invite"} {
		if err := get(value, false); console.ClassOf(err) != console.Invalid || uri != "" {
			t.Errorf("user %q went to %q: %v", value, uri, err)
		}
	}
}
