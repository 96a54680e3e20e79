package upgrade

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// A tightening is something that values which were admitted before may not
// satisfy. The API server still admits such a value while it is not changed
// (validation ratcheting), if field says which.
type tightening struct {
	// field is a path such as "spec.members[]".
	field string
	// what is the message of the new rule, or what was tightened.
	what string
}

// A comparison tells how a schema differs from a former one, as far as that
// concerns objects which were made with the former.
type comparison struct {
	// broken says what must not be, each beginning with the path of the field.
	broken []string
	// tightened is what must not concern values that are not changed.
	tightened []tightening
}

// compareDefinitions compares all that objects and their users rely on.
func compareDefinitions(before, now definition, read func(version) *schema) comparison {
	c := &comparison{}
	b, n := before.Spec, now.Spec
	b.Versions, n.Versions = nil, nil
	if !reflect.DeepEqual(b, n) {
		c.breaks("", "group, scope or names are %+v, were %+v", n, b)
	}
	for _, old := range before.Spec.Versions {
		i := slices.IndexFunc(now.Spec.Versions, func(v version) bool { return v.Name == old.Name })
		if i < 0 {
			c.breaks("", "version %s was removed", old.Name)
			continue
		}
		v := now.Spec.Versions[i]
		if old.Served && !v.Served || old.Storage && !v.Storage {
			c.breaks("", "version %s is no longer served, or no longer the stored one", old.Name)
		}
		if !reflect.DeepEqual(old.Subresources, v.Subresources) {
			c.breaks("", "the subresources of version %s are %v, were %v", old.Name, v.Subresources, old.Subresources)
		}
		c.compare("", read(old), read(v))
	}
	slices.Sort(c.broken)
	slices.SortFunc(c.tightened, func(a, b tightening) int {
		return cmp.Or(strings.Compare(a.field, b.field), strings.Compare(a.what, b.what))
	})
	c.tightened = slices.Compact(c.tightened)
	return *c
}

func (c *comparison) breaks(field, format string, args ...any) {
	c.broken = append(c.broken, cmp.Or(field, "the object")+": "+fmt.Sprintf(format, args...))
}

func (c *comparison) tightens(field, format string, args ...any) {
	c.tightened = append(c.tightened, tightening{field, fmt.Sprintf(format, args...)})
}

func (c *comparison) compare(field string, before, now *schema) {
	for name, pair := range map[string][2]any{
		"type": {before.Type, now.Type}, "format": {before.Format, now.Format}, "map type": {before.MapType, now.MapType},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			c.breaks(field, "its %s is %v, was %v", name, pair[1], pair[0])
		}
	}
	// An atomic list admits all values, and the API server converts the records of who set what.
	if now.ListType != "atomic" && (before.ListType != now.ListType || !slices.Equal(before.ListMapKeys, now.ListMapKeys)) {
		c.breaks(field, "its list type is %s %v, was %s %v", now.ListType, now.ListMapKeys, before.ListType, before.ListMapKeys)
	}
	// In a spec, what is not set is not managed: a default would end that.
	harmless := before.Default == nil && strings.HasPrefix(field, "status")
	if !harmless && !reflect.DeepEqual(before.Default, now.Default) {
		c.breaks(field, "its default is %v, was %v", now.Default, before.Default)
	}
	c.compareLimits(field, before, now)
	for _, r := range now.Rules {
		if !slices.ContainsFunc(before.Rules, func(old rule) bool { return old.Rule == r.Rule && old.FieldPath == r.FieldPath }) {
			c.tightens(field+r.FieldPath, "%s", r.Message)
		}
	}
	for _, name := range now.Required {
		if p := now.Properties[name]; !slices.Contains(before.Required, name) && (p == nil || p.Default == nil) {
			c.breaks(child(field, name), "it is required now and has no default")
		}
	}
	c.compareWithin(child(field, "*"), before.AdditionalProperties, now.AdditionalProperties)
	c.compareWithin(field+"[]", before.Items, now.Items)
	for _, name := range slices.Sorted(maps.Keys(before.Properties)) {
		c.compareWithin(child(field, name), before.Properties[name], now.Properties[name])
	}
}

func (c *comparison) compareWithin(field string, before, now *schema) {
	switch {
	case before == nil:
	case now == nil:
		c.breaks(field, "it was removed, so its values are dropped")
	default:
		c.compare(field, before, now)
	}
}

func (c *comparison) compareLimits(field string, before, now *schema) {
	for _, value := range before.Enum {
		if len(now.Enum) > 0 && !slices.Contains(now.Enum, value) {
			c.tightens(field, "%q is no longer one of its values", value)
		}
	}
	if len(before.Enum) == 0 && len(now.Enum) > 0 {
		c.tightens(field, "it must be one of %q", now.Enum)
	}
	if now.Pattern != "" && now.Pattern != before.Pattern {
		c.tightens(field, "it must match %s", now.Pattern)
	}
	for name, pair := range map[string][2]*int64{
		"maxLength": {before.MaxLength, now.MaxLength}, "maxItems": {before.MaxItems, now.MaxItems}, "maximum": {before.Maximum, now.Maximum},
	} {
		if old, limit := pair[0], pair[1]; limit != nil && (old == nil || *limit < *old) {
			c.tightens(field, "its %s is %d", name, *limit)
		}
	}
	for name, pair := range map[string][2]*int64{
		"minLength": {before.MinLength, now.MinLength}, "minItems": {before.MinItems, now.MinItems}, "minimum": {before.Minimum, now.Minimum},
	} {
		if old, limit := pair[0], pair[1]; limit != nil && (old == nil || *limit > *old) {
			c.tightens(field, "its %s is %d", name, *limit)
		}
	}
}

func child(field, name string) string { return strings.TrimPrefix(field+"."+name, ".") }
