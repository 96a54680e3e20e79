// Package layout proves which package may import which, and that the operator
// stays small: what goes wrong here is easy to do and hard to undo. The same
// rules stand in .golangci.yml for editors.
package layout

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/console-access/console-access-operator/"

// maxPackages is how many packages the manager may be linked of, the standard
// library's included.
const maxPackages = 1000

// mayImport holds, for each package or tree of packages (ending in "/...") of
// the module, what it may import besides the standard library. An entry ending
// in "/..." means a package and all below it. What stands below cmd and test may
// import anything, but is named here so that nothing is forgotten.
var mayImport = map[string][]string{
	"api/v1alpha1":             {"k8s.io/apimachinery/..."},
	"config/crd":               {},
	"internal/quota":           {},
	"internal/console":         {module + "internal/quota"},
	"internal/console/statsig": {module + "internal/console", module + "internal/quota"},
	"internal/consolesim":      {},
	"internal/metrics":         {module + "internal/quota", "github.com/prometheus/client_golang/..."},
	"internal/metricsauth": {
		"github.com/go-logr/logr", "k8s.io/api/...", "k8s.io/apimachinery/...", "k8s.io/client-go/...",
		"sigs.k8s.io/controller-runtime/pkg/metrics/server",
	},
	"internal/controller/...": {
		module + "api/v1alpha1", module + "internal/console", module + "internal/controller/...",
		module + "internal/metrics", module + "internal/quota",
		"github.com/go-logr/logr", "github.com/prometheus/client_golang/...", "k8s.io/api/...",
		"k8s.io/apimachinery/...", "k8s.io/client-go/...", "sigs.k8s.io/controller-runtime/...",
	},
	"internal/plugin/naming": {},
	// It judges manifests by the API server's own code for custom resources.
	"internal/plugin/validate": {
		module + "config/crd", "k8s.io/apiextensions-apiserver/...", "k8s.io/apimachinery/...", "k8s.io/apiserver/pkg/apis/cel",
		"k8s.io/apiserver/pkg/cel/...", "sigs.k8s.io/yaml",
	},
	"internal/plugin/terminal": {},
	"internal/plugin/...": {
		module + "api/v1alpha1", module + "internal/console", module + "internal/console/statsig",
		module + "internal/controller/...", module + "internal/plugin/...", module + "internal/quota",
		"github.com/go-logr/logr", "github.com/spf13/cobra", "golang.org/x/sync/errgroup", "k8s.io/api/...",
		"k8s.io/apimachinery/...", "k8s.io/client-go/...", "sigs.k8s.io/controller-runtime",
		"sigs.k8s.io/controller-runtime/pkg/client/...", "sigs.k8s.io/yaml",
	},
	"cmd/consolesim":             {module + "internal/consolesim"},
	"cmd/kubectl-console_access": {module + "internal/plugin/..."},
	"cmd/...":                    {"..."},
	// It shares no code with the operator whose work it audits.
	"test/chaos/audit": {
		module + "api/v1alpha1", module + "internal/consolesim",
	},
	"test/...": {"..."},
}

// apiServer are packages that belong to hack/controlplane alone: nothing else may
// link an API server. Types and clients are fine.
var apiServer = []string{
	"k8s.io/apiserver/pkg/registry/...",
	"k8s.io/apiserver/pkg/server/...",
	"k8s.io/apiserver/pkg/storage/...",
	"k8s.io/apiextensions-apiserver/pkg/apiserver",
	"k8s.io/apiextensions-apiserver/pkg/registry/...",
	"go.etcd.io/...",
}

// schemas are packages that the plugin links to judge manifests, and the operator
// must not: they would double it.
var schemas = []string{
	"k8s.io/apiserver/...",
	"k8s.io/apiextensions-apiserver/pkg/apiserver/...",
	"github.com/google/cel-go/...",
}

type pkg struct {
	ImportPath string
	Name       string
	Imports    []string
}

