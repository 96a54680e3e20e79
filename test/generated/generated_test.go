// Package generated proves that what is generated is up to date: deep copies,
// CRDs, the manager's roles, the tables of fields in docs/, and what the Helm
// chart has in common with config/.
package generated

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

const (
	root   = "../.."
	charts = "charts/console-access-operator"
)

// sources are the directories that something is generated from.
var sources = []string{"api", "internal/controller", "hack/tools", "config", "docs", "charts"}

// watchSources looks at every directory of sources, so that go test does not
// take a result from its cache after they have changed: it cannot see what the
// generators read.
func watchSources(t *testing.T) {
	t.Helper()
	for _, tree := range sources {
		err := filepath.WalkDir(filepath.Join(root, tree), func(_ string, _ fs.DirEntry, err error) error { return err })
		if err != nil {
			t.Fatal(err)
		}
	}
}

// run runs a program in a directory.
func run(t *testing.T, dir, program string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
}

// build builds the generators as hack/tools/go.mod names them.
func build(t *testing.T) (controllerGen, apidocs, chart string) {
	t.Helper()
	dir := t.TempDir()
	run(t, filepath.Join(root, "hack/tools"), "go", "build", "-trimpath", "-o", dir+string(filepath.Separator),
		"sigs.k8s.io/controller-tools/cmd/controller-gen", "./apidocs", "./chart")
	suffix := ""
	if runtime.GOOS == "windows" {
		suffix = ".exe"
	}
	return filepath.Join(dir, "controller-gen"+suffix), filepath.Join(dir, "apidocs"+suffix), filepath.Join(dir, "chart"+suffix)
}

func TestGeneratedFilesAreCurrent(t *testing.T) {
	watchSources(t)
	controllerGen, apidocs, chart := build(t)
	out := t.TempDir()
	in := func(name string) string { return filepath.Join(out, name) }
	for _, name := range []string{"api", "crd", "rbac", "docs"} {
		if err := os.Mkdir(in(name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run(t, root, controllerGen, "object", "crd", "rbac:roleName=manager-role",
		"paths=./api/...", "paths=./internal/controller/...",
		"output:object:dir="+in("api"), "output:crd:artifacts:config="+in("crd"), "output:rbac:artifacts:config="+in("rbac"))
	run(t, root, apidocs, "-crds", in("crd"), "-docs", "docs", "-out", in("docs"))
	run(t, root, chart, "-chart", charts, "-out", in("chart"))

	tests := []struct {
		name      string
		generated string
		// committed are the files that must be the generated ones, no more
		// and no less.
		committed string
		remedy    string
	}{
		{"deep copies", in("api"), "api/v1alpha1/zz_generated.*.go", "make generate"},
		{"CRDs", in("crd"), "config/crd/bases/*", "make manifests"},
		{"the manager's roles", in("rbac"), "config/rbac/role.yaml", "make manifests"},
		{"tables of fields", in("docs"), "docs/consoleconnection.md docs/team.md docs/userrole.md", "make api-docs"},
		{"the chart's CRDs", in("chart/templates/crds"), charts + "/templates/crds/*", "make chart"},
		{"the chart's roles", in("chart/templates/rbac"), charts + "/templates/rbac/*", "make chart"},
		{"the chart's alerts and dashboard", in("chart/files"), charts + "/files/*", "make chart"},
		{"the chart's values", in("chart"), charts + "/values.yaml " + charts + "/README.md", "make chart"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			compare(t, tt.generated, tt.committed, tt.remedy)
		})
	}
}

// compare reports files that differ, are missing or are left over.
func compare(t *testing.T, generated, committed, remedy string) {
	t.Helper()
	want := contents(t, filepath.Join(generated, "*"))
	if len(want) == 0 {
		t.Fatal("nothing was generated")
	}
	got := map[string][]byte{}
	for _, pattern := range bytes.Fields([]byte(committed)) {
		for name, text := range contents(t, filepath.Join(root, string(pattern))) {
			got[name] = text
		}
	}
	for name, text := range want {
		if have, ok := got[name]; !ok {
			t.Errorf("%s is missing; run %s", name, remedy)
		} else if !bytes.Equal(have, text) {
			t.Errorf("%s is stale; run %s", name, remedy)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is no longer generated; delete it", name)
		}
	}
}

// contents reads the files, not the directories, that match a pattern.
func contents(t *testing.T, pattern string) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for _, file := range files {
		if info, err := os.Stat(file); err == nil && info.IsDir() {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(file)] = text
	}
	return all
}
