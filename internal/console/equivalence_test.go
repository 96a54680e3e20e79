package console

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSpellings(t *testing.T) {
	tests := []struct {
		same func(a, b string) bool
		a, b string
		want bool
	}{
		{SameEmail, "Ada@Example.com", " ada@example.com ", true},
		{SameEmail, "ada@example.com", "ada@example.org", false},
		{SameEmail, "kim@example.com", "\u212aim@example.com", false},       // the Kelvin sign
		{SameEmail, "ida@example.com", "\u0130da@example.com", false},       // İ
		{SameEmail, "i\u0307da@example.com", "\u0130da@example.com", false}, // what its lower case is
		{SameEmail, "sam@example.com", "\u017fam@example.com", false},       // the long s
		{SameEmail, "\u00c4nne@example.com", "\u00e4nne@example.com", false},
		{SameEmail, "ada@example.com", "ada@example.com\u00a0", false},
		{SameEmail, "\xff@example.com", "\xfe@example.com", false},
		{SameRole, "Read Only", "read-only", true},
		{SameRole, "Read Only", "READ_ONLY", true},
		{SameRole, "Admin", "admin", true},
		{SameRole, "Admin", "Admins", false},
		{SameRole, "Read Only", "ReadOnly", true},
		{SameRole, "Owner", "owner", true},
		{SameRole, "Admin", "Ad-min", false},
		{SameRole, "Member", "mem ber", false},
		{SameRole, "Data Team", "Data-Team", false},
		{SameRole, "Data Team", "data team", false},
		{SameRole, "Data Team", "Data Team", true},
		{SameRole, "Admin", "ADM\u0130N", false},
		{Lowers, "Owner", "Admin", true},
		{Lowers, "Admin", "owner", false},
		{Lowers, "Data Team", "Data-Team", false},
		{Lowers, "Admin", "Member", true},
		{Lowers, "admin", "Analyst", true},
		{Lowers, "Admin", "admin", false},
		{Lowers, "Member", "read-only", true},
		{Lowers, "read only", "Read Only", false},
		{Lowers, "Member", "Admin", false},
		{Lowers, "Member", "Analyst", false},
	}
	for _, tt := range tests {
		if got := tt.same(tt.a, tt.b); got != tt.want {
			t.Errorf("%q and %q: %v, want %v", tt.a, tt.b, got, tt.want)
		}
	}
	if !IsAdmin("ADMIN") || IsAdmin("Member") || IsAdmin("Ad-min") || IsAdmin("Owner") {
		t.Error("IsAdmin is wrong")
	}
	for role, want := range map[string]string{"read_only": "Read Only", "ADMIN": "Admin", "owner": "Owner", "Ad-min": "Ad-min", "data-team": "data-team"} {
		if got := DocumentedRole(role); got != want {
			t.Errorf("%q is written as %q, want %q", role, got, want)
		}
	}
}

func people(emails ...string) []string { return append([]string{}, emails...) }

