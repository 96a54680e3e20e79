package consolesim

import (
	"encoding/json"
	"fmt"
	"mime"
	"slices"
	"strings"
)

// fields reads a JSON object field by field and keeps the first thing that is
// wrong with it.
type fields struct {
	raw map[string]json.RawMessage
	err error
}

// fields parses the body of a request.
func (c *call) fields() *fields {
	f := &fields{}
	media, _, _ := mime.ParseMediaType(c.header.Get("Content-Type"))
	if media != "application/json" {
		f.fail("the Content-Type must be application/json.")
	} else if err := json.Unmarshal(c.body, &f.raw); err != nil || f.raw == nil {
		f.fail("the body must be a JSON object.")
	}
	return f
}

func (f *fields) fail(format string, args ...any) {
	if f.err == nil {
		f.err = invalid(format, args...)
	}
}

func (f *fields) require(names ...string) {
	for _, name := range names {
		if _, ok := f.raw[name]; !ok {
			f.fail("%s is required.", name)
		}
	}
}

// field sets *to when the field is there; null counts as a wrong type.
func field[T any](f *fields, name, kind string, to *T) {
	raw, ok := f.raw[name]
	if !ok {
		return
	}
	var v *T
	if err := json.Unmarshal(raw, &v); err != nil || v == nil {
		f.fail("%s must be %s.", name, kind)
		return
	}
	*to = *v
}

// nullable sets *to when the field is there, to nil when it is null.
func nullable[T any](f *fields, name, kind string, to **T) {
	if string(f.raw[name]) == "null" {
		*to = nil
		return
	}
	optional(f, name, kind, to)
}

// optional sets *to when the field is there, and not null.
func optional[T any](f *fields, name, kind string, to **T) {
	if _, ok := f.raw[name]; ok {
		v := new(T)
		field(f, name, kind, v)
		*to = v
	}
}

func (f *fields) text(name string, to *string) { field(f, name, "a string", to) }

func (f *fields) bool(name string, to *bool) { field(f, name, "a boolean", to) }

// name reads a string that may not be blank.
func (f *fields) name(name string, to *string) {
	f.text(name, to)
	if _, ok := f.raw[name]; ok && strings.TrimSpace(*to) == "" {
		f.fail("%s must not be empty.", name)
	}
}

func (f *fields) choice(name string, to *string, allowed ...string) {
	v := allowed[0]
	f.text(name, &v)
	if !slices.Contains(allowed, v) {
		f.fail("%s must be one of %s.", name, strings.Join(allowed, ", "))
	}
	if _, ok := f.raw[name]; ok {
		*to = v
	}
}

func (f *fields) list(name string, to *[]string) {
	const kind = "an array of strings"
	var items []*string
	field(f, name, kind, &items)
	if items == nil {
		return
	}
	out := make([]string, 0, len(items))
	for _, item := range items {
		if item == nil {
			f.fail("%s must be %s.", name, kind)
			return
		}
		out = append(out, *item)
	}
	*to = out
}

func (f *fields) metrics(name string, to *[]Metric) {
	var items []map[string]json.RawMessage
	field(f, name, "an array of metrics, {name, type}", &items)
	if items == nil {
		return
	}
	out := make([]Metric, 0, len(items))
	for i, item := range items {
		inner := &fields{raw: item}
		var m Metric
		inner.require("name", "type")
		inner.text("name", &m.Name)
		inner.text("type", &m.Type)
		if inner.err != nil {
			f.fail("%s must be an array of metrics, {name, type}; entry %d is not.", name, i+1)
			return
		}
		out = append(out, m)
	}
	*to = out
}

// distinct drops the later of equal entries.
func distinct[T any](list []T, key func(T) string) []T {
	seen := map[string]bool{}
	out := make([]T, 0, len(list))
	for _, v := range list {
		if k := key(v); !seen[k] {
			seen[k] = true
			out = append(out, v)
		}
	}
	return out
}

func metricKey(m Metric) string { return fmt.Sprintf("%q %q", m.Name, m.Type) }

func sameText(s string) string { return s }
