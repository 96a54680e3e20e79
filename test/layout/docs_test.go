package layout

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestNamedTestsExist: the documentation names tests as proof. Each is there,
// and each hazard's is named.
func TestNamedTestsExist(t *testing.T) {
	tests := names(t, "../..", "_test.go", regexp.MustCompile(`(?m)^func (Test\w+)\(t `))
	named := names(t, "../../docs", ".md", regexp.MustCompile("`(Test\\w+)`"))
	for name := range named {
		if !tests[name] {
			t.Errorf("docs name %s, which does not exist", name)
		}
	}
	hazards := 0
	for name := range tests {
		if strings.HasPrefix(name, "TestHazard") {
			hazards++
			if !named[name] {
				t.Errorf("name %s in docs/reliability.md", name)
			}
		}
	}
	if hazards < 12 {
		t.Errorf("there are %d tests of hazards, want one for each of twelve", hazards)
	}
}

// names returns what a pattern finds in all files below a directory whose names
// end so.
func names(t *testing.T, dir, suffix string, pattern *regexp.Regexp) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, suffix) {
			return err
		}
		text, err := os.ReadFile(path)
		for _, match := range pattern.FindAllSubmatch(text, -1) {
			found[string(match[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