func TestDiffPeople(t *testing.T) {
	type diff struct {
		field   string
		revokes bool
	}
	tests := []struct {
		name                                         string
		members, admins                              []string // desired
		haveMembers, haveAdmins                      []string
		unknown                                      bool
		want                                         []diff
		wantMembers, gotMembers, wantAdmin, gotAdmin string
	}{
		{name: "equal", members: people("a", "b"), admins: people("c"), haveMembers: people("b", "A"), haveAdmins: people("C")},
		{name: "duplicates", members: people("a", "A", "b"), haveMembers: people("b", "a", "b")},
		{name: "admin also listed", members: people("a"), admins: people("b"), haveMembers: people("a", "b"), haveAdmins: people("b")},
		{name: "admin not listed", members: people("a", "b"), admins: people("b"), haveMembers: people("a"), haveAdmins: people("b")},
		{name: "unmanaged admin counts as member", members: people("a", "b"), haveMembers: people("a"), haveAdmins: people("b", "c")},
		{name: "unmanaged members", admins: people("a"), haveMembers: people("x", "y"), haveAdmins: people("a")},
		{name: "nothing managed", haveMembers: people("x"), haveAdmins: people("y")},
		{name: "unknown members", members: people("a"), admins: people("b"), unknown: true},
		{name: "member added", members: people("a", "b"), haveMembers: people("a"), want: []diff{{"members", false}}, wantMembers: "a, b", gotMembers: "a"},
		{name: "member removed", members: people("a"), haveMembers: people("a", "b"), want: []diff{{"members", true}}, wantMembers: "a", gotMembers: "a, b"},
		{name: "all removed", members: people(), haveMembers: people("b"), want: []diff{{"members", true}}, gotMembers: "b"},
		{name: "promoted", members: people("a"), admins: people("b"), haveMembers: people("a", "b"), want: []diff{{"admins", false}}, wantAdmin: "b"},
		{name: "added as both", members: people("a", "b"), admins: people("b"), haveMembers: people("a"), want: []diff{{"admins", false}}, wantAdmin: "b"},
		{name: "demoted", members: people("a", "b"), admins: people(), haveMembers: people("a"), haveAdmins: people("b"), want: []diff{{"admins", true}}, gotAdmin: "b"},
		{name: "admin removed", members: people("a"), admins: people(), haveMembers: people("a", "b"), haveAdmins: people("b"), want: []diff{{"admins", true}}, gotAdmin: "b"},
		{name: "admin exchanged", admins: people("a"), haveAdmins: people("b"), want: []diff{{"admins", true}}, wantAdmin: "a", gotAdmin: "b"},
		{name: "both differ", members: people("a"), admins: people("b"), haveMembers: people("x"), haveAdmins: people("y"),
			want: []diff{{"members", true}, {"admins", true}}, wantMembers: "a", gotMembers: "x", wantAdmin: "b", gotAdmin: "y"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := DesiredTeam{Members: tt.members, Admins: tt.admins}
			have := Team{Members: tt.haveMembers, Admins: tt.haveAdmins, MembersKnown: !tt.unknown}
			got := d.Diff(&have)
			if len(got) != len(tt.want) {
				t.Fatalf("%+v, want %+v", got, tt.want)
			}
			shown := map[string][2]string{"members": {tt.wantMembers, tt.gotMembers}, "admins": {tt.wantAdmin, tt.gotAdmin}}
			for i, g := range got {
				if w := tt.want[i]; g.Field != w.field || g.Revokes != w.revokes {
					t.Errorf("%+v, want %+v", g, w)
				}
				if s := shown[g.Field]; g.Want != s[0] || g.Have != s[1] {
					t.Errorf("%s shown as %q and %q, want %q and %q", g.Field, g.Want, g.Have, s[0], s[1])
				}
			}
		})
	}
}

