package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/console-access/console-access-operator/internal/consolesim"
)

// program is a consolesim that serves until it is stopped.
type program struct {
	t    *testing.T
	line string // what it printed when it began to serve
	url  string
	http *http.Client
}

var serving = regexp.MustCompile(`^consolesim: serving (https?://127\.0\.0\.1:[1-9][0-9]*) \(state under /_sim/\)\n$`)

func noEnv(string) string { return "" }

// launch runs the program; at the end of the test it must stop without error.
func launch(t *testing.T, getenv func(string) string, args ...string) *program {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, append([]string{"--listen", "127.0.0.1:0"}, args...), getenv, writer, io.Discard)
		_ = writer.CloseWithError(errors.Join(io.EOF, err))
		ended <- err
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the program ends with %v", err)
		}
	})
	buffer := make([]byte, 200)
	n, err := reader.Read(buffer)
	if err != nil {
		t.Fatalf("the program does not serve: %v", err)
	}
	p := &program{t: t, line: string(buffer[:n]), http: &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true, // a certificate of the test
	}}}
	if m := serving.FindStringSubmatch(p.line); m != nil {
		p.url = m[1]
	} else {
		t.Fatalf("the program prints %q", p.line)
	}
	return p
}

// get returns the status and the decoded body of a GET request.
func (p *program) get(path, key string) (int, map[string]any) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.url+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("STATSIG-API-KEY", key)
	resp, err := p.http.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var body map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, body
}

func (p *program) expect(path, key string, status int) map[string]any {
	p.t.Helper()
	got, body := p.get(path, key)
	if got != status {
		p.t.Fatalf("GET %s: status %d, want %d: %v", path, got, status, body)
	}
	return body
}

func TestDemoProject(t *testing.T) {
	p := launch(t, noEnv, "--api-key", "console-secret")
	if strings.Contains(p.line, "console-secret") {
		t.Errorf("the key is printed: %q", p.line)
	}
	p.expect("/console/v1/users/ada@example.com", "console-secret", http.StatusOK)
	p.expect("/console/v1/users/ada@example.com", consolesim.DefaultKey, http.StatusUnauthorized)
	users, _ := p.expect("/_sim/state", "", http.StatusOK)["users"].([]any)
	admins := slices.DeleteFunc(users, func(u any) bool { return u.(map[string]any)["role"] != "Admin" })
	if len(admins) < 2 {
		t.Errorf("there are %d Admins", len(admins))
	}
}

func TestKeyFromEnvironment(t *testing.T) {
	env := func(name string) string { return map[string]string{"CONSOLESIM_API_KEY": "console-env"}[name] }
	launch(t, env).expect("/console/v1/users", "console-env", http.StatusOK)
	p := launch(t, env, "--api-key", "console-flag")
	p.expect("/console/v1/users", "console-flag", http.StatusOK)
	p.expect("/console/v1/users", "console-env", http.StatusUnauthorized)
	launch(t, noEnv).expect("/console/v1/users", consolesim.DefaultKey, http.StatusOK)
}

func TestSeedWindowsAndBehavior(t *testing.T) {
	p := launch(t, noEnv, "--api-key", "k", "--seed-users", "3", "--seed-teams", "2", "--seed-members", "1",
		"--window", "1/1h", "--window", "5/2h", "--behavior", "roleSpelling=lower", "--behavior", "maxPageSize=2",
		"--latency", "1ms")
	body := p.expect("/console/v1/users", "k", http.StatusOK)
	first := body["data"].([]any)[0].(map[string]any)
	if first["email"] != "user0001@example.com" || first["role"] != "admin" || len(body["data"].([]any)) != 2 {
		t.Errorf("users: %v", body["data"])
	}
	p.expect("/console/v1/users", "k", http.StatusTooManyRequests)
	if windows := p.expect("/_sim/quota", "", http.StatusOK)["windows"].([]any); len(windows) != 2 {
		t.Errorf("windows: %v", windows)
	}
	if latency := p.expect("/_sim/behavior", "", http.StatusOK)["latency"]; latency != "1ms" {
		t.Errorf("latency: %v", latency)
	}
}

func TestStateFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.json")
	write(t, file, `{"users":[{"email":"eve@example.com","role":"Admin"}]}`)
	launch(t, noEnv, "--api-key", "k", "--state", file).expect("/console/v1/users/eve@example.com", "k", http.StatusOK)

	write(t, file, `{"users":[{"email":"eve"}]}`)
	err := run(t.Context(), []string{"--state", file}, noEnv, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), `user "eve"`) {
		t.Errorf("a malformed address: %v", err)
	}
}

func TestTLS(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	write(t, certFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})))
	write(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))

	p := launch(t, noEnv, "--api-key", "k", "--tls-cert", certFile, "--tls-key", keyFile)
	if !strings.HasPrefix(p.url, "https://") {
		t.Errorf("the program prints %q", p.line)
	}
	p.expect("/console/v1/users", "k", http.StatusOK)
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestUsageErrors(t *testing.T) {
	for _, tt := range []struct {
		args    []string
		message string
	}{
		{[]string{"--colour"}, "not defined: -colour"},
		{[]string{"extra"}, `unexpected argument "extra"`},
		{[]string{"--window", "many"}, "write REQUESTS/PER"},
		{[]string{"--behavior", "roleSpelling"}, "write NAME=POSITION"},
		{[]string{"--behavior", "roleSpelling=UPPER"}, "is not one of exact, lower, kebab"},
		{[]string{"--behavior", "defaultPageSize=0"}, "is not a positive number"},
		{[]string{"--seed-teams", "3"}, "needs --seed-users"},
		{[]string{"--seed-users", "-1"}, "must not be negative"},
		{[]string{"--seed-users", "1", "--state", "x"}, "exclude each other"},
		{[]string{"--tls-cert", "x"}, "go together"},
	} {
		var stderr bytes.Buffer
		err := run(t.Context(), tt.args, noEnv, io.Discard, &stderr)
		if !errors.Is(err, errUsage) || !strings.Contains(stderr.String(), tt.message) {
			t.Errorf("%v: %v, stderr %q, want %q", tt.args, err, stderr.String(), tt.message)
		}
	}
}

func TestHelpNamesEverySwitch(t *testing.T) {
	var stdout bytes.Buffer
	if err := run(t.Context(), []string{"--help"}, noEnv, &stdout, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("error %v", err)
	}
	for _, want := range append(consolesim.Switches(), "Examples:", "-window REQUESTS/PER", "CONSOLESIM_API_KEY") {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("the help lacks %q", want)
		}
	}
}

func TestAddressInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	err = run(t.Context(), []string{"--listen", taken.Addr().String()}, noEnv, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "choose another address with --listen") {
		t.Errorf("error %v", err)
	}
}
