package console

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// A maker makes arbitrary teams of few distinct values, so that they collide.
type maker struct{ *rand.Rand }

func (m maker) chance() bool { return m.IntN(2) == 0 }

func (m maker) pick(from ...string) string { return from[m.IntN(len(from))] }

func pointer[T any](m maker, make func() T) *T {
	if m.chance() {
		return nil
	}
	v := make()
	return &v
}

// list is nil, empty, or some of few values, with duplicates.
func list[T any](m maker, make func() T) []T {
	if m.IntN(3) == 0 {
		return nil
	}
	out := []T{}
	for range m.IntN(5) {
		out = append(out, make())
	}
	return out
}

func (m maker) email() string {
	return m.pick("ada@example.com", "Ada@example.com", "grace@example.com", "alan@example.com", "b@example.com")
}

func (m maker) metric() Metric { return Metric{m.pick("dau", "wau", "a, b"), m.pick("user", "event")} }

func (m maker) flag() bool { return m.chance() }

func (m maker) text() string { return m.pick("", "x", "y", "anyone", "team_only") }

func (m maker) app() string { return m.pick("web", "ios", "web, ios", "é") }

func (m maker) desired() *DesiredTeam {
	return &DesiredTeam{
		Name: m.pick("A", "B"), Description: pointer(m, m.text), Members: list(m, m.email), Admins: list(m, m.email),
		DefaultGateMetrics: list(m, m.metric), DefaultExperimentPrimaryMetrics: list(m, m.metric),
		DefaultExperimentSecondaryMetrics: list(m, m.metric), DefaultHoldoutMetrics: list(m, m.metric),
		ChangeTeamConfigs: pointer(m, m.text), ReviewApproval: pointer(m, m.text), DefaultTargetApplications: list(m, m.app),
		DefaultHoldoutID: pointer(m, m.text), RequireReviews: pointer(m, m.flag), RequireGateTemplates: pointer(m, m.flag),
		RequireExperimentTemplates: pointer(m, m.flag), RequireDynamicConfigTemplates: pointer(m, m.flag),
	}
}

func (m maker) team() *Team {
	d := m.desired()
	t := (&DesiredTeam{Name: d.Name}).Merge(&Team{})
	t.MembersKnown = true
	return new(d.Merge(&t))
}

// respelled is the same team as a console may return it.
func (m maker) respelled(t Team) *Team {
	people := func(list []string) []string {
		out := slices.Clone(list)
		for i := range out {
			if m.chance() {
				out[i] = strings.ToLower(out[i])
			}
		}
		return out
	}
	t.Members, t.Admins = people(t.Members), people(t.Admins)
	isAdmin := func(email string) bool {
		return slices.ContainsFunc(t.Admins, func(a string) bool { return SameEmail(a, email) })
	}
	switch m.IntN(3) {
	case 0:
		t.Members = slices.Concat(t.Members, t.Admins)
	case 1:
		t.Members = slices.DeleteFunc(slices.Clone(t.Members), isAdmin)
	}
	t.Members, t.Admins = shuffled(m, t.Members), shuffled(m, t.Admins)
	for _, l := range []*[]Metric{&t.DefaultGateMetrics, &t.DefaultExperimentPrimaryMetrics, &t.DefaultExperimentSecondaryMetrics, &t.DefaultHoldoutMetrics} {
		*l = shuffled(m, *l)
	}
	t.DefaultTargetApplications = shuffled(m, t.DefaultTargetApplications)
	for _, flag := range []**bool{&t.RequireReviews, &t.RequireGateTemplates, &t.RequireExperimentTemplates, &t.RequireDynamicConfigTemplates} {
		if *flag != nil && !**flag && m.chance() {
			*flag = nil
		} else if *flag == nil && m.chance() {
			*flag = new(false)
		}
	}
	if t.DefaultHoldoutID != nil && *t.DefaultHoldoutID == "" && m.chance() {
		t.DefaultHoldoutID = nil
	}
	return &t
}

