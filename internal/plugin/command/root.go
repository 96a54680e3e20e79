// Package command is the command line of the kubectl plugin.
package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/console-access/console-access-operator/internal/plugin/cluster"
	"github.com/console-access/console-access-operator/internal/plugin/terminal"
)

// Exit codes. That of a plan with changes is a contract with scripts.
const (
	exitOK      = 0
	exitError   = 1
	exitChanges = 2
)

// An exit ends the program with a code when all has been said.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// An app is what all commands share.
type app struct {
	terminal.Streams
	version string
	cluster cluster.Flags
}

// Run runs the command line and returns the code to exit with.
func Run(ctx context.Context, args []string, streams terminal.Streams, version string) int {
	// Nothing of the libraries' own logs is for the plugin's user.
	ctrl.SetLogger(logr.Discard())
	a := &app{Streams: streams, version: version}
	root := a.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if code, silent := errors.AsType[exit](err); silent {
		return int(code)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = errors.New("interrupted")
		}
		fmt.Fprintln(streams.Err, streams.Painter(streams.Err).In(terminal.Red, "error:"), err)
		return exitError
	}
	return exitOK
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "kubectl-console_access",
		Short: "Work with the console-access operator and the consoles behind it",
		Long: `kubectl console-access works with the console-access operator and the product
consoles behind it: take over a project that was kept by clicks, see what a change
of manifests would do, and follow what the operator does.`,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl console-access"},
		Version:       a.version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	// Before the commands are made: some take note of where to write.
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.SetVersionTemplate("kubectl-console_access {{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())
	})
	flags := root.PersistentFlags()
	flags.StringVar(&a.cluster.Kubeconfig, "kubeconfig", "", "`path` of the kubeconfig")
	flags.StringVar(&a.cluster.Context, "context", "", "`name` of the kubeconfig's context to use")
	flags.StringVarP(&a.cluster.Namespace, "namespace", "n", "", "the `namespace` of the objects")
	root.AddCommand(a.exportCommand(), a.planCommand(), a.statusCommand(), a.syncCommand(), a.suspendCommand(), a.resumeCommand())
	a.completions(root)
	return root
}

// operands returns a check that refuses arguments, and says what to give instead.
func noOperands(instead string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return fmt.Errorf("unexpected argument %q: %s; see %s --help", args[0], instead, cmd.CommandPath())
		}
		return nil
	}
}
