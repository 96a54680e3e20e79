package gitops

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/test/harness"
)

// decode reads the objects of a YAML file.
func decode(t *testing.T, text []byte) []*unstructured.Unstructured {
	t.Helper()
	var all []*unstructured.Unstructured
	for decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096); ; {
		obj := &unstructured.Unstructured{}
		err := decoder.Decode(&obj.Object)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, obj)
	}
}

// samples are the objects of config/samples, through a connection of that name
// to the test's console. The Secret is not among them: it is created here.
func samples(e *harness.Env, connection string) []*unstructured.Unstructured {
	e.T.Helper()
	files, err := filepath.Glob(filepath.Join(root, "config", "samples", "v1alpha1_*.yaml"))
	if err != nil || len(files) == 0 {
		e.T.Fatalf("find the samples: %v", err)
	}
	var all []*unstructured.Unstructured
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			e.T.Fatal(err)
		}
		all = append(all, decode(e.T, text)...)
	}
	for _, obj := range all {
		if obj.GetKind() != "ConsoleConnection" {
			obj.SetNamespace(e.Namespace)
			if connection != "default" {
				set(e.T, obj, connection, "spec", "connectionRef", "name")
			}
		} else {
			obj.SetName(connection)
			set(e.T, obj, e.Endpoint, "spec", "endpoint")
			set(e.T, obj, connection, "spec", "apiKeySecretRef", "name")
		}
		e.Adopt(obj)
	}
	e.CreateSecret(connection, e.Key)
	return all
}

// set sets a field of an object.
func set(t testing.TB, obj *unstructured.Unstructured, value any, fields ...string) {
	t.Helper()
	if err := unstructured.SetNestedField(obj.Object, value, fields...); err != nil {
		t.Fatal(err)
	}
}

// typed returns an object of the operator's types that has the same name, to be
// read.
func typed(obj *unstructured.Unstructured) client.Object {
	about := metav1.ObjectMeta{Namespace: obj.GetNamespace(), Name: obj.GetName()}
	switch obj.GetKind() {
	case "ConsoleConnection":
		return &v1alpha1.ConsoleConnection{ObjectMeta: about}
	case "Team":
		return &v1alpha1.Team{ObjectMeta: about}
	}
	return &v1alpha1.UserRole{ObjectMeta: about}
}

// allTyped is typed for each.
func allTyped(objects []*unstructured.Unstructured) []client.Object {
	all := make([]client.Object, len(objects))
	for i, obj := range objects {
		all[i] = typed(obj)
	}
	return all
}

// named returns the object of a kind and name.
func named(t *testing.T, objects []*unstructured.Unstructured, kind, name string) *unstructured.Unstructured {
	t.Helper()
	for _, obj := range objects {
		if obj.GetKind() == kind && obj.GetName() == name {
			return obj
		}
	}
	t.Fatalf("there is no %s %s among the samples", kind, name)
	return nil
}
