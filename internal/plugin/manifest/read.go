package manifest

import (
	"bufio"
	"bytes"
	"cmp"
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
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/console-access/console-access-operator/api/v1alpha1"
)

// Stdin as the name of a file means standard input.
const Stdin = "-"

// A Manifest is one of the operator's objects as it is written down, which need
// not be one that Kubernetes accepts.
type Manifest struct {
	*unstructured.Unstructured
	// Source says where it stands.
	Source string
}

// ConnectionName is the name of the ConsoleConnection that a Team or UserRole goes
// through; "" for a ConsoleConnection.
func (m Manifest) ConnectionName() string {
	obj, ok := New(m.GetKind()).(v1alpha1.AccessObject)
	if !ok {
		return ""
	}
	name, _, _ := unstructured.NestedString(m.Object, "spec", "connectionRef", "name")
	return cmp.Or(name, obj.ConnectionName())
}

// Typed is the object as the operator knows it.
func (m Manifest) Typed() (client.Object, error) {
	obj := New(m.GetKind())
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(m.Object, obj); err != nil {
		return nil, fmt.Errorf("%s: %w", m.Source, err)
	}
	return obj, nil
}

// Read returns the operator's objects from files, directories and, for "-",
// standard input, in their order. Other kinds are passed over.
func Read(names []string, recursive bool, stdin io.Reader) ([]Manifest, error) {
	var manifests []Manifest
	for _, name := range names {
		if name == Stdin {
			more, err := parse("standard input", stdin)
			if err != nil {
				return nil, err
			}
			manifests = append(manifests, more...)
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
			manifests = append(manifests, more...)
		}
	}
	return manifests, nil
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
func parse(name string, r io.Reader) ([]Manifest, error) {
	documents := utilyaml.NewYAMLReader(bufio.NewReader(r))
	var manifests []Manifest
	for number := 1; ; number++ {
		source := fmt.Sprintf("%s, document %d", name, number)
		text, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return manifests, nil
		}
		if err == nil {
			// Of a key that stands there twice nobody knows which is meant.
			text, err = yaml.YAMLToJSONStrict(text)
		}
		if err == nil {
			var more []Manifest
			more, err = decode(source, text)
			manifests = append(manifests, more...)
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", source, err)
		}
	}
}

// decode returns the objects of one document, which is JSON.
func decode(source string, text []byte) ([]Manifest, error) {
	var kind metav1.TypeMeta
	if err := json.Unmarshal(text, &kind); err != nil {
		return nil, err
	}
	if kind.Kind == "List" {
		var list struct {
			Items []json.RawMessage `json:"items"`
		}
		if err := json.Unmarshal(text, &list); err != nil {
			return nil, err
		}
		var manifests []Manifest
		for i, item := range list.Items {
			more, err := decode(fmt.Sprintf("%s, item %d", source, i+1), item)
			if err != nil {
				return nil, fmt.Errorf("item %d: %w", i+1, err)
			}
			manifests = append(manifests, more...)
		}
		return manifests, nil
	}
	if !strings.HasPrefix(kind.APIVersion, v1alpha1.GroupVersion.Group+"/") {
		return nil, nil
	}
	if New(kind.Kind) == nil || kind.APIVersion != v1alpha1.GroupVersion.String() {
		return nil, fmt.Errorf("%s %s is not known to this version of the plugin: correct it, or update the plugin", kind.APIVersion, kind.Kind)
	}
	m := Manifest{Unstructured: &unstructured.Unstructured{}, Source: source}
	if err := m.UnmarshalJSON(text); err != nil {
		return nil, fmt.Errorf("%s: %w", kind.Kind, err)
	}
	if m.GetName() == "" {
		return nil, fmt.Errorf("%s: metadata.name is missing: give it one", kind.Kind)
	}
	return []Manifest{m}, nil
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
