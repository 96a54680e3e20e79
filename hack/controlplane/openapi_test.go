package main

import (
	"testing"

	"k8s.io/kube-openapi/pkg/validation/spec"
)

func TestDefinitionsOfBuiltInKinds(t *testing.T) {
	definitions := openAPIDefinitions(func(name string) spec.Ref { return spec.MustCreateRef("#/" + name) })
	field := func(kind, name string) spec.Schema {
		t.Helper()
		schema, ok := definitions["io.k8s.api."+kind].Schema.Properties[name]
		if !ok {
			t.Fatalf("no definition of field %s of %s", name, kind)
		}
		return schema
	}
	for _, test := range []struct {
		kind, field, listType string
		mapKey                any
	}{
		{"core.v1.NamespaceStatus", "conditions", "map", "type"},
		{"core.v1.NamespaceSpec", "finalizers", "atomic", nil},
	} {
		extensions := field(test.kind, test.field).Extensions
		if extensions["x-kubernetes-list-type"] != test.listType {
			t.Errorf("list type of %s is %v, want %s", test.field, extensions["x-kubernetes-list-type"], test.listType)
		}
		if keys, _ := extensions["x-kubernetes-list-map-keys"].([]any); test.mapKey != nil && (len(keys) != 1 || keys[0] != test.mapKey) {
			t.Errorf("map keys of %s are %v, want %v", test.field, keys, test.mapKey)
		}
	}
	data := field("core.v1.Secret", "data")
	if data.Description == "" || data.AdditionalProperties == nil || data.AdditionalProperties.Schema.Format != "byte" {
		t.Errorf("definition of a Secret's data %+v, want a described map of bytes", data)
	}
	regarding := field("events.v1.Event", "regarding")
	if ref := regarding.Ref.String(); ref != "#/io.k8s.api.core.v1.ObjectReference" {
		t.Errorf("regarding refers to %q, want an ObjectReference", ref)
	}
	for name, definition := range definitions {
		for _, dependency := range definition.Dependencies {
			if _, ok := definitions[dependency]; !ok {
				t.Errorf("%s depends on %s, which is not defined", name, dependency)
			}
		}
	}
}