// shuffled is the list in another order, with duplicates dropped or added.
func shuffled[T comparable](m maker, list []T) []T {
	seen := map[T]bool{}
	var out []T
	drop := m.chance()
	for _, item := range list {
		if drop && seen[item] {
			continue
		}
		seen[item] = true
		out = append(out, item)
		if !drop && m.IntN(4) == 0 {
			out = append(out, item)
		}
	}
	m.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// managed is which fields of the spec are set.
func managed(d *DesiredTeam) map[string]bool {
	out := map[string]bool{"name": true}
	v := reflect.ValueOf(*d)
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		if f := v.Field(i); f.Kind() != reflect.String && !f.IsNil() {
			out[strings.ToLower(name[:1])+name[1:]] = true
		}
	}
	return out
}

// access is everybody who is in the team, and who of them is an admin, by how
// the team is meant to be read: independent of Diff's own sets.
func access(t *Team) (members, admins []string) {
	fold := func(list []string) []string {
		out := []string{}
		for _, email := range list {
			out = append(out, strings.ToLower(email))
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	return fold(slices.Concat(t.Members, t.Admins)), fold(t.Admins)
}

func missing(from, in []string) bool {
	return slices.ContainsFunc(from, func(email string) bool { return !slices.Contains(in, email) })
}

// One write settles a team, whatever the console makes of the spelling; only
// managed fields are ever reported; and a difference is said to revoke when,
// and only when, writing it takes membership or adminship from somebody.
func FuzzTeamDiff(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(seed, seed*seed)
	}
	f.Fuzz(func(t *testing.T, a, b uint64) {
		m := maker{rand.New(rand.NewPCG(a, b))}
		desired, have := m.desired(), m.team()
		differences := desired.Diff(have)
		fields := managed(desired)
		revokes := false
		for i, d := range differences {
			if !fields[d.Field] {
				t.Errorf("%s is not managed, and yet reported", d.Field)
			}
			if slices.ContainsFunc(differences[:i], func(o Difference) bool { return o.Field == d.Field }) {
				t.Errorf("%s is reported twice", d.Field)
			}
			revokes = revokes || d.Revokes
		}
		if again := desired.Diff(have); !reflect.DeepEqual(differences, again) {
			t.Errorf("compared twice: %+v and %+v", differences, again)
		}
		if same := desired.Diff(m.respelled(*have)); !reflect.DeepEqual(differences, same) {
			t.Errorf("the spelling matters: %+v and %+v", differences, same)
		}
		merged := desired.Merge(have)
		if left := desired.Diff(m.respelled(merged)); len(left) != 0 {
			t.Errorf("after a write %+v is left\ndesired %+v\nhave %+v\nwrote %+v", left, desired, have, merged)
		}
		members, admins := access(have)
		membersAfter, adminsAfter := access(&merged)
		takes := desired.Members != nil && missing(members, membersAfter) || missing(admins, adminsAfter)
		if takes != revokes {
			t.Errorf("takes access: %v, said to revoke: %v\ndesired %+v\nhave %+v\nwrote %+v", takes, revokes, desired, have, merged)
		}
	})
}

// FuzzNames: that two addresses, or two roles, are the same is reflexive,
// symmetric and transitive, and holds for every case of the letters of addresses
// and documented roles, and for no other role of another spelling; what is
// shown of them is bounded and does nothing to a terminal.
func FuzzNames(f *testing.F) {
	for _, seed := range [][3]string{
		{"Ada@Example.com", "ada@example.com", "ADA@EXAMPLE.COM "}, {"Read Only", "read-only", "READ_ONLY"}, {"Admin", "\u212adm\u0130n", "ａdmin"},
		{"\xff", "\ufffd", "\u00a0"}, {"ß", "SS", "ẞ"}, {"", " ", "-"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	same := map[string]func(a, b string) bool{"address": SameEmail, "role": SameRole}
	f.Fuzz(func(t *testing.T, a, b, c string) {
		for what, same := range same {
			if !same(a, a) || same(a, b) != same(b, a) {
				t.Errorf("%s: %q and %q are the same: %v, the other way %v", what, a, b, same(a, b), same(b, a))
			}
			if same(a, b) && same(b, c) && !same(a, c) {
				t.Errorf("%s: %q is %q, which is %q, and yet the first is not the last", what, a, b, c)
			}
			spelled := what == "address" || DocumentedRole(a) != a
			if ascii := func(r rune) bool { return r >= 0x80 }; spelled && !strings.ContainsFunc(a, ascii) && !same(a, strings.ToUpper(a)) {
				t.Errorf("%s: the case of %q matters", what, a)
			}
		}
		ascii := func(text string) string {
			return strings.Map(func(r rune) rune { return min(r, utf8.RuneSelf) }, text)
		}
		if SameEmail(a, b) && !strings.EqualFold(ascii(strings.TrimSpace(a)), ascii(strings.TrimSpace(b))) {
			t.Errorf("%q and %q are one address", a, b)
		}
		if documented := slices.Contains([]string{RoleAdmin, RoleMember, RoleReadOnly, RoleOwner}, DocumentedRole(a)); SameRole(a, b) && a != b && !documented {
			t.Errorf("%q and %q are one custom role", a, b)
		}
		if key := EmailKey(a); EmailKey(key) != key {
			t.Errorf("the key of %q has the key %q", key, EmailKey(key))
		}
		if Lowers(a, b) && (SameRole(a, b) || Lowers(b, a)) {
			t.Errorf("%q and %q both lower each other", a, b)
		}
		shown := Shown(a)
		if bad := func(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }; strings.ContainsFunc(shown, bad) || !utf8.ValidString(shown) || len(shown) > 6*maxShown+64 {
			t.Errorf("%q is shown as %q", a, shown)
		}
	})
}

// FuzzTeamTexts: with any texts in any field, a team differs from itself in
// nothing, one that differs from another does so the other way round, and what
// was merged is merged already.
func FuzzTeamTexts(f *testing.F) {
	f.Add("Growth", "ada@example.com", "dau", "user", "web", "h1")
	f.Add("a (b)", "Ada@example.com", "a (b", "c)", "", "\u00a0")
	f.Fuzz(func(t *testing.T, a, b, c, d, e, g string) {
		make := func(a, b, c, d, e, g string) DesiredTeam {
			return DesiredTeam{
				Name: a, Description: &b, Members: []string{b, g}, Admins: []string{c}, DefaultGateMetrics: []Metric{{c, d}, {d, e}},
				DefaultExperimentPrimaryMetrics: []Metric{}, DefaultExperimentSecondaryMetrics: []Metric{{e, g}}, DefaultHoldoutMetrics: []Metric{{a, b}},
				ChangeTeamConfigs: &d, ReviewApproval: &e, DefaultTargetApplications: []string{e, a}, DefaultHoldoutID: &g,
				RequireReviews: new(a == b), RequireGateTemplates: new(b == c), RequireExperimentTemplates: new(c == d), RequireDynamicConfigTemplates: new(d == e),
			}
		}
		one, other := make(a, b, c, d, e, g), make(g, e, d, c, b, a)
		first, second := one.Merge(nil), other.Merge(nil)
		if left := one.Diff(&first); len(left) != 0 {
			t.Errorf("a team differs from itself: %+v", left)
		}
		if there, back := one.Diff(&second), other.Diff(&first); (len(there) == 0) != (len(back) == 0) {
			t.Errorf("one differs from the other in %+v, the other from the one in %+v", there, back)
		}
		if again := one.Merge(&first); !reflect.DeepEqual(again, first) {
			t.Errorf("merged twice: %+v, once: %+v", again, first)
		}
		merged := one.Merge(&second)
		if left := one.Diff(&merged); len(left) != 0 {
			t.Errorf("after a write %+v is left", left)
		}
	})
}
