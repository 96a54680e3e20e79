package console

import (
	"slices"
	"time"
)

// settle is how long after a write of ours a read may still show the state
// before it.
const settle = 15 * time.Second

// remembered is how long it is remembered of teams and people that they are
// gone: whoever still asks for one is spared a call for that long.
const remembered = time.Hour

// A wake is what our own writes leave behind for a while: reads that begin
// shortly after one may show what it replaced, and are then no news.
type wake[T any] struct {
	// wrote is when our last write ended, whether or not it had an effect.
	wrote time.Time
	// former are the states that the writes of the last moments replaced.
	former []T
}

// write notes a write that ended now and replaced before.
func (w wake[T]) write(before ...T) wake[T] {
	now := time.Now()
	if !w.settling(now) {
		w.former = nil
	}
	return wake[T]{wrote: now, former: append(slices.Clone(w.former), before...)}
}

// settling reports whether a read that began then may not yet show our write.
func (w wake[T]) settling(began time.Time) bool {
	return !w.wrote.IsZero() && began.Before(w.wrote.Add(settle))
}

// shown is from when on reads certainly show our last write.
func (w wake[T]) shown() time.Time {
	if w.wrote.IsZero() {
		return time.Time{}
	}
	return w.wrote.Add(settle)
}

// masks reports whether what a read that began then shows is a state that our
// writes replaced. What differs from those is somebody's newer change.
func (w wake[T]) masks(began time.Time, isShown func(former T) bool) bool {
	return w.settling(began) && slices.ContainsFunc(w.former, isShown)
}

// keep is what is left of the wake for a read that began then.
func (w wake[T]) keep(began time.Time) wake[T] {
	if w.settling(began) {
		return w
	}
	return wake[T]{}
}

func sameUser(a, b User) bool {
	return SameEmail(a.Email, b.Email) && SameRole(a.Role, b.Role) && a.FirstName == b.FirstName && a.LastName == b.LastName
}

// sameTeam reports whether two readings of a team are of one state. The members
// count only where both readings have them.
func sameTeam(a, b Team) bool {
	all := DesiredTeam{
		Name: b.Name, Description: &b.Description,
		DefaultGateMetrics:                listed(b.DefaultGateMetrics),
		DefaultExperimentPrimaryMetrics:   listed(b.DefaultExperimentPrimaryMetrics),
		DefaultExperimentSecondaryMetrics: listed(b.DefaultExperimentSecondaryMetrics),
		DefaultHoldoutMetrics:             listed(b.DefaultHoldoutMetrics),
		ChangeTeamConfigs:                 &b.ChangeTeamConfigs, ReviewApproval: &b.ReviewApproval,
		DefaultTargetApplications:     listed(b.DefaultTargetApplications),
		DefaultHoldoutID:              new(deref(b.DefaultHoldoutID)),
		RequireReviews:                new(deref(b.RequireReviews)),
		RequireGateTemplates:          new(deref(b.RequireGateTemplates)),
		RequireExperimentTemplates:    new(deref(b.RequireExperimentTemplates)),
		RequireDynamicConfigTemplates: new(deref(b.RequireDynamicConfigTemplates)),
	}
	if a.MembersKnown && b.MembersKnown {
		all.Members, all.Admins = listed(b.Members), listed(b.Admins)
	}
	return len(all.Diff(&a)) == 0
}

// listed makes a list a value even when it is nil.
func listed[T any](list []T) []T { return append([]T{}, list...) }
