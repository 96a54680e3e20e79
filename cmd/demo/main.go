// Command demo shows the operator at work on one machine: it starts a small
// Kubernetes API server, a simulated console and the operator, walks through
// what the operator does, checks each step in the console, and stays up for the
// reader's kubectl. See --help.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
)

func main() {
	// Children may be tied to the thread that starts them: the main one lasts.
	runtime.LockOSThread()
	c, err := parse(os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	// A second Ctrl-C ends the demo at once.
	context.AfterFunc(ctx, stop)
	if err := run(ctx, c); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// run starts everything, walks through the steps, and leaves nothing behind.
func run(ctx context.Context, c *config) (err error) {
	if err := c.preflight(ctx); err != nil {
		return err
	}
	samples, err := readManifests(c.samples)
	if err != nil {
		return err
	}
	logs, err := os.MkdirTemp("", "console-access-demo-")
	if err != nil {
		return fmt.Errorf("make a directory for the logs: %w", err)
	}
	say := newReporter(os.Stdout, os.Getenv)
	running, lost := context.WithCancelCause(ctx)
	programs := &fleet{bin: c.bin, logs: logs, lost: lost, grace: stopGrace}
	defer func() { err = errors.Join(err, cleanUp(c, programs, say)) }()

	w := &walk{config: c, say: say, programs: programs, samples: samples}
	err = w.steps(running)
	if err == nil {
		err = w.conclude(running)
	}
	if err == nil && !c.once {
		w.stay()
		<-running.Done()
	}
	switch {
	case interrupted(running) && err != nil:
		return errors.New("interrupted before the end")
	case running.Err() != nil && !interrupted(running):
		err = context.Cause(running)
	}
	if err != nil {
		w.showLogs()
	}
	return err
}

// cleanUp ends the programs and removes what they and the demo wrote.
func cleanUp(c *config, programs *fleet, say *reporter) error {
	say.clear()
	err := programs.stop()
	// The control plane removes it, unless it had to be killed.
	if removeErr := os.Remove(c.kubeconfig()); removeErr != nil && !errors.Is(removeErr, os.ErrNotExist) {
		err = errors.Join(err, fmt.Errorf("remove the kubeconfig: %w", removeErr))
	}
	if c.keepLogs {
		say.line("The logs are in %s.", programs.logs)
		return err
	}
	if removeErr := os.RemoveAll(programs.logs); removeErr != nil {
		err = errors.Join(err, fmt.Errorf("remove the logs: %w", removeErr))
	}
	return err
}

// stay tells the reader what can be done while everything is up.
func (w *walk) stay() {
	kubeconfig, err := filepath.Abs(w.config.kubeconfig())
	if err != nil {
		kubeconfig = w.config.kubeconfig()
	}
	apply := "kubectl apply -f " + w.config.samples
	if w.redirected {
		apply = "# not kubectl apply -f " + w.config.samples + ", which names another console than " + w.console.url
	}
	w.say.line(`
Everything stays up until Ctrl-C. The samples are in place again. In a second terminal:

  export KUBECONFIG=%[1]q
  kubectl get console-access -A -o wide
  %[3]s
  kubectl describe team growth
  kubectl patch userrole alan --type merge -p '{"spec":{"role":"Analyst"}}'
  kubectl get events --sort-by=.metadata.creationTimestamp

The console, and a change made in it by hand, which is undone within half a minute:

  curl -s %[2]s/_sim/state
  curl -s -X PUT %[2]s/_sim/users/edsger@example.com -d '{"role":"Admin"}'
  curl -s %[2]s/_sim/requests
`, kubeconfig, w.console.url, apply)
}

// showLogs prints the ends of the programs' logs.
func (w *walk) showLogs() {
	for _, p := range w.programs.processes {
		w.say.line("\n--- the last lines of %s ---", p.name)
		for _, line := range p.tail() {
			w.say.line("%s", line)
		}
	}
}
