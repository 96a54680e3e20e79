package docs

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// A page is what matters of a page in Markdown here.
type page struct {
	// links are the targets of its links.
	links []string
	// anchors are what its headings can be linked by.
	anchors []string
}

var (
	// code is a span of it, in which nothing is a link.
	code = regexp.MustCompile("`[^`]*`")
	link = regexp.MustCompile(`\]\(([^()\s]+)\)`)
)

// parse reads what this repository uses of Markdown: headings that begin with
// #, links in brackets, and code between fences or backticks.
func parse(text string) (p page) {
	fenced := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
			continue
		}
		if fenced {
			continue
		}
		if marks, heading, ok := strings.Cut(line, " "); ok && marks != "" && strings.Trim(marks, "#") == "" {
			p.anchors = append(p.anchors, unused(p.anchors, anchor(heading)))
		}
		for _, found := range link.FindAllStringSubmatch(code.ReplaceAllString(line, "code"), -1) {
			p.links = append(p.links, found[1])
		}
	}
	return p
}

// anchor is what GitHub makes of a heading, and mkdocs too as long as no
// punctuation stands between spaces.
func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			return unicode.ToLower(r)
		case r == ' ':
			return '-'
		}
		return -1
	}, strings.TrimSpace(heading))
}

func unused(taken []string, name string) string {
	candidate := name
	for n := 1; slices.Contains(taken, candidate); n++ {
		candidate = fmt.Sprintf("%s-%d", name, n)
	}
	return candidate
}

func TestParse(t *testing.T) {
	p := parse("# First `steps`, then\ntext [a](b.md#c) and ![i](i.png) but not `[d](e.md)`\n" +
		"```sh\n# no heading [f](g.md)\n```\n## Twice\n## Twice\n#hashtag\n| [h](i.md) | [j](#twice) |\n")
	if want := []string{"b.md#c", "i.png", "i.md", "#twice"}; !slices.Equal(p.links, want) {
		t.Errorf("links %q, want %q", p.links, want)
	}
	if want := []string{"first-steps-then", "twice", "twice-1"}; !slices.Equal(p.anchors, want) {
		t.Errorf("anchors %q, want %q", p.anchors, want)
	}
}