func TestDiffFields(t *testing.T) {
	a, b := []Metric{{"dau", "user"}}, []Metric{{"wau", "user"}, {"dau", "user"}}
	tests := []struct {
		field      string
		desired    DesiredTeam
		have       Team
		want, held string
	}{
		{"name", DesiredTeam{Name: "A"}, Team{Name: "B"}, "A", "B"},
		{"description", DesiredTeam{Description: new("")}, Team{Description: "x"}, "", "x"},
		{"defaultGateMetrics", DesiredTeam{DefaultGateMetrics: a}, Team{DefaultGateMetrics: b}, "dau (user)", "dau (user), wau (user)"},
		{"defaultExperimentPrimaryMetrics", DesiredTeam{DefaultExperimentPrimaryMetrics: a}, Team{}, "dau (user)", ""},
		{"defaultExperimentSecondaryMetrics", DesiredTeam{DefaultExperimentSecondaryMetrics: []Metric{}}, Team{DefaultExperimentSecondaryMetrics: a}, "", "dau (user)"},
		{"defaultHoldoutMetrics", DesiredTeam{DefaultHoldoutMetrics: a}, Team{DefaultHoldoutMetrics: []Metric{{"dau", "event"}}}, "dau (user)", "dau (event)"},
		{"changeTeamConfigs", DesiredTeam{ChangeTeamConfigs: new("team_only")}, Team{ChangeTeamConfigs: "anyone"}, "team_only", "anyone"},
		{"reviewApproval", DesiredTeam{ReviewApproval: new("admin_only")}, Team{ReviewApproval: "anyone"}, "admin_only", "anyone"},
		{"defaultTargetApplications", DesiredTeam{DefaultTargetApplications: []string{"a, b"}}, Team{DefaultTargetApplications: []string{"a", "b"}}, "a, b", "a, b"},
		{"defaultHoldoutID", DesiredTeam{DefaultHoldoutID: new("h")}, Team{}, "h", ""},
		{"requireReviews", DesiredTeam{RequireReviews: new(true)}, Team{}, "true", "false"},
		{"requireGateTemplates", DesiredTeam{RequireGateTemplates: new(false)}, Team{RequireGateTemplates: new(true)}, "false", "true"},
		{"requireExperimentTemplates", DesiredTeam{RequireExperimentTemplates: new(true)}, Team{}, "true", "false"},
		{"requireDynamicConfigTemplates", DesiredTeam{RequireDynamicConfigTemplates: new(true)}, Team{RequireDynamicConfigTemplates: new(false)}, "true", "false"},
	}
	for _, tt := range tests {
		want := Difference{Field: tt.field, Want: tt.want, Have: tt.held}
		if got := tt.desired.Diff(&tt.have); len(got) != 1 || got[0] != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		merged := tt.desired.Merge(&tt.have)
		if got := tt.desired.Diff(&merged); len(got) != 0 {
			t.Errorf("%s merged and yet different: %+v", tt.field, got)
		}
	}
}

func TestEquivalentValues(t *testing.T) {
	d := DesiredTeam{
		Name: "A", Description: new(" x"), RequireReviews: new(false), DefaultHoldoutID: new(""),
		DefaultTargetApplications: []string{"b", "a", "b"}, DefaultGateMetrics: []Metric{{"x", "user"}, {"x", "user"}},
	}
	have := Team{Name: "A ", Description: "x ", DefaultTargetApplications: []string{"a", "b"}, DefaultGateMetrics: []Metric{{"x", "user"}}}
	if got := d.Diff(&have); len(got) != 0 {
		t.Errorf("equivalent, and yet different: %+v", got)
	}
}

func TestMergeOfANewTeam(t *testing.T) {
	d := DesiredTeam{Name: "A", Members: people("b", "B", "c")}
	got := d.Merge(nil)
	if got.ChangeTeamConfigs != "anyone" || got.ReviewApproval != "anyone" || !got.MembersKnown || strings.Join(got.Members, " ") != "b c" || got.Admins != nil {
		t.Errorf("%+v", got)
	}
}

// Members that are not known are never written back as none.
func TestMergeOfUnknownMembers(t *testing.T) {
	for name, tt := range map[string]struct {
		d    DesiredTeam
		want bool
	}{
		"neither managed": {DesiredTeam{}, false},
		"members managed": {DesiredTeam{Members: people("a")}, false},
		"admins managed":  {DesiredTeam{Admins: people()}, false},
		"both managed":    {DesiredTeam{Members: people("a"), Admins: people()}, true},
	} {
		if got := tt.d.Merge(&Team{ID: "1"}); got.MembersKnown != tt.want {
			t.Errorf("%s: MembersKnown is %v", name, got.MembersKnown)
		}
	}
}

func TestManages(t *testing.T) {
	d := DesiredTeam{
		Description: new(""), Members: people(), DefaultGateMetrics: []Metric{}, DefaultExperimentPrimaryMetrics: []Metric{},
		DefaultExperimentSecondaryMetrics: []Metric{}, DefaultHoldoutMetrics: []Metric{}, ChangeTeamConfigs: new(""), ReviewApproval: new(""),
		DefaultTargetApplications: people(), DefaultHoldoutID: new(""), RequireReviews: new(true), RequireGateTemplates: new(true),
		RequireExperimentTemplates: new(true), RequireDynamicConfigTemplates: new(true),
	}
	if d.ManagesAll() || !d.ManagesMembers() {
		t.Error("a team without admins is managed whole")
	}
	if d.Admins = people(); !d.ManagesAll() {
		t.Error("a team with every field is not managed whole")
	}
	if d = (DesiredTeam{}); d.ManagesMembers() || d.ManagesAll() {
		t.Error("a team without fields manages some")
	}
}

