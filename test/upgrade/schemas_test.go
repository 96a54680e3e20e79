package upgrade

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// before is a schema with one of each that can be broken.
const before = `
type: object
required: [spec]
properties:
  status: {type: object}
  spec:
    type: object
    required: [email]
    properties:
      email: {type: string, maxLength: 254}
      role: {type: string, pattern: '^[a-z]+$', enum: [reader, writer], default: reader}
      count: {type: integer, format: int32, minimum: 0}
      tags: {type: array, x-kubernetes-list-type: set, maxItems: 5, items: {type: string}}
      labels: {type: object, additionalProperties: {type: string}}
    x-kubernetes-validations:
    - {rule: "has(self.role)", message: role first}
`

func TestWhatBreaksObjectsIsNamed(t *testing.T) {
	tests := []struct{ name, old, new, want string }{
		{"another message", "role first", "role is missing", ""},
		{"a field is added", "role: {", "more: {type: string}\n      role: {", ""},
		{"looser", "maxItems: 5", "maxItems: 6", ""},
		{"a field is removed", "count:", "amount:", "spec.count: it was removed, so its values are dropped"},
		{"another type", "{type: integer, format: int32", "{type: string, format: int32", "spec.count: its type is string, was integer"},
		{"another format", "int32", "int64", "spec.count: its format is int64, was int32"},
		{"another type of elements", "items: {type: string}", "items: {type: integer}", "spec.tags[]: its type is integer, was string"},
		{"no map", "additionalProperties: {type: string}", "properties: {a: {type: string}}", "spec.labels.*: it was removed, so its values are dropped"},
		{"another kind of list", "list-type: set", "list-type: map, x-kubernetes-list-map-keys: [a]", "spec.tags: its list type is map [a], was set []"},
		{"an atomic list", "list-type: set", "list-type: atomic", ""},
		{"another default", "default: reader", "default: writer", "spec.role: its default is writer, was reader"},
		{"a default", "maxLength: 254}", "maxLength: 254, default: a}", "spec.email: its default is a, was <nil>"},
		{"a default of a status", "status: {type: object}", "status: {type: object, default: {}}", ""},
		{"required", "[email]", "[email, count]", "spec.count: it is required now and has no default"},
		{"required with a default", "[email]", "[email, role]", ""},
		{"a value is removed", "[reader, writer]", "[reader]", `? spec.role: "writer" is no longer one of its values`},
		{"values are listed", "maxLength: 254}", "maxLength: 254, enum: [a]}", `? spec.email: it must be one of ["a"]`},
		{"another pattern", "^[a-z]+$", "^[a-y]+$", "? spec.role: it must match ^[a-y]+$"},
		{"no pattern", "pattern: '^[a-z]+$', ", "", ""},
		{"shorter", "254", "253", "? spec.email: its maxLength is 253"},
		{"greater", "minimum: 0", "minimum: 1", "? spec.count: its minimum is 1"},
		{"fewer", "maxItems: 5", "maxItems: 4", "? spec.tags: its maxItems is 4"},
		{"not empty", "maxItems: 5", "maxItems: 5, minItems: 1", "? spec.tags: its minItems is 1"},
		{"another rule", `"has(self.role)"`, `"self.role != ''", fieldPath: .role`, "? spec.role: role first"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			now := strings.ReplaceAll(before, tt.old, tt.new)
			if now == before {
				t.Fatalf("the schema has no %q", tt.old)
			}
			c := compareDefinitions(versions("v1"), versions("v1", now), func(v version) *schema {
				return readSchema(t, []byte(v.Schema.OpenAPIV3Schema["text"].(string)))
			})
			got := c.broken
			for _, x := range c.tightened {
				got = append(got, "? "+x.field+": "+x.what)
			}
			if want := slices.DeleteFunc([]string{tt.want}, func(s string) bool { return s == "" }); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestWhatBreaksVersionsIsNamed(t *testing.T) {
	read := func(v version) *schema { return readSchema(t, []byte(v.Schema.OpenAPIV3Schema["text"].(string))) }
	tests := []struct {
		name   string
		change func(*definition)
		want   string
	}{
		{"nothing", func(*definition) {}, ""},
		{"another scope", func(d *definition) { d.Spec.Scope = "Cluster" }, "the object: group, scope or names are "},
		{"another version", func(d *definition) { d.Spec.Versions[0].Name = "v2" }, "the object: version v1 was removed"},
		{"not served", func(d *definition) { d.Spec.Versions[0].Served = false }, "the object: version v1 is no longer served"},
		{"no status", func(d *definition) { d.Spec.Versions[0].Subresources = nil }, "the object: the subresources of version v1 are "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			now := versions("v1")
			tt.change(&now)
			got := strings.Join(compareDefinitions(versions("v1"), now, read).broken, "\n")
			if (got == "") != (tt.want == "") || !strings.HasPrefix(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// versions returns a definition with a version of that name and, unless
// another is given, the schema before.
func versions(name string, text ...string) definition {
	v := version{Name: name, Served: true, Storage: true, Subresources: map[string]any{"status": map[string]any{}}}
	v.Schema.OpenAPIV3Schema = map[string]any{"text": append(text, before)[0]}
	var d definition
	d.Spec.Scope = "Namespaced"
	d.Spec.Versions = []version{v}
	return d
}

func TestFormerDefinitionsAreKept(t *testing.T) {
	was, is := readDefinitions(t, former), readDefinitions(t, current)
	for kind, d := range was {
		for _, broken := range compareDefinitions(d, is[kind], func(v version) *schema { return v.read(t) }).broken {
			t.Errorf("%s %s", kind, broken)
		}
	}
}

// TestListsAreAtomic: a list of type set or map is merged element by element, so
// that server-side apply drops one that is emptied and keeps what others added.
// Only the conditions are such a list, as in every kind of Kubernetes.
func TestListsAreAtomic(t *testing.T) {
	for kind, d := range readDefinitions(t, current) {
		for _, v := range d.Spec.Versions {
			for field, s := range lists("", v.read(t)) {
				if field != "status.conditions" && s.ListType != "atomic" {
					t.Errorf("%s %s: its list type is %q", kind, field, s.ListType)
				}
			}
		}
	}
}

// lists returns the lists of a schema, by their paths.
func lists(field string, s *schema) map[string]*schema {
	all := map[string]*schema{}
	if s == nil {
		return all
	}
	if s.Type == "array" {
		all[field] = s
	}
	maps.Copy(all, lists(field+"[]", s.Items))
	maps.Copy(all, lists(child(field, "*"), s.AdditionalProperties))
	for name, p := range s.Properties {
		maps.Copy(all, lists(child(field, name), p))
	}
	return all
}
