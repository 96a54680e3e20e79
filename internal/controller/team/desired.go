package team

import (
	"regexp"
	"slices"
	"time"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/quota"
)

// Specified is what the spec says, field by field; what it does not set is nil.
func Specified(t *v1alpha1.Team) console.DesiredTeam {
	spec := &t.Spec
	return console.DesiredTeam{
		Name:                              t.ConsoleName(),
		Description:                       spec.Description,
		Members:                           addresses(spec.Members),
		Admins:                            addresses(spec.Admins),
		DefaultGateMetrics:                metrics(spec.DefaultGateMetrics),
		DefaultExperimentPrimaryMetrics:   metrics(spec.DefaultExperimentPrimaryMetrics),
		DefaultExperimentSecondaryMetrics: metrics(spec.DefaultExperimentSecondaryMetrics),
		DefaultHoldoutMetrics:             metrics(spec.DefaultHoldoutMetrics),
		ChangeTeamConfigs:                 unlessEmpty(spec.ChangeTeamConfigs),
		ReviewApproval:                    unlessEmpty(spec.ReviewApproval),
		DefaultTargetApplications:         spec.DefaultTargetApplications,
		DefaultHoldoutID:                  spec.DefaultHoldoutID,
		RequireReviews:                    spec.RequireReviews,
		RequireGateTemplates:              spec.RequireGateTemplates,
		RequireExperimentTemplates:        spec.RequireExperimentTemplates,
		RequireDynamicConfigTemplates:     spec.RequireDynamicConfigTemplates,
	}
}

func unlessEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func addresses(list []v1alpha1.EmailAddress) []string {
	if list == nil {
		return nil
	}
	out := make([]string, len(list))
	for i, email := range list {
		out[i] = string(email)
	}
	return out
}

func metrics(list []v1alpha1.Metric) []console.Metric {
	if list == nil {
		return nil
	}
	out := make([]console.Metric, len(list))
	for i, m := range list {
		out[i] = console.Metric(m)
	}
	return out
}

// desired is what the spec says, less the people who are not in the project
// yet: one unknown address must not keep the rest from being applied. Nobody
// whom the team has is left out, whatever the listing of users says. Protected
// people stay in the team or out of it, whatever the spec says.
func (s *team) desired(have *console.Team) (console.DesiredTeam, error) {
	want := Specified(s.obj)
	if !want.ManagesMembers() {
		return want, nil
	}
	if err := s.Link.Project.ReadUsers(s.Caller(s.readLane()), time.Time{}); err != nil {
		return want, err
	}
	KeepProtected(&want, have, s.Connection.Spec.ProtectedUsers)
	missing := s.missing(want, have)
	absent := func(email string) bool { return slices.Contains(missing, console.EmailKey(email)) }
	for _, people := range []*[]string{&want.Members, &want.Admins} {
		if *people != nil {
			*people = slices.DeleteFunc(slices.Clone(*people), absent)
		}
	}
	return want, nil
}

// missing returns, sorted, the desired addresses that cannot be in the team yet.
func (s *team) missing(want console.DesiredTeam, have *console.Team) []string {
	in := map[string]bool{}
	if have != nil && have.MembersKnown {
		for _, email := range slices.Concat(have.Members, have.Admins) {
			in[console.EmailKey(email)] = true
		}
	}
	complete := s.Link.Project.UsersRead().Complete
	var out []string
	for _, email := range slices.Concat(want.Members, want.Admins) {
		key := console.EmailKey(email)
		seen := s.Link.Project.User(email)
		refused, held := s.plan.heldBack[key]
		gone := seen.Presence == console.Absent || seen.Presence == console.NotListed && complete
		if gone {
			delete(s.plan.heldBack, key)
		}
		// Who was refused is sent again when a later look found them there.
		held = held && !(seen.Presence == console.Present && seen.At.After(refused))
		if (gone || held) && !in[key] {
			out = append(out, key)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// address finds what is, in lower case, an e-mail address in a text.
var address = regexp.MustCompile(`[a-z0-9.!#$&*+=?^_{|}~-]+@[a-z0-9-]+(\.[a-z0-9-]+)+`)

// holdBack notes the addresses that a refusal names, and reports whether it
// named any that had been sent. An address that is refused again after it was
// found in the project is not held back again: that would go on for ever.
func (s *team) holdBack(err error) bool {
	refused, ok := console.AsError(err)
	if !ok {
		return false
	}
	said := address.FindAllString(console.EmailKey(refused.Message), -1)
	found := false
	for _, email := range slices.Concat(s.obj.Spec.Members, s.obj.Spec.Admins) {
		key := console.EmailKey(string(email))
		if _, before := s.plan.heldBack[key]; !before && slices.Contains(said, key) {
			s.plan.heldBack[key], found = time.Now(), true
		}
	}
	return found
}

// mayRefresh reports whether a write needs a newer observation: it sends the
// observed values of unmanaged fields, and the membership of protected people, and
// must not undo what somebody else did to them meanwhile. An observation made since
// the difference was found is new enough, however long the write waited for its
// turn. Without the members it is not known whom the write would remove.
func (s *team) mayRefresh(want console.DesiredTeam, seen console.Observation[console.Team]) bool {
	takesOver := !want.ManagesAll() || len(s.Connection.Spec.ProtectedUsers) > 0
	return !seen.Value.MembersKnown || takesOver && seen.At.Before(s.Memo.Began.Add(-freshEnough))
}

// freshEnough is how old an observation may be, when a difference is found, to
// take unmanaged fields from.
const freshEnough = time.Minute

// lane is the lane for a write.
func lane(revokes bool) quota.Lane {
	if revokes {
		return quota.Revoke
	}
	return quota.Change
}