func TestLongValuesAreCut(t *testing.T) {
	for _, text := range []string{strings.Repeat("a", maxShown), strings.Repeat("ä", 300), "x" + strings.Repeat("ä", 300), strings.Repeat("€", 300)} {
		got := Shown(text)
		if !utf8.ValidString(got) || len(got) > maxShown+32 || len(text) <= maxShown && got != text || len(text) > maxShown && !strings.Contains(got, "… (") {
			t.Errorf("%q cut to %q", text, got)
		}
	}
}

// Of lists too long to show a difference tells what one has and the other lacks.
func TestLongListsShowTheDifference(t *testing.T) {
	people := func(from, to int) (out []string) {
		for i := from; i < to; i++ {
			out = append(out, fmt.Sprintf("person-%03d@example.com", i))
		}
		return out
	}
	tests := []struct {
		name              string
		want, have        []string
		shown, was, edits string
	}{
		{
			"one joins, one leaves", append(people(1, 50), "new@example.com"), people(0, 50),
			"50 in all: +new@example.com", "50 in all: -person-000@example.com", "+new@example.com, -person-000@example.com",
		},
		{"one joins", people(0, 51), people(0, 50), "51 in all: +person-050@example.com", "50 in all", "+person-050@example.com"},
		{
			"many leave", people(0, 1), people(0, 500), "1 in all",
			"500 in all: -" + strings.Join(people(1, 11), ", -") + " and 489 more", "-" + strings.Join(people(1, 11), ", -") + " and 489 more",
		},
		{"short ones", people(0, 2), people(0, 1), strings.Join(people(0, 2), ", "), people(0, 1)[0], ""},
	}
	for _, tt := range tests {
		desired := DesiredTeam{Name: "x", Members: tt.want}
		got := desired.Diff(&Team{Name: "x", Members: tt.have, MembersKnown: true})
		if len(got) != 1 || got[0].Field != "members" || got[0].Want != tt.shown || got[0].Have != tt.was || got[0].Edits != tt.edits {
			t.Errorf("%s: %+v, want %q and %q by %q", tt.name, got, tt.shown, tt.was, tt.edits)
		}
	}
}

// What a person at the console puts into a name does nothing to a terminal, and
// can be seen.
func TestValuesAreShownPlainly(t *testing.T) {
	for text, want := range map[string]string{
		"Größe & チーム": "Größe & チーム", "a\nb": `a\nb`, "\x1b[2J": `\x1b[2J`, "a\u202eb": `a\u202eb`, "Gro\u200bwth": `Gro\u200bwth`,
		"a\xffb": "a\uFFFDb", "a\u2028b": `a\u2028b`, `a'b"c\`: `a'b"c\`, "": "",
	} {
		if got := Shown(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}

// Two metrics are one only when both name and type are the same.
func TestMetricsThatReadAlike(t *testing.T) {
	want := DesiredTeam{DefaultGateMetrics: []Metric{{"a (b)", "c"}}}
	for _, other := range []Metric{{"a", "b) (c"}, {"a ", "(b) (c"}, {`"a (b)"`, "c"}, {"a", "b"}} {
		if d := want.Diff(&Team{DefaultGateMetrics: []Metric{other}}); len(d) != 1 {
			t.Errorf("%q is taken for %q", other, want.DefaultGateMetrics[0])
		}
	}
	if d := want.Diff(&Team{DefaultGateMetrics: []Metric{{" a (b)", "c "}}}); len(d) != 0 {
		t.Errorf("%+v", d)
	}
}
