package team

import (
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

// desired is what the spec says, less the people who are not in the project yet,
// and less what the console refuses to give somebody: one address must not keep the
// rest from being applied, least of all a removal. Nobody
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
	missing, refused := s.unfit(want, have)
	absent := func(email string) bool { return slices.Contains(missing, console.EmailKey(email)) }
	for _, people := range []*[]string{&want.Members, &want.Admins} {
		if *people != nil {
			*people = slices.DeleteFunc(slices.Clone(*people), absent)
		}
	}
	leaveOut(&want, have, refused)
	return want, nil
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
