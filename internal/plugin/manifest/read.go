package manifest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/console-access/console-access-operator/api/v1alpha1"
)

// Stdin as the name of a file means standard input.
const Stdin = "-"

// Read returns the operator's objects from files, directories and, for "-",
// standard input, in their order. Other kinds are passed over. An unknown field
// is an error: it would have no effect.
func Read(names []string, recursive bool, stdin io.Reader) ([]client.Object, error) {
	var objects []client.Object
	for _, name := range names {
		if name == Stdin {
			more, err := parse("standard input", stdin)
			if err != nil {
				return nil, err
			}
			objects = append(objects, more...)
			continue
		}
		files, err := filesOf(name, recursive)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, fmt.Errorf("read a manifest: %w", err)
			}
			more, err := parse(file, bytes.NewReader(text))
			if err != nil {
				return nil, err
			}
			objects = append(objects, more...)
		}
	}
	return objects, nil
}

// filesOf returns the manifests that a name stands for.
func filesOf(name string, recursive bool) ([]string, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("read manifests: %w", err)
	}
	if !info.IsDir() {
		return []string{name}, nil
	}
	var files []string
	err = filepath.WalkDir(name, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != name && !recursive:
			return fs.SkipDir
		case !entry.IsDir() && slices.Contains(extensions, filepath.Ext(path)):
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read manifests: %w", err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("there are no manifests (%s) in %s: name another directory, or give -R if they are further down",
			strings.Join(extensions, ", "), name)
	}
	return files, nil
}

// parse returns the objects of a stream of YAML or JSON documents.
func parse(name string, r io.Reader) ([]client.Object, error) {
	documents := utilyaml.NewYAMLReader(bufio.NewReader(r))
	var objects []client.Object
	for number := 1; ; number++ {
		text, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		var more []client.Object
		if err == nil {
			more, err = decode(text)
		}
		if err != nil {
			return nil, fmt.Errorf("read %s, document %d: %w", name, number, err)
		}
		objects = append(objects, more...)
	}
}

// decode returns the objects of one document.
func decode(text []byte) ([]client.Object, error) {
	var kind metav1.TypeMeta
	if err := yaml.Unmarshal(text, &kind); err != nil {
		return nil, err
	}
	if kind.Kind == "List" {
		var list struct {
			Items []json.RawMessage `json:"items"`
		}
		if err := yaml.Unmarshal(text, &list); err != nil {
			return nil, err
		}
		var objects []client.Object
		for i, item := range list.Items {
			more, err := decode(item)
			if err != nil {
				return nil, fmt.Errorf("item %d: %w", i+1, err)
			}
			objects = append(objects, more...)
		}
		return objects, nil
	}
	if !strings.HasPrefix(kind.APIVersion, v1alpha1.GroupVersion.Group+"/") {
		return nil, nil
	}
	obj := New(kind.Kind)
	if obj == nil || kind.APIVersion != v1alpha1.GroupVersion.String() {
		return nil, fmt.Errorf("%s %s is not known to this version of the plugin: correct it, or update the plugin", kind.APIVersion, kind.Kind)
	}
	if err := yaml.UnmarshalStrict(text, obj); err != nil {
		return nil, fmt.Errorf("%s: %w", kind.Kind, err)
	}
	if obj.GetName() == "" {
		return nil, fmt.Errorf("%s: metadata.name is missing: give it one", kind.Kind)
	}
	return []client.Object{obj}, nil
}

// New returns an empty object of one of the operator's kinds, or nil.
func New(kind string) client.Object {
	switch kind {
	case "ConsoleConnection":
		return &v1alpha1.ConsoleConnection{}
	case "Team":
		return &v1alpha1.Team{}
	case "UserRole":
		return &v1alpha1.UserRole{}
	}
	return nil
}
