package manifest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Split says how objects are spread over files.
type Split string

const (
	// PerObject gives each object a file, e.g. team-growth.yaml.
	PerObject Split = "object"
	// PerKind gives each kind a file, e.g. teams.yaml.
	PerKind Split = "kind"
)

// extensions are those of files that kubectl apply -f DIR takes.
var extensions = []string{".yaml", ".yml", ".json"}

// WriteDir writes objects into files of a directory, which is made if need be.
// A directory that holds manifests already is refused unless overwrite is set;
// then files of the same name are replaced. It returns how many files were
// written, and the names of the other manifests, sorted: what they say is
// applied with the rest, and may be out of date.
func WriteDir(dir string, objects []client.Object, split Split, overwrite bool) (written int, others []string, err error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return 0, nil, fmt.Errorf("make the directory: %w", err)
	}
	present, err := manifestsIn(dir)
	if err != nil {
		return 0, nil, err
	}
	if len(present) > 0 && !overwrite {
		return 0, nil, fmt.Errorf("%s holds %d manifests already, such as %s: name another directory, or replace them with --overwrite",
			dir, len(present), present[0])
	}
	files, order := map[string][]client.Object{}, []string{}
	for _, obj := range objects {
		name := fileName(obj, split)
		if _, known := files[name]; !known {
			order = append(order, name)
		}
		files[name] = append(files[name], obj)
	}
	for _, name := range order {
		text, err := YAML(files[name])
		if err != nil {
			return 0, nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o666); err != nil {
			return 0, nil, fmt.Errorf("write a manifest: %w", err)
		}
	}
	others = slices.DeleteFunc(present, func(name string) bool { _, ours := files[name]; return ours })
	return len(order), others, nil
}

func fileName(obj client.Object, split Split) string {
	kind := strings.ToLower(KindOf(obj))
	if split == PerKind {
		return kind + "s.yaml"
	}
	return kind + "-" + obj.GetName() + ".yaml"
}

// manifestsIn returns the sorted names of the manifests right in a directory.
func manifestsIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look into the directory: %w", err)
	}
	var names []string
	for _, entry := range entries {
		if !entry.IsDir() && slices.Contains(extensions, filepath.Ext(entry.Name())) {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}
