package console

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// SameEmail reports whether two addresses are one person's: consoles may
// return addresses lower-cased.
func SameEmail(a, b string) bool { return EmailKey(a) == EmailKey(b) }

// EmailKey is the form of an address that is the same for every spelling of it.
// Only the case of ASCII letters makes no difference: Unicode has other letters,
// such as the Kelvin sign, whose lower case is an ASCII letter, and an address with
// one of those is another person's.
func EmailKey(email string) string { return lowerASCII(strings.Trim(email, " \t\r\n")) }

func lowerASCII(text string) string {
	lower := []byte(text)
	for i, b := range lower {
		if 'A' <= b && b <= 'Z' {
			lower[i] = b + 'a' - 'A'
		}
	}
	return string(lower)
}

// The roles that every project has.
const (
	RoleAdmin    = "Admin"
	RoleMember   = "Member"
	RoleReadOnly = "Read Only"
	// RoleOwner comes back from the console, which alone transfers it: it is never
	// set or taken through this operator.
	RoleOwner = "Owner"
)

// documentedRoles are the names of these roles by their roleKey.
var documentedRoles = map[string]string{
	"admin": RoleAdmin, "member": RoleMember, "read only": RoleReadOnly, "readonly": RoleReadOnly, "owner": RoleOwner,
}

// DocumentedRole is a role's name as the console accepts it, which may be another
// spelling than the one it answers in: "Read Only" for "read_only". The name of a
// custom role has one spelling only.
func DocumentedRole(role string) string {
	if documented, ok := documentedRoles[roleKey(role)]; ok {
		return documented
	}
	return role
}

var roleSeparators = strings.NewReplacer("-", " ", "_", " ")

func roleKey(role string) string { return roleSeparators.Replace(lowerASCII(role)) }

// SameRole reports whether two role names mean one role: consoles may return
// "admin" for "Admin" and "read-only" for "Read Only". Names of custom roles are
// one only when they are equal.
func SameRole(a, b string) bool { return DocumentedRole(a) == DocumentedRole(b) }

// IsAdmin reports whether a role is the project's Admin role.
func IsAdmin(role string) bool { return DocumentedRole(role) == RoleAdmin }

// IsOwner reports whether a role is that of the project's owner.
func IsOwner(role string) bool { return DocumentedRole(role) == RoleOwner }

// Lowers reports whether going from one role to another certainly takes access
// away: from Owner or Admin to anything less, or to Read Only. How custom roles
// compare is not known from their names.
func Lowers(from, to string) bool {
	if SameRole(from, to) || IsOwner(to) {
		return false
	}
	return IsOwner(from) || IsAdmin(from) || SameRole(to, RoleReadOnly)
}

// A DesiredTeam is a team as it should be. Nil fields are not managed; an
// empty list is a value.
type DesiredTeam struct {
	Name            string
	Description     *string
	Members, Admins []string

	DefaultGateMetrics                []Metric
	DefaultExperimentPrimaryMetrics   []Metric
	DefaultExperimentSecondaryMetrics []Metric
	DefaultHoldoutMetrics             []Metric

	ChangeTeamConfigs, ReviewApproval *string
	DefaultTargetApplications         []string

	DefaultHoldoutID              *string
	RequireReviews                *bool
	RequireGateTemplates          *bool
	RequireExperimentTemplates    *bool
	RequireDynamicConfigTemplates *bool
}

// ManagesMembers reports whether the team's members or admins are managed.
func (d *DesiredTeam) ManagesMembers() bool { return d.Members != nil || d.Admins != nil }

// ManagesAll reports whether every field is managed, so that a write needs
// nothing of what the console holds.
func (d *DesiredTeam) ManagesAll() bool {
	return d.Description != nil && d.Members != nil && d.Admins != nil &&
		d.DefaultGateMetrics != nil && d.DefaultExperimentPrimaryMetrics != nil &&
		d.DefaultExperimentSecondaryMetrics != nil && d.DefaultHoldoutMetrics != nil &&
		d.ChangeTeamConfigs != nil && d.ReviewApproval != nil && d.DefaultTargetApplications != nil &&
		d.DefaultHoldoutID != nil && d.RequireReviews != nil && d.RequireGateTemplates != nil &&
		d.RequireExperimentTemplates != nil && d.RequireDynamicConfigTemplates != nil
}

