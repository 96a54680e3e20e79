package layout

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// submatches returns the first group of each match.
func submatches(pattern, text string) []string {
	var found []string
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		found = append(found, match[1])
	}
	return found
}

// TestStepsOfCI: the workflow of the public forge has the steps of .ci/run, which
// run every suite that has a target.
func TestStepsOfCI(t *testing.T) {
	script := read(t, ".ci/run")
	_, script, _ = strings.Cut(script, "\nsteps='\n")
	script, _, _ = strings.Cut(script, "\n'\n")
	steps := submatches(`(?m)^(\S+) +make \S`, script)
	_, matrix, _ := strings.Cut(read(t, ".github/workflows/ci.yml"), "\n        step:\n")
	matrix, _, _ = strings.Cut(matrix, "\n    steps:\n")
	if jobs := submatches(`(?m)^ +- (\S+)$`, matrix); len(steps) == 0 || !slices.Equal(steps, jobs) {
		t.Errorf(".ci/run has the steps %q, .github/workflows/ci.yml has %q", steps, jobs)
	}
	run := submatches(`(?m)^\S+ +make (\S+)`, script)
	// They need a cluster, most of an hour, or measure time.
	others := []string{"test-kube", "test-cluster", "test-crash", "test-fairness"}
	for _, target := range submatches(`(?m)^(test-[a-z]+):.*##`, read(t, "Makefile")) {
		if !slices.Contains(run, target) && !slices.Contains(others, target) {
			t.Errorf("add make %s to .ci/run, or say in this test why it is not there", target)
		}
	}
}

// TestMakeTargets: what documentation, CI and workflows call is there, and make
// help begins with the targets of every day.
func TestMakeTargets(t *testing.T) {
	makefile := read(t, "Makefile")
	targets := submatches(`(?m)^([a-z-]+):`, makefile)
	files := []string{"README.md", "CONTRIBUTING.md", ".ci/run"}
	for _, pattern := range []string{"docs/*.md", ".github/workflows/*.yml"} {
		matches, err := filepath.Glob(filepath.Join("../..", pattern))
		if err != nil || len(matches) == 0 {
			t.Fatalf("no file is %s: %v", pattern, err)
		}
		for _, match := range matches {
			files = append(files, strings.TrimPrefix(filepath.ToSlash(match), "../../"))
		}
	}
	for _, file := range files {
		for _, called := range calledTargets(file, read(t, file)) {
			if !slices.Contains(targets, called) {
				t.Errorf("%s calls make %s, which is no target", file, called)
			}
		}
	}
	sections := strings.Split(makefile, "\n##@ ")[1:]
	for i, want := range []string{"Daily", "Suites and campaigns", "Releases"} {
		if name, _, _ := strings.Cut(sections[i], "\n"); name != want {
			t.Errorf("section %d of make help is %q, want %q", i+1, name, want)
		}
	}
	if daily := submatches(`(?m)^([a-z-]+):.*##`, sections[0]); len(daily) > 12 {
		t.Errorf("%d targets are called daily, want no more than a dozen: %q", len(daily), daily)
	}
}

// calledTargets returns the targets that a file calls: in code, if it is prose.
func calledTargets(file, text string) []string {
	const targets = `make ((?:[a-z][a-z-]* ?)+)`
	var calls []string
	if strings.HasSuffix(file, ".md") {
		calls = submatches("`"+targets, text)
		text = strings.Join(submatches("(?s)\n```\\w*(\n.*?\n)```", text), "")
	}
	calls = append(calls, submatches(`(?m)(?:^|&& |run: |^\S+ +)`+targets, text)...)
	return strings.Fields(strings.Join(calls, " "))
}
