package main

import (
	"bytes"
	"errors"
	"flag"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestFlags(t *testing.T) {
	c, err := parse([]string{"--once", "--keep-logs", "--console-addr", "127.0.0.1:0", "--bin", "b", "--samples", "s",
		"--crds", "c", "--timeout", "5s"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := config{
		once: true, keepLogs: true, consoleAddr: "127.0.0.1:0", bin: "b", samples: "s", crds: "c", timeout: 5 * time.Second,
	}
	if *c != want {
		t.Errorf("flags are read as %+v, want %+v", *c, want)
	}
	if c.kubeconfig() != filepath.Join("b", "demo.kubeconfig") {
		t.Errorf("the kubeconfig is %s", c.kubeconfig())
	}
}

func TestHelpNamesEveryFlag(t *testing.T) {
	var out, errs bytes.Buffer
	if _, err := parse([]string{"--help"}, &out, &errs); !errors.Is(err, flag.ErrHelp) {
		t.Fatalf("--help ends with %v", err)
	}
	for _, name := range []string{"once", "console-addr", "keep-logs", "bin", "samples", "crds", "timeout"} {
		if !strings.Contains(out.String(), "\n  -"+name) {
			t.Errorf("--help does not explain --%s:\n%s", name, out.String())
		}
	}
	if errs.Len() > 0 {
		t.Errorf("--help writes to standard error: %s", errs.String())
	}
}

func TestUsageErrors(t *testing.T) {
	for _, tt := range []struct {
		args []string
		said string
	}{
		{[]string{"--color"}, "not defined: -color"},
		{[]string{"once"}, `unexpected argument "once"`},
		{[]string{"--console-addr", "8787"}, "write HOST:PORT"},
		{[]string{"--console-addr", ":8787"}, "must be a loopback address"},
		{[]string{"--console-addr", "192.0.2.1:8787"}, "must be a loopback address"},
		{[]string{"--timeout", "0s"}, "must be positive"},
	} {
		var errs bytes.Buffer
		if _, err := parse(tt.args, nil, &errs); !errors.Is(err, errUsage) {
			t.Errorf("%q ends with %v", tt.args, err)
		}
		if !strings.Contains(errs.String(), tt.said) || !strings.Contains(errs.String(), "--help") {
			t.Errorf("%q says %q, want %q and where to look", tt.args, errs.String(), tt.said)
		}
	}
}

// ready returns a configuration that passes the checks before the start.
func ready(t *testing.T) *config {
	t.Helper()
	bin := t.TempDir()
	for _, name := range programs {
		writeFile(t, filepath.Join(bin, name), "")
	}
	return &config{bin: bin, samples: t.TempDir(), crds: t.TempDir(), consoleAddr: "127.0.0.1:0"}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
}

func TestPreflight(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	kubeconfig := func(server string) string {
		return "apiVersion: v1\nkind: Config\nclusters:\n- name: demo\n  cluster:\n    server: https://" + server + "\n"
	}
	free, err := freeAddress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		change func(*config)
		said   string // nothing: it passes
	}{
		{"all is there", func(*config) {}, ""},
		{"no manager", func(c *config) { _ = os.Remove(filepath.Join(c.bin, "manager")) }, "manager. In the repository's root, run make demo"},
		{"no samples", func(c *config) { c.samples = filepath.Join(c.bin, "none") }, "name the directory with --samples"},
		{"no CRDs", func(c *config) { c.crds = filepath.Join(c.bin, "none") }, "name the directory with --crds"},
		{"port taken", func(c *config) { c.consoleAddr = taken.Addr().String() }, "--console-addr 127.0.0.1:0"},
		{"another demo", func(c *config) { writeFile(t, c.kubeconfig(), kubeconfig(taken.Addr().String())) }, "another demo is running"},
		{"remains of a demo", func(c *config) { writeFile(t, c.kubeconfig(), kubeconfig(free)) }, ""},
		{"no kubeconfig at all", func(c *config) { writeFile(t, c.kubeconfig(), "{") }, "Remove it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := ready(t)
			tt.change(c)
			err := c.preflight(t.Context())
			switch {
			case tt.said == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.said != "" && (err == nil || !strings.Contains(err.Error(), tt.said)):
				t.Errorf("says %v, want %q", err, tt.said)
			}
		})
	}
}
