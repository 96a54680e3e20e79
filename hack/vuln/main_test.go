package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	config = `{"config":{"protocol_version":"v1.0.0","go_version":"go1.26.8"}}
{"progress":{"message":"Scanning"}}
{"osv":{"id":"GO-1","summary":"Panic in a codec"}}
{"osv":{"id":"GO-2","summary":"Panic in net/http"}}
{"osv":{"id":"GO-3","summary":"Crash in crypto/tls"}}
`
	required = `{"finding":{"osv":"GO-1","fixed_version":"v1.20.2","trace":[{"module":"example.com/codec","version":"v1.19.2"}]}}
{"finding":{"osv":"GO-1","fixed_version":"v1.20.2","trace":[{"module":"example.com/codec","version":"v1.19.2","package":"example.com/codec/a"}]}}
`
	calledModule = `{"finding":{"osv":"GO-1","fixed_version":"v1.20.2","trace":[
	{"module":"example.com/codec","version":"v1.19.2","package":"example.com/codec/a","function":"Decode"},
	{"module":"own","package":"own","function":"main","position":{"filename":"main.go","line":7}}]}}
`
	calledStandard = `{"finding":{"osv":"GO-2","fixed_version":"v1.26.9","trace":[{"module":"stdlib","version":"v1.26.8","package":"net/http","function":"Serve"}]}}
{"finding":{"osv":"GO-3","fixed_version":"v1.26.10","trace":[{"module":"stdlib","version":"v1.26.8","package":"crypto/tls","function":"Dial"}]}}
`
)

// TestJudgement: a vulnerability fails the check when its function is called and
// a change of go.mod mends it.
func TestJudgement(t *testing.T) {
	for _, tt := range []struct {
		name, output string
		fails        bool
		said         []string
	}{
		{"nothing", config, false, []string{"own: no vulnerable function of a module is called."}},
		{"required and imported", config + required, false, []string{"no vulnerable function"}},
		{"called", config + required + calledModule, true, []string{
			"own: GO-1 in example.com/codec v1.19.2: Panic in a codec", "called from main.go:7", "go -C own get example.com/codec@v1.20.2",
		}},
		{"unmended", config + strings.ReplaceAll(calledModule, `"fixed_version":"v1.20.2",`, ""), true, []string{"no version mends it"}},
		{"standard library", config + calledStandard, false, []string{"no vulnerable function", "Release with Go 1.26.10 or later: GO-2, GO-3"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			err := run(t.Context(), scanner(t, tt.output, 0), "", []string{"own"}, &out)
			if errors.Is(err, errVulnerable) != tt.fails || err != nil && !tt.fails {
				t.Errorf("it ends with %v", err)
			}
			for _, want := range tt.said {
				if !strings.Contains(out.String(), want) {
					t.Errorf("it does not say %q:\n%s", want, &out)
				}
			}
		})
	}
}

// TestBrokenScan: a scan that did not take place is no good news.
func TestBrokenScan(t *testing.T) {
	for name, tt := range map[string]struct {
		output string
		status int
	}{
		"it fails": {config, 1}, "it writes nothing": {"", 0}, "it is cut off": {config + calledModule[:60], 0},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := run(t.Context(), scanner(t, tt.output, tt.status), "", []string{"own"}, &out); err == nil || errors.Is(err, errVulnerable) {
				t.Errorf("it ends with %v and says %s", err, &out)
			}
		})
	}
}

// scanner returns a program that writes a text and ends with a status.
func scanner(t *testing.T, output string, status int) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "output"), []byte(output), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "govulncheck")
	script := "#!/bin/sh\ncat " + filepath.Join(dir, "output") + "\nexit " + string(rune('0'+status)) + "\n"
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}
