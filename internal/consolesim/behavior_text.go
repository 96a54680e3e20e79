package consolesim

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

var durationType = reflect.TypeFor[time.Duration]()

// switchPositions names the values that a switch may take, where its type
// allows more.
var switchPositions = map[string][]string{
	"duplicateTeamNames": {NamesRefuse, NamesAllow},
	"patchOmitted":       {OmittedKeep, OmittedReset},
	"roleSpelling":       {SpellingExact, SpellingLower, SpellingKebab},
	"adminsAreMembers":   {AdminsAsSent, AdminsYes, AdminsNo},
	"unknownMember":      {UnknownRefuse, UnknownDrop, UnknownInvite},
	"refusals":           {RefusalsMessage, RefusalsErrors, RefusalsIndex},
	"unknownRole":        {"400", "404"},
	"invitedAgain":       {"200", "400", "409"},
	"missingDelete":      {"404", "200", "400"},
	"missingGet":         {"404", "400"},
	"count":              {CountAll, CountMutations},
	"retryAfter":         {RetryAfterSeconds, RetryAfterDate, RetryAfterAbsent},
}

// Switches describes every switch as "name=position|position", in the order of
// the fields of [Behavior], for help texts.
func Switches() []string {
	t := reflect.TypeFor[Behavior]()
	var out []string
	for i := range t.NumField() {
		name := t.Field(i).Tag.Get("json")
		positions := strings.Join(switchPositions[name], "|")
		switch f := t.Field(i).Type; {
		case positions != "":
		case f == durationType:
			positions = "DURATION"
		case f.Kind() == reflect.Bool:
			positions = "true|false"
		case f.Kind() == reflect.String:
			positions = "TEXT"
		default:
			positions = "NUMBER"
		}
		out = append(out, name+"="+positions)
	}
	return out
}

// Set changes one switch by its JSON name. Durations are written as "5s".
func (b *Behavior) Set(name, value string) error {
	field, ok := b.fields()[name]
	if !ok {
		return fmt.Errorf("there is no switch %q; the switches are %s", name,
			strings.Join(slices.Sorted(maps.Keys(b.fields())), ", "))
	}
	if allowed := switchPositions[name]; allowed != nil && !slices.Contains(allowed, value) {
		return fmt.Errorf("switch %s: %q is not one of %s", name, value, strings.Join(allowed, ", "))
	}
	switch {
	case field.Type() == durationType:
		d, err := time.ParseDuration(value)
		if err != nil || d < 0 {
			return fmt.Errorf("switch %s: %q is not a duration such as 5s", name, value)
		}
		field.SetInt(int64(d))
	case field.Kind() == reflect.Bool:
		v, err := strconv.ParseBool(value)
		if err != nil {
			return fmt.Errorf("switch %s: %q is neither true nor false", name, value)
		}
		field.SetBool(v)
	case field.Kind() == reflect.Int:
		v, err := strconv.Atoi(value)
		if err != nil {
			return fmt.Errorf("switch %s: %q is not a whole number", name, value)
		}
		field.SetInt(int64(v))
	default:
		field.SetString(value)
	}
	return nil
}

// Validate says which switch stands in a position that does not exist.
func (b Behavior) Validate() error {
	values := b.fields()
	for _, name := range slices.Sorted(maps.Keys(switchPositions)) {
		if err := new(Behavior).Set(name, fmt.Sprint(values[name])); err != nil {
			return err
		}
	}
	if b.DefaultPageSize < 1 {
		return fmt.Errorf("switch defaultPageSize: %d is not a positive number", b.DefaultPageSize)
	}
	return nil
}

// MarshalJSON writes every switch under its name, durations as "5s".
func (b Behavior) MarshalJSON() ([]byte, error) {
	out := map[string]any{}
	for name, field := range b.fields() {
		if field.Type() == durationType {
			out[name] = time.Duration(field.Int()).String()
			continue
		}
		out[name] = field.Interface()
	}
	return json.Marshal(out)
}

func (b *Behavior) fields() map[string]reflect.Value {
	v := reflect.ValueOf(b).Elem()
	out := make(map[string]reflect.Value, v.NumField())
	for i := range v.NumField() {
		out[v.Type().Field(i).Tag.Get("json")] = v.Field(i)
	}
	return out
}
