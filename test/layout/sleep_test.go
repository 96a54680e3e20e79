package layout

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// TestSleepsAreVirtual: a test sleeps in a testing/synctest bubble alone, where
// that takes no time. A helper may sleep when the tests of its package use
// bubbles. .golangci.yml relies on it.
func TestSleepsAreVirtual(t *testing.T) {
	packages, sleeping := map[string][]*ast.File{}, 0
	files := token.NewFileSet()
	for _, tree := range []string{"api", "internal", "cmd", "test", "hack"} {
		err := filepath.WalkDir(filepath.Join("../..", tree), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
			packages[filepath.Dir(path)] = append(packages[filepath.Dir(path)], file)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, tests := range packages {
		bubbles := bubbleStarters(tests)
		for _, file := range tests {
			for _, call := range sleepsOutside(file, bubbles) {
				t.Errorf("%s sleeps in real time: wait for what happens, or use testing/synctest", files.Position(call.Pos()))
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if calls(n, "time", "Sleep") {
					sleeping++
				}
				return true
			})
		}
	}
	if sleeping == 0 {
		t.Error("no test sleeps, so that nothing was checked")
	}
}

// bubbleStarters returns the names of a package's functions that start a bubble.
func bubbleStarters(tests []*ast.File) map[string]bool {
	starters := map[string]bool{}
	for _, file := range tests {
		for _, decl := range file.Decls {
			ast.Inspect(decl, func(n ast.Node) bool {
				if f, ok := decl.(*ast.FuncDecl); ok && calls(n, "synctest", "Test") {
					starters[f.Name.Name] = true
				}
				return true
			})
		}
	}
	return starters
}

// sleepsOutside returns the calls of time.Sleep that stand in a test, benchmark
// or fuzz target, but in no function that it passes to one that starts a bubble;
// and anywhere in a package without bubbles.
func sleepsOutside(file *ast.File, bubbles map[string]bool) []ast.Node {
	var found []ast.Node
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if len(bubbles) > 0 && (!ok || !entryPoint(f.Name.Name)) {
			continue
		}
		ast.Inspect(decl, func(n ast.Node) bool {
			if calls(n, "time", "Sleep") {
				found = append(found, n)
			}
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			name, ok := call.Fun.(*ast.Ident)
			return !calls(n, "synctest", "Test") && (!ok || !bubbles[name.Name])
		})
	}
	return found
}

func entryPoint(name string) bool {
	return strings.HasPrefix(name, "Test") || strings.HasPrefix(name, "Benchmark") || strings.HasPrefix(name, "Fuzz")
}

// calls reports whether a node calls a function of a package.
func calls(n ast.Node, pkg, function string) bool {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return false
	}
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || selector.Sel.Name != function {
		return false
	}
	name, ok := selector.X.(*ast.Ident)
	return ok && name.Name == pkg
}