// A Difference is one managed field in which the console is not as desired.
type Difference struct {
	Field string
	// Want and Have are the values, or of lists too long to show how many they
	// are and what each has that the other lacks.
	Want, Have string
	// Edits is what makes such a list as desired, e.g. "+a@example.com, -b@example.com".
	Edits string
	// Revokes is true when making it so takes somebody's access away.
	Revokes bool
}

// Diff compares a team in the console with what is desired, field by field in
// a fixed order. Order, duplicates, the case of addresses, null for an unset
// flag, and whether an admin is also listed as a member make no difference.
// Members and admins are compared only when have.MembersKnown.
func (d *DesiredTeam) Diff(have *Team) []Difference {
	var out []Difference
	add := func(field, want, got string) {
		if strings.TrimSpace(want) != strings.TrimSpace(got) {
			out = append(out, Difference{Field: field, Want: Shown(want), Have: Shown(got)})
		}
	}
	addSet := func(field string, want, got map[string]bool) {
		if !maps.Equal(want, got) {
			out = append(out, listDifference(field, want, got))
		}
	}
	add("name", d.Name, have.Name)
	if d.Description != nil {
		add("description", *d.Description, have.Description)
	}
	if have.MembersKnown {
		out = append(out, d.diffPeople(have)...)
	}
	for _, m := range []struct {
		field     string
		want, got []Metric
	}{
		{"defaultGateMetrics", d.DefaultGateMetrics, have.DefaultGateMetrics},
		{"defaultExperimentPrimaryMetrics", d.DefaultExperimentPrimaryMetrics, have.DefaultExperimentPrimaryMetrics},
		{"defaultExperimentSecondaryMetrics", d.DefaultExperimentSecondaryMetrics, have.DefaultExperimentSecondaryMetrics},
		{"defaultHoldoutMetrics", d.DefaultHoldoutMetrics, have.DefaultHoldoutMetrics},
	} {
		if m.want != nil {
			addSet(m.field, metricSet(m.want), metricSet(m.got))
		}
	}
	if d.ChangeTeamConfigs != nil {
		add("changeTeamConfigs", *d.ChangeTeamConfigs, have.ChangeTeamConfigs)
	}
	if d.ReviewApproval != nil {
		add("reviewApproval", *d.ReviewApproval, have.ReviewApproval)
	}
	if d.DefaultTargetApplications != nil {
		addSet("defaultTargetApplications", stringSet(d.DefaultTargetApplications), stringSet(have.DefaultTargetApplications))
	}
	if d.DefaultHoldoutID != nil {
		add("defaultHoldoutID", *d.DefaultHoldoutID, deref(have.DefaultHoldoutID))
	}
	for _, b := range []struct {
		field     string
		want, got *bool
	}{
		{"requireReviews", d.RequireReviews, have.RequireReviews},
		{"requireGateTemplates", d.RequireGateTemplates, have.RequireGateTemplates},
		{"requireExperimentTemplates", d.RequireExperimentTemplates, have.RequireExperimentTemplates},
		{"requireDynamicConfigTemplates", d.RequireDynamicConfigTemplates, have.RequireDynamicConfigTemplates},
	} {
		if b.want != nil {
			add(b.field, fmt.Sprint(*b.want), fmt.Sprint(deref(b.got)))
		}
	}
	return out
}

func (d *DesiredTeam) diffPeople(have *Team) []Difference {
	var out []Difference
	gotAdmins := emailSet(have.Admins)
	wantAdmins := gotAdmins
	if d.Admins != nil {
		wantAdmins = emailSet(d.Admins)
	}
	if d.Members != nil {
		want, got := without(emailSet(d.Members), wantAdmins), without(emailSet(have.Members), gotAdmins)
		// Who is admin already counts as a member; whether that is right is
		// the admins' difference to tell.
		if !maps.Equal(without(want, gotAdmins), without(got, wantAdmins)) {
			members := listDifference("members", want, got)
			members.Revokes = len(without(without(got, want), wantAdmins)) > 0
			out = append(out, members)
		}
	}
	if d.Admins != nil && !maps.Equal(wantAdmins, gotAdmins) {
		admins := listDifference("admins", wantAdmins, gotAdmins)
		admins.Revokes = len(without(gotAdmins, wantAdmins)) > 0
		out = append(out, admins)
	}
	return out
}

