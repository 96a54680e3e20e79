package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// lastAppliedAnnotation is where kubectl apply keeps what it applied. With it,
// kubectl finds the samples unchanged, and does not warn.
const lastAppliedAnnotation = "kubectl.kubernetes.io/last-applied-configuration"

// readManifests returns the objects of all YAML files of a directory, in the
// order in which kubectl apply would take them.
func readManifests(dir string) ([]*unstructured.Unstructured, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read the samples: %w", err)
	}
	var objects []*unstructured.Unstructured
	for _, entry := range entries {
		switch filepath.Ext(entry.Name()) {
		case ".yaml", ".yml", ".json":
		default:
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("read the samples: %w", err)
		}
		more, err := parseManifests(text)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", filepath.Join(dir, entry.Name()), err)
		}
		for _, object := range more {
			if object.GetKind() != "Kustomization" {
				objects = append(objects, object)
			}
		}
	}
	if len(objects) == 0 {
		return nil, fmt.Errorf("there are no manifests in %s: name the directory of the samples with --samples", dir)
	}
	return objects, nil
}

// parseManifests returns the objects of the YAML documents in text.
func parseManifests(text []byte) ([]*unstructured.Unstructured, error) {
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	var objects []*unstructured.Unstructured
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(object)
		switch {
		case errors.Is(err, io.EOF):
			return objects, nil
		case err != nil:
			return nil, fmt.Errorf("document %d: %w", len(objects)+1, err)
		case len(object.Object) == 0: // only comments
		default:
			objects = append(objects, object)
		}
	}
}

// pointAt makes the ConsoleConnections lead to a console at url, and reports
// whether that changed any.
func pointAt(objects []*unstructured.Unstructured, url string) (changed bool, err error) {
	for _, object := range objects {
		if object.GetKind() != "ConsoleConnection" {
			continue
		}
		if was, _, _ := unstructured.NestedString(object.Object, "spec", "endpoint"); was == url {
			continue
		}
		if err := unstructured.SetNestedField(object.Object, url, "spec", "endpoint"); err != nil {
			return false, fmt.Errorf("set the endpoint of ConsoleConnection %s: %w", object.GetName(), err)
		}
		changed = true
	}
	return changed, nil
}

// applicable returns the object as it is to be applied: with kubectl's note of
// what that was.
func applicable(object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	applied := object.DeepCopy()
	annotations := applied.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	applied.SetAnnotations(annotations) // kubectl notes empty annotations too
	if len(annotations) == 0 {
		if err := unstructured.SetNestedMap(applied.Object, map[string]any{}, "metadata", "annotations"); err != nil {
			return nil, fmt.Errorf("annotate %s: %w", nameOf(object), err)
		}
	}
	note, err := applied.MarshalJSON() // ends with a newline, as kubectl's does
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", nameOf(object), err)
	}
	annotations[lastAppliedAnnotation] = string(note)
	applied.SetAnnotations(annotations)
	return applied, nil
}

// nameOf is how the demo speaks of an object.
func nameOf(object *unstructured.Unstructured) string {
	if object.GetNamespace() == "" {
		return object.GetKind() + " " + object.GetName()
	}
	return object.GetKind() + " " + object.GetNamespace() + "/" + object.GetName()
}