// goList runs go list at the root of the module.
func goList(t *testing.T, args ...string) []byte {
	t.Helper()
	watchSources(t)
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...)
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			t.Fatalf("go list %q: %v\n%s", args, err, exit.Stderr)
		}
		t.Fatalf("go list %q: %v", args, err)
	}
	return out
}

// watchSources looks at every directory of sources, so that go test does not
// take a result from its cache after they have changed: it cannot see what go
// list reads.
func watchSources(t *testing.T) {
	t.Helper()
	for _, tree := range []string{"api", "config", "internal", "cmd", "test"} {
		err := filepath.WalkDir(filepath.Join("../..", tree), func(_ string, _ fs.DirEntry, err error) error { return err })
		if err != nil {
			t.Fatal(err)
		}
	}
}

func ownPackages(t *testing.T) []pkg {
	t.Helper()
	var all []pkg
	decoder := json.NewDecoder(bytes.NewReader(goList(t, "-json=ImportPath,Name,Imports", "./...")))
	for {
		var p pkg
		switch err := decoder.Decode(&p); {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// matches reports whether a package is meant by a pattern of this file.
func matches(pattern, importPath string) bool {
	tree, ok := strings.CutSuffix(pattern, "...")
	if !ok {
		return pattern == importPath
	}
	return tree == "" || importPath+"/" == tree || strings.HasPrefix(importPath, tree)
}

func standard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}

// ruleFor returns what a package may import; the longest pattern decides.
func ruleFor(importPath string) (allowed []string, ok bool) {
	best := -1
	for pattern, list := range mayImport {
		if matches(pattern, strings.TrimPrefix(importPath, module)) && len(pattern) > best {
			best, allowed = len(pattern), list
		}
	}
	return allowed, best >= 0
}

func TestImportDirections(t *testing.T) {
	used := map[string]bool{}
	for _, p := range ownPackages(t) {
		for pattern := range mayImport {
			used[pattern] = used[pattern] || matches(pattern, strings.TrimPrefix(p.ImportPath, module))
		}
		allowed, ok := ruleFor(p.ImportPath)
		if !ok {
			t.Errorf("%s: say in this test what it may import", p.ImportPath)
			continue
		}
		for _, imported := range p.Imports {
			ok := slices.ContainsFunc(allowed, func(pattern string) bool { return matches(pattern, imported) })
			if !ok && !standard(imported) {
				t.Errorf("%s must not import %s", p.ImportPath, imported)
			}
		}
	}
	for pattern, found := range used {
		if !found {
			t.Errorf("there is no package %s any more; remove it from this test", pattern)
		}
	}
}

func TestPackageNames(t *testing.T) {
	for _, p := range ownPackages(t) {
		for _, name := range []string{p.Name, path.Base(p.ImportPath)} {
			if slices.Contains([]string{"util", "utils", "common", "shared", "helpers", "misc"}, name) {
				t.Errorf("%s: name it after what it does", p.ImportPath)
			}
		}
	}
}

func TestManagerStaysSmall(t *testing.T) {
	deps := lines(goList(t, "-deps", "./cmd"))
	t.Logf("the manager is linked of %d packages", len(deps))
	if len(deps) >= maxPackages {
		t.Errorf("the manager is linked of %d packages; less than %d are allowed", len(deps), maxPackages)
	}
	reject(t, deps, schemas)
	reject(t, deps, apiServer)
}

func TestNothingLinksAnAPIServer(t *testing.T) {
	reject(t, lines(goList(t, "-deps", "-test", "./...")), apiServer)
}

// reject fails the test if a dependency matches a pattern.
func reject(t *testing.T, deps, patterns []string) {
	t.Helper()
	if !slices.Contains(deps, module+"api/v1alpha1") {
		t.Fatalf("these are not the operator's packages: %.200q", deps)
	}
	for _, dep := range deps {
		for _, pattern := range patterns {
			if matches(pattern, dep) {
				t.Errorf("%s is linked; find out by what with: go mod why %[1]s", dep)
			}
		}
	}
}

func lines(out []byte) []string {
	var all []string
	for s := bufio.NewScanner(bytes.NewReader(out)); s.Scan(); {
		all = append(all, s.Text())
	}
	return all
}
