package chart

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// What differs between chart and kustomize, and nothing else: these labels and
// this annotation; the Namespace, which Helm wants to be there before; and the
// PodDisruptionBudget, which kustomize does not have.
var (
	ownLabels      = []string{"helm.sh/chart", "app.kubernetes.io/instance", "app.kubernetes.io/version", "app.kubernetes.io/managed-by"}
	ownAnnotations = []string{"helm.sh/resource-policy"}
	ownKinds       = []string{"Namespace"}
)

// kustomized builds config/default, with its commented options if wanted.
func kustomized(t *testing.T, withOptions bool) []*unstructured.Unstructured {
	t.Helper()
	files := filesys.MakeFsInMemory()
	config := filepath.Join(root, "config")
	err := filepath.WalkDir(config, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		within, err := filepath.Rel(config, path)
		if err != nil {
			return err
		}
		if withOptions && within == filepath.Join("default", "kustomization.yaml") {
			text = []byte(strings.ReplaceAll(string(text), "\n#- ", "\n- "))
		}
		return files.WriteFile("/"+filepath.ToSlash(within), text)
	})
	if err != nil {
		t.Fatal(err)
	}
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(files, "/default")
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := resources.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return objects(t, string(manifest))
}

// comparable are objects by kind and name, without what may differ.
func comparable(all []*unstructured.Unstructured) map[string]map[string]any {
	out := map[string]map[string]any{}
	for _, object := range all {
		if slices.Contains(ownKinds, object.GetKind()) {
			continue
		}
		labels, annotations := object.GetLabels(), object.GetAnnotations()
		maps.DeleteFunc(labels, func(name, _ string) bool { return slices.Contains(ownLabels, name) })
		maps.DeleteFunc(annotations, func(name, _ string) bool { return slices.Contains(ownAnnotations, name) })
		// CRDs and the roles that controller-gen makes have no labels there.
		if labels["app.kubernetes.io/name"] == "console-access-operator" {
			delete(labels, "app.kubernetes.io/name")
		}
		object = object.DeepCopy()
		unstructured.RemoveNestedField(object.Object, "metadata", "labels")
		unstructured.RemoveNestedField(object.Object, "metadata", "annotations")
		if len(labels) > 0 {
			object.SetLabels(labels)
		}
		if len(annotations) > 0 {
			object.SetAnnotations(annotations)
		}
		out[object.GetKind()+" "+object.GetNamespace()+"/"+object.GetName()] = object.Object
	}
	return out
}

// TestSameAsKustomize: the chart, in a release that is called console-access,
// makes the same objects as config/default, without and with all options.
func TestSameAsKustomize(t *testing.T) {
	tests := []struct {
		name    string
		values  []string
		options bool
	}{
		{"as they come", image, false},
		{"with the options", shared, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			chart, kustomize := comparable(render(t, set(t, tt.values...))), comparable(kustomized(t, tt.options))
			t.Logf("%d objects", len(kustomize))
			for _, name := range slices.Sorted(maps.Keys(kustomize)) {
				want := kustomize[name]
				have, ok := chart[name]
				if !ok {
					t.Errorf("the chart has no %s", name)
					continue
				}
				for _, difference := range differences("", have, want) {
					t.Errorf("%s: %s", name, difference)
				}
			}
			for _, name := range slices.Sorted(maps.Keys(chart)) {
				if kustomize[name] == nil {
					t.Errorf("kustomize has no %s", name)
				}
			}
		})
	}
}

// differences are the paths at which the chart's value is not kustomize's.
func differences(path string, chart, kustomize any) []string {
	chartMap, ok := chart.(map[string]any)
	kustomizeMap, both := kustomize.(map[string]any)
	if !ok || !both {
		if reflect.DeepEqual(chart, kustomize) {
			return nil
		}
		return []string{fmt.Sprintf("%s is %.200v in the chart and %.200v with kustomize", path, chart, kustomize)}
	}
	names := map[string]bool{}
	for name := range chartMap {
		names[name] = true
	}
	for name := range kustomizeMap {
		names[name] = true
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		all = append(all, differences(path+"."+name, chartMap[name], kustomizeMap[name])...)
	}
	return all
}
