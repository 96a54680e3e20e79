package gitops

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/console-access/console-access-operator/internal/controller/condition"
)

// A verdict is a reason, and who has to do something next, as the operator gives
// them together in some place.
type verdict struct {
	reason string
	state  condition.State
}

// constructors are the functions of package condition that take a reason.
var constructors = map[string]condition.State{"Stuck": condition.Stalled, "Waiting": condition.Working}

// states are the names of the states in the operator's sources.
var states = map[string]condition.State{
	"Working": condition.Working, "Ready": condition.Ready, "Stalled": condition.Stalled, "Paused": condition.Paused,
}

// sources parses the operator's sources below a directory, without tests.
func sources(t *testing.T, dir string) []*ast.File {
	t.Helper()
	var files []*ast.File
	err := filepath.WalkDir(filepath.Join(root, dir), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		files = append(files, file)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// documentedReasons are the constants of condition reasons, with their values.
func documentedReasons(t *testing.T) map[string]string {
	t.Helper()
	values := map[string]string{}
	for _, file := range sources(t, "api/v1alpha1") {
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			for i, name := range spec.Names {
				if !strings.HasPrefix(name.Name, "Reason") || i >= len(spec.Values) {
					continue
				}
				if literal, ok := spec.Values[i].(*ast.BasicLit); ok {
					values[name.Name], _ = strconv.Unquote(literal.Value)
				}
			}
			return true
		})
	}
	if len(values) == 0 {
		t.Fatal("no condition reasons are documented beside the types")
	}
	return values
}

// given finds every verdict that the operator's sources give.
func given(t *testing.T) map[verdict]bool {
	t.Helper()
	values := documentedReasons(t)
	found := map[verdict]bool{}
	for _, file := range sources(t, "internal/controller") {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if state, ok := constructors[last(n.Fun)]; ok && len(n.Args) > 0 {
					if reason, ok := values[last(n.Args[0])]; ok {
						found[verdict{reason, state}] = true
					}
				}
			case *ast.CompositeLit:
				fields := map[string]string{}
				for _, element := range n.Elts {
					if pair, ok := element.(*ast.KeyValueExpr); ok {
						fields[last(pair.Key)] = last(pair.Value)
					}
				}
				state, named := states[fields["State"]]
				if reason, ok := values[fields["Reason"]]; ok && named {
					found[verdict{reason, state}] = true
				}
			}
			return true
		})
	}
	return found
}

// last is the last identifier of a name, without its package.
func last(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}
