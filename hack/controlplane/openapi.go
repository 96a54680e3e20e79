package main

import (
	"maps"
	"reflect"
	"strings"

	generatedopenapi "k8s.io/apiextensions-apiserver/pkg/generated/openapi"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/util"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// openAPIDefinitions returns the definitions of all served types: the generated
// ones of custom resource definitions and of metadata, and those derived from
// the Go types of the built-in kinds.
func openAPIDefinitions(ref common.ReferenceCallback) map[string]common.OpenAPIDefinition {
	d := definitions{ref: ref, byName: generatedopenapi.GetOpenAPIDefinitions(ref)}
	for _, types := range servedTypes {
		for _, obj := range types {
			d.define(reflect.TypeOf(obj).Elem())
		}
	}
	for _, obj := range eventTypes {
		d.define(reflect.TypeOf(obj).Elem())
	}
	return d.byName
}

// definitions derives OpenAPI definitions from the struct tags and the
// SwaggerDoc methods of API types.
type definitions struct {
	ref    common.ReferenceCallback
	byName map[string]common.OpenAPIDefinition
}

// define adds the definition of a struct type, and of those it refers to,
// unless it is there, and returns its name.
func (d definitions) define(t reflect.Type) string {
	zero := reflect.New(t).Interface()
	name := util.GetCanonicalTypeName(zero)
	if _, ok := d.byName[name]; ok {
		return name
	}
	d.byName[name] = common.OpenAPIDefinition{} // ends a recursion
	docs := map[string]string{}
	if documented, ok := zero.(interface{ SwaggerDoc() map[string]string }); ok {
		docs = documented.SwaggerDoc()
	}
	schema := spec.Schema{SchemaProps: spec.SchemaProps{
		Type:        spec.StringOrArray{"object"},
		Description: docs[""],
		Properties:  map[string]spec.Schema{},
	}}
	used := map[string]bool{}
	d.addFields(&schema, t, docs, used)
	d.byName[name] = common.OpenAPIDefinition{Schema: schema, Dependencies: sortedKeys(used)}
	return name
}

func (d definitions) addFields(schema *spec.Schema, t reflect.Type, docs map[string]string, used map[string]bool) {
	for f := range fieldsOf(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			inherited := map[string]string{}
			if documented, ok := reflect.New(f.Type).Interface().(interface{ SwaggerDoc() map[string]string }); ok {
				inherited = documented.SwaggerDoc()
			}
			maps.Copy(inherited, docs)
			d.addFields(schema, f.Type, inherited, used)
			continue
		}
		if name == "" || name == "-" {
			continue
		}
		property := d.schemaOf(f.Type, used)
		property.Description = docs[name]
		addListType(&property, f)
		schema.Properties[name] = property
		if !strings.Contains(options, "omitempty") {
			schema.Required = append(schema.Required, name)
		}
	}
}

func fieldsOf(t reflect.Type) func(yield func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if !yield(t.Field(i)) {
				return
			}
		}
	}
}

// addListType says how server-side and strategic merges treat a list: as a
// map by the key its tag names, else as one value.
func addListType(property *spec.Schema, f reflect.StructField) {
	if f.Type.Kind() != reflect.Slice || f.Type.Elem().Kind() == reflect.Uint8 {
		return
	}
	key := f.Tag.Get("patchMergeKey")
	if f.Tag.Get("patchStrategy") != "merge" || key == "" {
		property.AddExtension("x-kubernetes-list-type", "atomic")
		return
	}
	property.AddExtension("x-kubernetes-list-type", "map")
	property.AddExtension("x-kubernetes-list-map-keys", []any{key})
	property.AddExtension("x-kubernetes-patch-strategy", "merge")
	property.AddExtension("x-kubernetes-patch-merge-key", key)
}

func (d definitions) schemaOf(t reflect.Type, used map[string]bool) spec.Schema {
	switch t.Kind() {
	case reflect.Pointer:
		return d.schemaOf(t.Elem(), used)
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return *spec.StrFmtProperty("byte")
		}
		item := d.schemaOf(t.Elem(), used)
		return *spec.ArrayProperty(&item)
	case reflect.Map:
		value := d.schemaOf(t.Elem(), used)
		return spec.Schema{SchemaProps: spec.SchemaProps{
			Type:                 spec.StringOrArray{"object"},
			AdditionalProperties: &spec.SchemaOrBool{Allows: true, Schema: &value},
		}}
	case reflect.Struct:
		name := d.define(t)
		used[name] = true
		return spec.Schema{SchemaProps: spec.SchemaProps{Ref: d.ref(name)}}
	case reflect.Bool:
		return *spec.BooleanProperty()
	case reflect.Int32:
		return *spec.Int32Property()
	case reflect.Int, reflect.Int64:
		return *spec.Int64Property()
	default:
		return *spec.StringProperty()
	}
}
