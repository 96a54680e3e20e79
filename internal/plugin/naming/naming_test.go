package naming

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"
)

func TestEmails(t *testing.T) {
	for _, tt := range []struct{ email, want string }{
		{"ada@example.com", "ada-at-example.com"},
		{"Ada@Example.com", "ada-at-example.com"},
		{"ada.lovelace@mail.example.com", "ada.lovelace-at-mail.example.com"},
		{"ada-l@example.com", "ada-l-at-example.com"},
		// What cannot be told from the name has a digest.
		{"ada+test@example.com", "ada-test-at-example.com-2e8a41f1"},
		{"ada_l@example.com", "ada-l-at-example.com-38e60c37"},
		{"_ada_@example.com", "ada--at-example.com-3256ac5e"},
		{"ada-at-home@example.com", "ada-at-home-at-example.com-b04cca8b"},
		{".@example.com", "at-example.com-21962ae2"},
	} {
		t.Run(tt.email, func(t *testing.T) {
			got := Emails([]string{tt.email}, strings.ToLower)[tt.email]
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			// Others change nothing.
			others := []string{"a@b.example.com", tt.email, "a.b@example.com", "ada-at-home-at-example.com@example.com"}
			if again := Emails(others, strings.ToLower)[tt.email]; again != got {
				t.Errorf("among others it is %q, alone %q", again, got)
			}
		})
	}
}

func TestTeams(t *testing.T) {
	for _, tt := range []struct {
		title string
		want  map[string]string
	}{
		{"readable", map[string]string{"Growth": "growth", "Growth & Pricing": "growth-pricing", "  R2-D2!": "r2-d2"}},
		{"one name for several", map[string]string{
			"Growth": "growth-66b06e99", "growth": "growth", "GROWTH!": "growth-811ca541",
		}},
		{"nothing readable", map[string]string{"成長": "team-aa6dcdf6", "!": "team-bb7208bc"}},
	} {
		t.Run(tt.title, func(t *testing.T) {
			got := Teams(slices.Collect(maps.Keys(tt.want)))
			if !maps.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// A team whose own name is another's with the digest is told from it, too.
func TestForgedDigest(t *testing.T) {
	names := Teams([]string{"Growth", "GROWTH"})
	forged := names["Growth"]
	unique(t, Teams([]string{"Growth", "GROWTH", forged}))
}

func TestLongNames(t *testing.T) {
	var teams, emails []string
	for i := range 20 {
		teams = append(teams, strings.Repeat("Growth ", 34+i))
		emails = append(emails, strings.Repeat("a", 64)+"@"+strings.Repeat("b.", 85+i)+"com")
	}
	unique(t, Teams(teams))
	unique(t, Emails(emails, strings.ToLower))
}

func FuzzNames(f *testing.F) {
	f.Add("ada@example.com", "ada_l@example.com", "ada-l@example.com")
	f.Add("Growth", "growth", "growth!")
	f.Add("", "-", "...")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		texts := []string{a, b, c}
		unique(t, Emails(texts, strings.ToLower), strings.ToLower)
		unique(t, Teams(texts), strings.TrimSpace)
		reversed := []string{c, b, a}
		if !maps.Equal(Teams(texts), Teams(reversed)) {
			t.Errorf("the order of %q matters", texts)
		}
	})
}

// unique fails the test unless all names are valid, and different for texts
// that are different after folding.
func unique(t *testing.T, names map[string]string, fold ...func(string) string) {
	t.Helper()
	owner := map[string]string{}
	for text, name := range names {
		for _, f := range fold {
			text = f(text)
		}
		if wrong := validation.IsDNS1123Subdomain(name); len(wrong) > 0 || len(name) > maxLength {
			t.Errorf("%q is named %q: %v", text, name, fmt.Sprint(wrong))
		}
		if other, taken := owner[name]; taken && other != text {
			t.Errorf("%q and %q are both named %q", text, other, name)
		}
		owner[name] = text
	}
}
