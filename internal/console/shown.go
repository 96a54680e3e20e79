package console

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxShown is how many bytes of a value are shown to people in a diff or event.
const maxShown = 256

// listDifference tells of two lists. Where one is too long to show, what they do
// not have in common is shown instead: that is what somebody looks for.
func listDifference(field string, want, got map[string]bool) Difference {
	d := Difference{Field: field, Want: joined(want), Have: joined(got)}
	if len(d.Want) <= maxShown && len(d.Have) <= maxShown {
		d.Want, d.Have = Shown(d.Want), Shown(d.Have)
		return d
	}
	added, removed := few("+", without(want, got)), few("-", without(got, want))
	d.Want, d.Have = counted(len(want), added), counted(len(got), removed)
	d.Edits = strings.Join(slices.DeleteFunc([]string{added, removed}, func(s string) bool { return s == "" }), ", ")
	return d
}

func counted(n int, differing string) string {
	if differing == "" {
		return fmt.Sprintf("%d in all", n)
	}
	return fmt.Sprintf("%d in all: %s", n, differing)
}

// few shows the first of a list, each after a sign, and counts the rest.
func few(sign string, items map[string]bool) string {
	var out strings.Builder
	sorted := slices.Sorted(maps.Keys(items))
	for i, item := range sorted {
		if i > 0 && out.Len()+len(item) > maxShown {
			fmt.Fprintf(&out, " and %d more", len(sorted)-i)
			break
		}
		if i > 0 {
			out.WriteString(", ")
		}
		out.WriteString(sign + Shown(item))
	}
	return out.String()
}

// Shown is a value as it is shown to people in a diff or event: bounded, and
// with escapes in place of what a terminal would act on or nobody could see.
// Anybody who may edit the console can put such characters into a name.
func Shown(text string) string {
	size, cut := len(text), maxShown
	if size > cut {
		for !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut]
	}
	var out strings.Builder
	for _, r := range strings.ToValidUTF8(text, string(utf8.RuneError)) {
		if unicode.In(r, unicode.C, unicode.Zl, unicode.Zp) {
			out.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
			continue
		}
		out.WriteRune(r)
	}
	if size > maxShown {
		fmt.Fprintf(&out, "… (%d bytes)", size)
	}
	return out.String()
}
