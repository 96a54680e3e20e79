package command

import (
	"fmt"

	"github.com/spf13/cobra"
)

// kubectlScript is what kubectl runs, under the name
// kubectl_complete-console_access, to complete the plugin's arguments; see
// kubectl completion --help.
const kubectlScript = `#!/bin/sh
exec kubectl console-access __complete "$@"
`

// completions adds the commands for shell completion: cobra's own, and the
// script by which kubectl completes its plugins.
func (a *app) completions(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "completion" {
			cmd.AddCommand(&cobra.Command{
				Use:   "kubectl",
				Short: "Print the script by which kubectl completes the plugin's arguments",
				Long: `kubectl completes the arguments of a plugin by a script of this name beside it:

  kubectl console-access completion kubectl > kubectl_complete-console_access
  chmod +x kubectl_complete-console_access

Put it into a directory of $PATH. kubectl's own completion must be set up, too: see
kubectl completion --help.`,
				Args: noOperands("there is nothing to name"),
				RunE: func(*cobra.Command, []string) error {
					_, err := fmt.Fprint(a.Out, kubectlScript)
					return err
				},
			})
		}
	}
}