// Merge is the whole definition to write: what is desired, and for the rest
// what the console has. A nil have stands for a team yet to be created.
func (d *DesiredTeam) Merge(have *Team) Team {
	out := Team{ChangeTeamConfigs: "anyone", ReviewApproval: "anyone", MembersKnown: true}
	if have != nil {
		out = *have
	}
	out.Name = d.Name
	out.MembersKnown = out.MembersKnown || d.Members != nil && d.Admins != nil
	set(&out.Description, d.Description)
	setList(&out.Members, dedupedEmails(d.Members))
	setList(&out.Admins, dedupedEmails(d.Admins))
	setList(&out.DefaultGateMetrics, d.DefaultGateMetrics)
	setList(&out.DefaultExperimentPrimaryMetrics, d.DefaultExperimentPrimaryMetrics)
	setList(&out.DefaultExperimentSecondaryMetrics, d.DefaultExperimentSecondaryMetrics)
	setList(&out.DefaultHoldoutMetrics, d.DefaultHoldoutMetrics)
	set(&out.ChangeTeamConfigs, d.ChangeTeamConfigs)
	set(&out.ReviewApproval, d.ReviewApproval)
	setList(&out.DefaultTargetApplications, d.DefaultTargetApplications)
	setPointer(&out.DefaultHoldoutID, d.DefaultHoldoutID)
	setPointer(&out.RequireReviews, d.RequireReviews)
	setPointer(&out.RequireGateTemplates, d.RequireGateTemplates)
	setPointer(&out.RequireExperimentTemplates, d.RequireExperimentTemplates)
	setPointer(&out.RequireDynamicConfigTemplates, d.RequireDynamicConfigTemplates)
	return out
}

func set[T any](dst *T, src *T) {
	if src != nil {
		*dst = *src
	}
}

func setPointer[T any](dst **T, src *T) {
	if src != nil {
		*dst = src
	}
}

func setList[T any](dst *[]T, src []T) {
	if src != nil {
		*dst = src
	}
}

func deref[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}

func emailSet(emails []string) map[string]bool {
	set := make(map[string]bool, len(emails))
	for _, email := range emails {
		set[EmailKey(email)] = true
	}
	return set
}

// dedupedEmails keeps the first spelling of each address; nil stays nil.
func dedupedEmails(emails []string) []string {
	if emails == nil {
		return nil
	}
	seen := make(map[string]bool, len(emails))
	out := make([]string, 0, len(emails))
	for _, email := range emails {
		if key := EmailKey(email); !seen[key] {
			seen[key] = true
			out = append(out, email)
		}
	}
	return out
}

func metricSet(metrics []Metric) map[string]bool {
	set := make(map[string]bool, len(metrics))
	for _, m := range metrics {
		// Quoted, so that no two metrics are written alike.
		set[fmt.Sprintf("%s (%s)", plain(m.Name), plain(m.Type))] = true
	}
	return set
}

// plain is a trimmed name, quoted where it could be taken for more than one.
func plain(name string) string {
	name = strings.TrimSpace(name)
	if strings.ContainsAny(name, "()\"\\") {
		return strconv.Quote(name)
	}
	return name
}

func stringSet(items []string) map[string]bool {
	set := make(map[string]bool, len(items))
	for _, item := range items {
		set[strings.TrimSpace(item)] = true
	}
	return set
}

func without(set, remove map[string]bool) map[string]bool {
	out := make(map[string]bool, len(set))
	for key := range set {
		if !remove[key] {
			out[key] = true
		}
	}
	return out
}

func joined(set map[string]bool) string {
	return strings.Join(slices.Sorted(maps.Keys(set)), ", ")
}
