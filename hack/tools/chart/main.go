// Command chart writes what the Helm chart has in common with config/, and what
// follows from its values.schema.json: templates of the CustomResourceDefinitions
// and roles, the alerts and the dashboard, values.yaml, and the table of values
// in its README.
package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

func main() {
	config := flag.String("config", "config", "the `directory` of the kustomize bases")
	chart := flag.String("chart", "charts/console-access-operator", "the `directory` of the chart")
	out := flag.String("out", "", "the `directory` to write to; default: that of the chart")
	flag.Parse()
	if *out == "" {
		*out = *chart
	}
	if err := run(*config, *chart, *out); err != nil {
		fmt.Fprintf(os.Stderr, "chart: %v\n", err)
		os.Exit(1)
	}
}

func run(config, chart, out string) error {
	files := map[string]string{}
	for _, generate := range []func() error{
		func() error { return definitions(filepath.Join(config, "crd", "bases"), files) },
		func() error { return roles(filepath.Join(config, "rbac"), files) },
		func() error { return alerts(filepath.Join(config, "prometheus", "rules.yaml"), files) },
		func() error { return dashboards(filepath.Join(config, "grafana"), files) },
		func() error { return values(chart, files) },
	} {
		if err := generate(); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(out, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("make a directory for %s: %w", name, err)
		}
		if err := os.WriteFile(path, []byte(files[name]), 0o644); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}

// readAll reads the files that match a pattern, of which there must be some.
func readAll(pattern string) (map[string]string, error) {
	paths, err := filepath.Glob(pattern)
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("there are no files %s", pattern)
	}
	texts := map[string]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		texts[filepath.Base(path)] = string(text)
	}
	return texts, nil
}
