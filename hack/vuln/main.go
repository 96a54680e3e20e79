// Command vuln runs govulncheck over modules and judges what it finds. It fails
// when a module's code calls a vulnerable function of another module: a newer
// version of that one mends it. Vulnerabilities of the Go standard library are
// reported, too, but fail nothing, because no change of the tree mends them.
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
)

// standardLibrary is the module that govulncheck files the standard library
// under.
const standardLibrary = "stdlib"

var errVulnerable = errors.New("there are vulnerable modules: upgrade them as said above")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	scanner := flag.String("govulncheck", "govulncheck", "`path` of govulncheck")
	database := flag.String("db", "", "`URL` of the vulnerability database (default govulncheck's own)")
	flag.Parse()
	if err := run(ctx, *scanner, *database, flag.Args(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "vuln:", err)
		os.Exit(1)
	}
}

// run scans the modules in some directories.
func run(ctx context.Context, scanner, database string, dirs []string, out io.Writer) error {
	if len(dirs) == 0 {
		return errors.New("name the directories of modules")
	}
	toolchain, vulnerable := map[string]finding{}, false
	for _, dir := range dirs {
		found, err := scan(ctx, scanner, database, dir)
		if err != nil {
			return err
		}
		mine := called(found)
		for id, f := range mine {
			if f.module == standardLibrary {
				toolchain[id] = f
				delete(mine, id)
			}
		}
		report(out, dir, mine)
		vulnerable = vulnerable || len(mine) > 0
	}
	reportToolchain(out, toolchain)
	if vulnerable {
		return errVulnerable
	}
	return nil
}

// scan returns what govulncheck writes of a module.
func scan(ctx context.Context, scanner, database, dir string) ([]message, error) {
	args := []string{"-C", dir, "-format", "json"}
	if database != "" {
		args = append(args, "-db", database)
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, scanner, append(args, "./...")...)
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("scan %s: %w\n%s", dir, err, stderr.Bytes())
	}
	return decode(text)
}

// A message is a part of govulncheck's output; the parts that are not needed
// here are left out. See golang.org/x/vuln/internal/govulncheck.
type message struct {
	Config *struct {
		GoVersion string `json:"go_version"`
	}
	OSV *struct {
		ID      string
		Summary string
	}
	Finding *struct {
		OSV          string
		FixedVersion string `json:"fixed_version"`
		// Trace goes from the vulnerable function to the module's own code.
		Trace []frame
	}
}

type frame struct {
	Module   string
	Version  string
	Function string
	Position *struct {
		Filename string
		Line     int
	}
}

func decode(text []byte) ([]message, error) {
	var all []message
	for decoder := json.NewDecoder(bytes.NewReader(text)); ; {
		var m message
		switch err := decoder.Decode(&m); {
		case errors.Is(err, io.EOF):
			if len(all) == 0 || all[0].Config == nil {
				return nil, errors.New("govulncheck wrote no configuration, so it did not scan anything")
			}
			return all, nil
		case err != nil:
			return nil, fmt.Errorf("read what govulncheck wrote: %w", err)
		}
		all = append(all, m)
	}
}

// A finding is a vulnerable function that is called.
type finding struct {
	id, summary, module, version, fixed, from string
}

// called returns the findings by vulnerability and module: one for each of which
// a function is called.
func called(messages []message) map[string]finding {
	summaries, found := map[string]string{}, map[string]finding{}
	for _, m := range messages {
		if m.OSV != nil {
			summaries[m.OSV.ID] = m.OSV.Summary
		}
	}
	for _, m := range messages {
		if m.Finding == nil || len(m.Finding.Trace) == 0 || m.Finding.Trace[0].Function == "" {
			continue // it is required or imported, but not called
		}
		callee, caller := m.Finding.Trace[0], m.Finding.Trace[len(m.Finding.Trace)-1]
		f := finding{
			id: m.Finding.OSV, summary: summaries[m.Finding.OSV], module: callee.Module, version: callee.Version, fixed: m.Finding.FixedVersion,
		}
		if caller.Position != nil {
			f.from = fmt.Sprintf("%s:%d", caller.Position.Filename, caller.Position.Line)
		}
		key := f.id + " " + f.module
		if have, ok := found[key]; !ok || f.from < have.from {
			found[key] = f
		}
	}
	return found
}

func report(out io.Writer, dir string, found map[string]finding) {
	if len(found) == 0 {
		fmt.Fprintf(out, "%s: no vulnerable function of a module is called.\n", dir)
	}
	for _, key := range slices.Sorted(maps.Keys(found)) {
		f := found[key]
		fmt.Fprintf(out, "%s: %s in %s %s: %s\n  called from %s\n", dir, f.id, f.module, f.version, f.summary, cmp.Or(f.from, "an unknown place"))
		if f.fixed == "" {
			fmt.Fprintf(out, "  no version mends it: call something else\n")
			continue
		}
		fmt.Fprintf(out, "  upgrade: go -C %s get %s@%s\n", dir, f.module, f.fixed)
	}
}

// reportToolchain reports what only another Go mends.
func reportToolchain(out io.Writer, found map[string]finding) {
	if len(found) == 0 {
		return
	}
	var ids []string
	newest := ""
	for _, f := range found {
		ids = append(ids, f.id)
		if less(newest, f.fixed) {
			newest = f.fixed
		}
	}
	slices.Sort(ids)
	fmt.Fprintf(out, "Warning: the standard library of this Go has %d vulnerabilities whose functions are called. Release with Go %s or later: %s\n",
		len(ids), cmp.Or(strings.TrimPrefix(newest, "v"), "that has no version yet"), strings.Join(ids, ", "))
}

// less reports whether a version such as v1.26.9 is older than another.
func less(a, b string) bool {
	var x, y [3]int
	// What cannot be read counts as 0.
	_, _ = fmt.Sscanf(a, "v%d.%d.%d", &x[0], &x[1], &x[2])
	_, _ = fmt.Sscanf(b, "v%d.%d.%d", &y[0], &y[1], &y[2])
	return slices.Compare(x[:], y[:]) < 0
}
