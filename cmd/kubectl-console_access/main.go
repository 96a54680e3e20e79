// Command kubectl-console_access is the kubectl plugin `kubectl console-access`.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/console-access/console-access-operator/internal/plugin/command"
	"github.com/console-access/console-access-operator/internal/plugin/terminal"
)

// version is set at link time; see buildVersion.
var version string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second Ctrl-C ends the program at once.
	context.AfterFunc(ctx, stop)
	streams := terminal.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv}
	os.Exit(command.Run(ctx, os.Args[1:], streams, buildVersion()))
}

// buildVersion is the version set at link time, else the module's, else "dev".
func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}
