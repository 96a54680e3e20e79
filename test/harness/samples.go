package harness

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
)

// Decode returns the objects of YAML documents.
func Decode(t testing.TB, text []byte) (all []*unstructured.Unstructured) {
	t.Helper()
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	for {
		obj := &unstructured.Unstructured{}
		switch err := decoder.Decode(&obj.Object); {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			t.Fatal(err)
		}
		all = append(all, obj)
	}
}

// Typed returns an object of one of the operator's kinds as the operator knows
// it.
func Typed(t testing.TB, obj *unstructured.Unstructured) client.Object {
	t.Helper()
	var out client.Object
	switch obj.GetKind() {
	case "ConsoleConnection":
		out = &v1alpha1.ConsoleConnection{}
	case "Team":
		out = &v1alpha1.Team{}
	case "UserRole":
		out = &v1alpha1.UserRole{}
	default:
		t.Fatalf("%s %s is not of the operator's kinds", obj.GetKind(), obj.GetName())
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(obj.Object, out); err != nil {
		t.Fatalf("%s %s: %v", obj.GetKind(), obj.GetName(), err)
	}
	return out
}

// Samples returns the objects of config/samples for the test's operator, not
// yet created, through a connection of that name to the test's console. The
// Secret is not among them: it is created here.
func (e *Env) Samples(connection string) []*unstructured.Unstructured {
	e.T.Helper()
	root, err := repositoryRoot()
	if err != nil {
		e.T.Fatal(err)
	}
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
		all = append(all, Decode(e.T, text)...)
	}
	set := func(obj *unstructured.Unstructured, value string, fields ...string) {
		if err := unstructured.SetNestedField(obj.Object, value, fields...); err != nil {
			e.T.Fatal(err)
		}
	}
	for _, obj := range all {
		if obj.GetKind() != "ConsoleConnection" {
			obj.SetNamespace(e.Namespace)
			if connection != "default" {
				set(obj, connection, "spec", "connectionRef", "name")
			}
		} else {
			obj.SetName(connection)
			set(obj, e.Endpoint, "spec", "endpoint")
			set(obj, connection, "spec", "apiKeySecretRef", "name")
		}
		e.Adopt(obj)
	}
	e.CreateSecret(connection, e.Key)
	return all
}
