package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// opaque are properties of Kubernetes' own types, documented elsewhere.
var opaque = map[string]string{
	"conditions": "[Condition](conditions.md)[]",
	"selector":   "LabelSelector",
}

// fields describes the spec and the status of a kind.
func fields(crd *apiextensionsv1.CustomResourceDefinition) string {
	var b strings.Builder
	for _, version := range crd.Spec.Versions {
		if !version.Storage {
			continue
		}
		root := version.Schema.OpenAPIV3Schema
		spec := root.Properties["spec"]
		status := root.Properties["status"]
		b.WriteString("### Spec\n\n| field | type | default | meaning |\n| --- | --- | --- | --- |\n")
		walk(&spec, "", func(path string, f *field) {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", path, f.kind(path), f.standard(), f.meaning())
		})
		if rules := rules(root); len(rules) > 0 {
			b.WriteString("\nRefused when applied:\n\n")
			for _, rule := range rules {
				fmt.Fprintf(&b, "- %s\n", rule)
			}
		}
		b.WriteString("\n### Status\n\n| field | type | meaning |\n| --- | --- | --- |\n")
		walk(&status, "", func(path string, f *field) {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", path, f.kind(path), f.meaning())
		})
	}
	return b.String()
}

// A field is a property, and whether its object must have it.
type field struct {
	schema   *apiextensionsv1.JSONSchemaProps
	required bool
}

// walk visits every property below a schema, parents first.
func walk(s *apiextensionsv1.JSONSchemaProps, prefix string, visit func(path string, f *field)) {
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		property := s.Properties[name]
		path := prefix + name
		visit(path, &field{&property, slices.Contains(s.Required, name)})
		if opaque[name] != "" {
			continue
		}
		walk(&property, path+".", visit)
		if property.Items != nil && property.Items.Schema != nil {
			walk(property.Items.Schema, path+"[].", visit)
		}
	}
}

func (f *field) kind(path string) string {
	if known := opaque[path[strings.LastIndex(path, ".")+1:]]; known != "" {
		return known
	}
	s, list := f.schema, ""
	if s.Items != nil && s.Items.Schema != nil {
		s, list = s.Items.Schema, "[]"
	}
	name := s.Type
	switch {
	case s.Format == "date-time":
		name = "time"
	case s.Format == "byte":
		name = "base64"
	case isDuration(s):
		name = "duration"
	}
	return name + list
}

// isDuration knows durations, which are plain strings to a schema, by the rule
// that reads them.
func isDuration(s *apiextensionsv1.JSONSchemaProps) bool {
	return slices.ContainsFunc(s.XValidations, func(r apiextensionsv1.ValidationRule) bool {
		return strings.Contains(r.Rule, "duration(self)")
	})
}

func (f *field) standard() string {
	switch {
	case f.required:
		return "required"
	case f.schema.Default == nil || string(f.schema.Default.Raw) == "{}":
		return ""
	default:
		return "`" + cell(string(f.schema.Default.Raw)) + "`"
	}
}

func (f *field) meaning() string {
	text := cell(f.schema.Description)
	if limits := f.limits(); len(limits) > 0 {
		text += " *(" + strings.Join(limits, "; ") + ")*"
	}
	return strings.TrimSpace(text)
}

// limits are what the schema demands of the value, or of a list's items.
func (f *field) limits() []string {
	var limits []string
	add := func(format string, args ...any) { limits = append(limits, fmt.Sprintf(format, args...)) }
	s := f.schema
	if s.MaxItems != nil {
		add("at most %d of them", *s.MaxItems)
	}
	if s.XListType != nil && *s.XListType == "set" {
		add("no duplicates")
	}
	if s.Items != nil && s.Items.Schema != nil {
		s = s.Items.Schema
	}
	if len(s.Enum) > 0 {
		values := make([]string, len(s.Enum))
		for i, v := range s.Enum {
			values[i] = "`" + strings.Trim(string(v.Raw), `"`) + "`"
		}
		add("%s", strings.Join(values, ", "))
	}
	if s.Minimum != nil {
		add("at least %.0f", *s.Minimum)
	}
	if s.Maximum != nil {
		add("at most %.0f", *s.Maximum)
	}
	if s.MaxLength != nil && !isDuration(s) {
		add("up to %d characters", *s.MaxLength)
	}
	return limits
}

// rules are the messages of all validation rules, after the paths of what each
// is about.
func rules(root *apiextensionsv1.JSONSchemaProps) []string {
	var messages []string
	about := map[string][]string{}
	collect := func(path string, s *apiextensionsv1.JSONSchemaProps) {
		for _, rule := range s.XValidations {
			message := cell(rule.Message)
			if about[message] == nil {
				messages = append(messages, message)
			}
			path := "`" + strings.TrimPrefix(strings.TrimPrefix(path+rule.FieldPath, "."), "spec.") + "`"
			if !slices.Contains(about[message], path) {
				about[message] = append(about[message], path)
			}
		}
	}
	collect("", root)
	walk(root, "", func(path string, f *field) {
		collect(path, f.schema)
		if f.schema.Items != nil && f.schema.Items.Schema != nil {
			collect(path+"[]", f.schema.Items.Schema)
		}
	})
	for i, message := range messages {
		messages[i] = strings.Join(about[message], ", ") + ": " + message
	}
	return messages
}

// cell makes text fit for one cell of a table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(text)
}
