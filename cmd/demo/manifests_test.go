package main

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

var sampleDir = filepath.Join("..", "..", "config", "samples")

func readSamples(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	samples, err := readManifests(sampleDir)
	if err != nil {
		t.Fatal(err)
	}
	return samples
}

// TestSamplesFitTheDemo holds the demo's constants to what the samples say.
func TestSamplesFitTheDemo(t *testing.T) {
	kinds := map[string]int{}
	for _, sample := range readSamples(t) {
		kinds[sample.GetKind()]++
		switch sample.GetKind() {
		case "Namespace":
			t.Errorf("who deletes the samples would delete the namespace %s, with the operator in it", sample.GetName())
		case "Secret":
			key, _, _ := unstructured.NestedString(sample.Object, "stringData", "apiKey")
			if key != sampleAPIKey || sample.GetNamespace() != operatorNamespace {
				t.Errorf("the Secret is in %s and has the key %q", sample.GetNamespace(), key)
			}
		case "ConsoleConnection":
			protected, _, _ := unstructured.NestedStringSlice(sample.Object, "spec", "protectedUsers")
			if len(protected) == 0 || protected[0] != "ada@example.com" {
				t.Errorf("protected are %q; the demo shows that ada@example.com is", protected)
			}
		}
	}
	for _, kind := range []string{"Secret", "ConsoleConnection", "Team", "UserRole"} {
		if kinds[kind] == 0 {
			t.Errorf("there is no %s among the samples: %v", kind, kinds)
		}
	}
}

func TestPointAt(t *testing.T) {
	samples := readSamples(t)
	if changed, err := pointAt(samples, "http://"+sampleConsoleAddr); changed || err != nil {
		t.Errorf("the samples do not name the default address: changed %t, error %v", changed, err)
	}
	const elsewhere = "http://127.0.0.1:1234"
	if changed, err := pointAt(samples, elsewhere); !changed || err != nil {
		t.Fatalf("changed %t, error %v", changed, err)
	}
	connections := 0
	for _, sample := range samples {
		endpoint, found, _ := unstructured.NestedString(sample.Object, "spec", "endpoint")
		if sample.GetKind() == "ConsoleConnection" {
			connections++
			if endpoint != elsewhere {
				t.Errorf("the endpoint is %s", endpoint)
			}
		} else if found {
			t.Errorf("%s got an endpoint", nameOf(sample))
		}
	}
	if connections == 0 {
		t.Error("no connection was looked at")
	}
}

func TestParseManifests(t *testing.T) {
	objects, err := parseManifests([]byte("# only a comment\n---\nkind: Team\napiVersion: v1\n---\n# nothing\n---\nkind: UserRole\napiVersion: v1\n"))
	if err != nil || len(objects) != 2 || objects[0].GetKind() != "Team" || objects[1].GetKind() != "UserRole" {
		t.Errorf("%v, error %v", objects, err)
	}
	if _, err := parseManifests([]byte("kind: [Team")); err == nil {
		t.Error("malformed YAML is accepted")
	}
	if _, err := readManifests(t.TempDir()); err == nil {
		t.Error("an empty directory is accepted")
	}
}

// TestApplicable checks that what kubectl looks for is there and is the object.
func TestApplicable(t *testing.T) {
	for _, sample := range readSamples(t) {
		before := sample.DeepCopy()
		applied, err := applicable(sample)
		if err != nil {
			t.Fatal(err)
		}
		if !sameJSON(sample.Object, before.Object) {
			t.Errorf("%s itself was changed", nameOf(sample))
		}
		var noted unstructured.Unstructured
		if err := json.Unmarshal([]byte(applied.GetAnnotations()[lastAppliedAnnotation]), &noted.Object); err != nil {
			t.Fatalf("%s: %v", nameOf(sample), err)
		}
		unstructured.RemoveNestedField(noted.Object, "metadata", "annotations")
		unstructured.RemoveNestedField(before.Object, "metadata", "annotations")
		if !sameJSON(noted.Object, before.Object) {
			t.Errorf("%s is noted as %s", nameOf(sample), asJSON(noted.Object))
		}
	}
}
