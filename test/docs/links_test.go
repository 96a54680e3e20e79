// Package docs proves that the documentation holds together: every link leads
// somewhere, and every page is found from the index and from the site's menu.
package docs

import (
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const root = "../.."

// pages are all pages of the documentation, from the root of the repository.
func pages(t *testing.T) []string {
	t.Helper()
	all := []string{"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "charts/console-access-operator/README.md"}
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(file string, _ fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(file) == ".md" {
			name, _ := filepath.Rel(root, file)
			all = append(all, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func readPage(t *testing.T, name string) page {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return parse(string(text))
}

func TestLinksLeadSomewhere(t *testing.T) {
	parsed := map[string]page{}
	for _, name := range pages(t) {
		parsed[name] = readPage(t, name)
	}
	relative := 0
	for name, p := range parsed {
		for _, link := range p.links {
			target, err := url.Parse(link)
			if err != nil {
				t.Errorf("%s: the link %q is none: %v", name, link, err)
				continue
			}
			if target.Scheme != "" {
				continue
			}
			relative++
			file := name
			if target.Path != "" {
				file = path.Join(path.Dir(name), target.Path)
			}
			if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(file))); errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: the link %q leads to nothing: there is no %s", name, link, file)
			} else if target.Fragment != "" && !slices.Contains(parsed[file].anchors, target.Fragment) {
				t.Errorf("%s: the link %q leads to nothing: %s has no such heading", name, link, file)
			}
		}
	}
	if relative == 0 {
		t.Error("no page has a relative link")
	}
}

func TestEveryPageIsFound(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "mkdocs.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var site struct {
		DocsDir string `json:"docs_dir"`
		Nav     []any  `json:"nav"`
		Plugins []any  `json:"plugins"`
	}
	if err := yaml.Unmarshal(text, &site); err != nil {
		t.Fatalf("mkdocs.yml: %v", err)
	}
	if site.DocsDir != "docs" || site.Plugins == nil || len(site.Plugins) > 0 {
		t.Errorf("mkdocs.yml: docs_dir is %q with the plugins %v, want docs and an empty list", site.DocsDir, site.Plugins)
	}
	index, menu := readPage(t, "docs/README.md").links, entries(site.Nav)
	for _, name := range pages(t) {
		file, ok := strings.CutPrefix(name, "docs/")
		if !ok {
			continue
		}
		if file != "README.md" && !slices.Contains(index, file) {
			t.Errorf("docs/README.md does not link to %s", file)
		}
		if !slices.Contains(menu, file) {
			t.Errorf("mkdocs.yml: nav does not have %s", file)
		}
	}
	for _, entry := range menu {
		if _, err := os.Stat(filepath.Join(root, "docs", filepath.FromSlash(entry))); err != nil && !strings.HasPrefix(entry, "https://") {
			t.Errorf("mkdocs.yml: nav has %s, which is no page", entry)
		}
	}
}

// entries returns the pages of a menu, at whatever depth.
func entries(nav any) (all []string) {
	switch nav := nav.(type) {
	case string:
		return []string{nav}
	case []any:
		for _, entry := range nav {
			all = append(all, entries(entry)...)
		}
	case map[string]any:
		for _, entry := range nav {
			all = append(all, entries(entry)...)
		}
	}
	return all
}
