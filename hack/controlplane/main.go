// Command controlplane is a small Kubernetes API server with etcd inside, for
// the demo and the integration tests on a machine that has only Go and make.
//
// It serves custom resources as Kubernetes does, by the same code
// (k8s.io/apiextensions-apiserver): schemas, defaulting, CEL rules,
// subresources, server-side apply, watches. Of the built-in kinds it serves
// namespaces, secrets, configmaps, events, leases, token reviews and subject
// access reviews, over the generic registry of k8s.io/apiserver with own,
// smaller validation.
//
// What a cluster has and this has not: nodes, pods and every other built-in
// kind; RBAC (the one token may do everything, anybody else nothing); service
// accounts; garbage collection, so owner references do nothing and a deletion
// with foreground propagation never ends; admission webhooks and policies;
// API priority and fairness; durability against power failures.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/spf13/pflag"
	"k8s.io/klog/v2"
)

const usage = `controlplane is a small Kubernetes API server with etcd inside, for demos and tests.

It serves custom resources as Kubernetes does, and of the built-in kinds
namespaces, secrets, configmaps, events, leases, token reviews and subject
access reviews. It listens on a loopback address only. When it is ready, with
all custom resources served, it writes the kubeconfig and prints one line:

  controlplane: serving https://127.0.0.1:PORT, kubeconfig PATH

SIGINT or SIGTERM ends it; it then removes its files.

Example:
  controlplane --crds config/crd/bases --kubeconfig demo.kubeconfig &
  kubectl --kubeconfig demo.kubeconfig get namespaces

Flags:
`

func main() {
	o, err := parseFlags(os.Args[1:])
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintf(os.Stderr, "controlplane: %v\nRun controlplane --help for the flags.\n", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if o.exitOnStdinEOF {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin) // whatever ends it, the parent is gone
			cancel()
		}()
	}
	quiet := setUpLogging(o.verbosity)
	context.AfterFunc(ctx, quiet)
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "controlplane: %v\n", err)
		os.Exit(1)
	}
}

func parseFlags(args []string) (options, error) {
	var o options
	flags := pflag.NewFlagSet("controlplane", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "`file` to write the kubeconfig to once everything is served, mode 0600; removed at exit (default a temporary file)")
	flags.StringVar(&o.crds, "crds", "", "`directory` of YAML files whose CustomResourceDefinitions are installed; other documents are passed over")
	flags.StringVar(&o.bindAddress, "bind-address", "127.0.0.1", "loopback IP `address` to listen on")
	flags.IntVar(&o.port, "port", 0, "`port` to listen on; 0 takes a free one")
	flags.StringVar(&o.dataDir, "data-dir", "", "`directory` for etcd's data, kept at exit for the next start (default a temporary one, removed at exit)")
	flags.StringVar(&o.token, "token", "", "bearer `token` of the user admin, who may do everything (default a random one)")
	flags.BoolVar(&o.exitOnStdinEOF, "exit-on-stdin-eof", false, "exit when standard input ends too: "+
		"a parent that holds the other end of a pipe takes the server with it, however it dies")
	flags.IntVarP(&o.verbosity, "verbosity", "v", 0, "log `level`: 0 logs errors only, 1 to 10 ever more, all to standard error")
	flags.Usage = func() { fmt.Fprint(os.Stdout, usage+flags.FlagUsages()) }
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q: all settings are flags", flags.Arg(0))
	}
	return o, nil
}

// setUpLogging sends errors, and with a verbosity everything else, to standard
// error. The function it returns ends that for errors, for a stopping server
// complains about every connection it loses.
func setUpLogging(verbosity int) (quiet func()) {
	flags := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(flags)
	set := func(name, value string) {
		if err := flags.Set(name, value); err != nil {
			panic(err) // the flag is klog's own
		}
	}
	if verbosity > 0 {
		set("v", strconv.Itoa(verbosity))
		return func() {}
	}
	set("logtostderr", "false")
	set("stderrthreshold", "ERROR")
	klog.SetOutput(io.Discard)
	return func() { set("stderrthreshold", "FATAL") }
}
