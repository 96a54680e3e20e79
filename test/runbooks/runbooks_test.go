// Package runbooks proves that docs/runbooks.md has a section for each alert
// and each condition reason, and none for what does not exist.
package runbooks

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const (
	root = "../.."
	page = "https://github.com/console-access/console-access-operator/blob/main/docs/runbooks.md"
)

// A rule is what is read of an alerting rule.
type rule struct {
	Alert       string            `json:"alert"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sections returns the names of the third level below each heading of the
// second.
func sections(text string) map[string][]string {
	out := map[string][]string{}
	under := ""
	for line := range strings.Lines(text) {
		if name, ok := strings.CutPrefix(line, "## "); ok {
			under = strings.TrimSpace(name)
		} else if name, ok := strings.CutPrefix(line, "### "); ok {
			out[under] = append(out[under], strings.TrimSpace(name))
		}
	}
	return out
}

func alerts(t *testing.T) []rule {
	t.Helper()
	var manifest struct {
		Spec struct {
			Groups []struct {
				Rules []rule `json:"rules"`
			} `json:"groups"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "config/prometheus/rules.yaml")), &manifest); err != nil {
		t.Fatal(err)
	}
	var all []rule
	for _, group := range manifest.Spec.Groups {
		all = append(all, group.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("there are no alerts")
	}
	return all
}

// reasons are the values of the constants Reason… of the API.
func reasons(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "api/v1alpha1/*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("find the API's files: %v", err)
	}
	var all []string
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || !strings.HasPrefix(spec.Names[0].Name, "Reason") {
				return true
			}
			value, ok := spec.Values[0].(*ast.BasicLit)
			if !ok {
				t.Errorf("%s is not a text", spec.Names[0].Name)
				return true
			}
			text, err := strconv.Unquote(value.Value)
			if err != nil {
				t.Error(err)
			}
			all = append(all, text)
			return true
		})
	}
	if len(all) == 0 {
		t.Fatal("the API has no reasons")
	}
	return all
}

// same reports names that are missing or left over.
func same(t *testing.T, what string, have, want []string) {
	t.Helper()
	for _, name := range want {
		if n := len(slices.DeleteFunc(slices.Clone(have), func(other string) bool { return other != name })); n != 1 {
			t.Errorf("docs/runbooks.md has %d sections %q, want one: it is %s", n, name, what)
		}
	}
	for _, name := range have {
		if !slices.Contains(want, name) {
			t.Errorf("docs/runbooks.md has a section %q, which is not %s", name, what)
		}
	}
}

func TestEachAlertHasItsSection(t *testing.T) {
	var names []string
	for _, r := range alerts(t) {
		names = append(names, r.Alert)
		if url, want := r.Annotations["runbook_url"], page+"#"+strings.ToLower(r.Alert); url != want {
			t.Errorf("%s has the runbook_url %q, want %q", r.Alert, url, want)
		}
		if severity := r.Labels["severity"]; severity != "warning" && severity != "critical" {
			t.Errorf("%s has the severity %q", r.Alert, severity)
		}
		for _, name := range []string{"summary", "description"} {
			if !strings.HasSuffix(r.Annotations[name], ".") {
				t.Errorf("%s needs a %s in sentences, has %q", r.Alert, name, r.Annotations[name])
			}
		}
	}
	same(t, "an alert of config/prometheus/rules.yaml", sections(read(t, "docs/runbooks.md"))["Alerts"], names)
}

func TestEachReasonHasItsSection(t *testing.T) {
	same(t, "a reason of api/v1alpha1", sections(read(t, "docs/runbooks.md"))["Reasons"], reasons(t))
}
