package command

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"
)

// outputs are the formats of what is not a manifest.
var outputs = []string{"table", "json", "yaml"}

// outputFlag adds -o.
func outputFlag(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", "table", "format: "+strings.Join(outputs, ", "))
	complete(cmd, "output", outputs...)
}

func checkOutput(output string) error {
	if !slices.Contains(outputs, output) {
		return fmt.Errorf("--output is %q: give one of %s", output, strings.Join(outputs, ", "))
	}
	return nil
}

// encode writes a value in a format other than table.
func (a *app) encode(output string, value any) error {
	encode := func(value any) ([]byte, error) {
		text, err := json.MarshalIndent(value, "", "  ")
		return append(text, '\n'), err
	}
	if output == "yaml" {
		encode = yaml.Marshal
	}
	text, err := encode(value)
	if err == nil {
		_, err = a.Out.Write(text)
	}
	if err != nil {
		return fmt.Errorf("write the output: %w", err)
	}
	return nil
}

// complete has the shell complete a flag from a few values.
func complete(cmd *cobra.Command, flag string, values ...string) {
	err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err) // there is no such flag: a mistake of this package
	}
}
