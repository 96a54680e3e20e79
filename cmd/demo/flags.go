package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	// sampleConsoleAddr is where the samples expect the console.
	sampleConsoleAddr = "127.0.0.1:8787"
	// sampleAPIKey is the key in the samples' Secret.
	sampleAPIKey = "console-demo-key"
	// operatorNamespace is where the samples put the Secret.
	operatorNamespace = "console-access-system"
)

// programs are what the demo starts, by their file names and make targets.
var programs = []string{"controlplane", "consolesim", "manager"}

// errUsage means that the command line is wrong and that this has been said.
var errUsage = errors.New("usage")

// config is the command line.
type config struct {
	once        bool
	consoleAddr string
	keepLogs    bool
	bin         string
	samples     string
	crds        string
	timeout     time.Duration
}

const usageHead = `demo shows the operator at work on this machine, and checks what it shows.

It starts three programs, a small Kubernetes API server (controlplane), a
simulated console (consolesim) and the operator (manager), applies the samples,
changes and deletes things on both sides, and compares the console with the
manifests after each step. A table tells how long each step took and what it
cost in calls to the console. Then all of it stays up for your kubectl, with
a kubeconfig at bin/demo.kubeconfig, until Ctrl-C.

Everything listens on loopback addresses only, and nothing is left behind: no
process, no file.

Usage:
  make demo [ARGS="flags"]         # builds what is missing first
  go run ./cmd/demo [flags]        # in the repository's root, once built

Examples:
  make demo
  make demo ARGS=--once            # ends by itself; status 0 if every step held
  make demo ARGS="--console-addr 127.0.0.1:0 --keep-logs"

Exit status:
  0  every step held (and, without --once, you ended it)
  1  a step did not hold, a program failed, or it was interrupted before the end
  2  the command line is wrong

Flags:
`

// parse reads the command line. What is wrong with it is written to stderr.
func parse(args []string, stdout, stderr io.Writer) (*config, error) {
	c := &config{}
	fs := flag.NewFlagSet("demo", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {}
	fs.BoolVar(&c.once, "once", false, "end after the last step instead of staying up")
	fs.StringVar(&c.consoleAddr, "console-addr", sampleConsoleAddr,
		"loopback `address` of the simulated console; port 0 takes a free one. Other than the default, it "+
			"replaces the samples' endpoint as they are applied")
	fs.BoolVar(&c.keepLogs, "keep-logs", false, "keep the logs of the three programs, and say where they are")
	fs.StringVar(&c.bin, "bin", "bin", "`directory` of the programs, and of demo.kubeconfig while the demo runs")
	fs.StringVar(&c.samples, "samples", filepath.Join("config", "samples"), "`directory` of the manifests to apply")
	fs.StringVar(&c.crds, "crds", filepath.Join("config", "crd", "bases"), "`directory` of the CustomResourceDefinitions")
	fs.DurationVar(&c.timeout, "timeout", time.Minute, "how long anything that is waited for may take")

	err := fs.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, usageHead)
		fs.SetOutput(stdout)
		fs.PrintDefaults()
		return nil, err
	}
	if err == nil {
		if err = c.check(fs.Args()); err != nil {
			fmt.Fprintln(stderr, "demo:", err)
		}
	}
	if err != nil {
		fmt.Fprintln(stderr, "See demo --help.")
		return nil, errUsage
	}
	return c, nil
}

func (c *config) check(rest []string) error {
	if len(rest) > 0 {
		return fmt.Errorf("unexpected argument %q: everything is given by flags", rest[0])
	}
	host, _, err := net.SplitHostPort(c.consoleAddr)
	if err != nil {
		return fmt.Errorf("--console-addr %q: write HOST:PORT, such as %s", c.consoleAddr, sampleConsoleAddr)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("--console-addr %q: the host must be a loopback address, such as 127.0.0.1", c.consoleAddr)
	}
	if c.timeout <= 0 {
		return fmt.Errorf("--timeout is %s, and must be positive", c.timeout)
	}
	return nil
}

// kubeconfig is where the kubeconfig is while the demo runs.
func (c *config) kubeconfig() string { return filepath.Join(c.bin, "demo.kubeconfig") }

// preflight says what is missing before anything is started.
func (c *config) preflight(ctx context.Context) error {
	var missing []string
	for _, name := range programs {
		if info, err := os.Stat(filepath.Join(c.bin, name)); err != nil || info.IsDir() {
			missing = append(missing, filepath.Join(c.bin, name))
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("not built yet: %s. In the repository's root, run make demo, or make %s; or say with --bin where they are",
			strings.Join(missing, ", "), strings.Join(programs, " "))
	}
	for _, dir := range []struct{ flag, path string }{{"--samples", c.samples}, {"--crds", c.crds}} {
		if info, err := os.Stat(dir.path); err != nil || !info.IsDir() {
			return fmt.Errorf("there is no directory %s: run the demo in the repository's root, or name the directory with %s", dir.path, dir.flag)
		}
	}
	if err := unused(ctx, c.kubeconfig()); err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.consoleAddr)
	if err != nil {
		return fmt.Errorf("the console cannot listen: %w. If another demo is running, stop it; "+
			"else take a free port with --console-addr 127.0.0.1:0 (make demo ARGS=\"--console-addr 127.0.0.1:0\")", err)
	}
	return listener.Close()
}
