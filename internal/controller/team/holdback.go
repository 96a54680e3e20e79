package team

import (
	"slices"
	"time"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/controller/access"
	"github.com/console-access/console-access-operator/internal/controller/condition"
)

// A heldAddress is one that the console refused to take into the team.
type heldAddress struct {
	// at is when it was last refused, and said what the console said.
	at   time.Time
	said string
}

// unfit returns, sorted, the desired people who cannot be given what the spec gives
// them: missing are not in the project, and refused are held back because the
// console did not accept them. Once an interval the one who was refused longest ago
// is sent again. When one of them is in the team, all may be sent again.
func (s *team) unfit(want console.DesiredTeam, have *console.Team) (missing, refused []string) {
	in, complete := membership(have), s.Link.Project.UsersRead().Complete
	accepted := false
	for _, email := range slices.Concat(want.Members, want.Admins) {
		key := console.EmailKey(email)
		seen := s.Link.Project.User(email)
		gone := seen.Presence == console.Absent || seen.Presence == console.NotListed && complete
		_, held := s.plan.heldBack[key]
		switch {
		case gone && in[key] == 0:
			missing = append(missing, key)
			delete(s.plan.heldBack, key)
		case held && !gains(want, in, key):
			accepted = true
		case held:
			refused = append(refused, key)
		}
	}
	if accepted {
		clear(s.plan.heldBack)
		refused = nil
	}
	slices.Sort(missing)
	slices.Sort(refused)
	missing, refused = slices.Compact(missing), slices.Compact(refused)
	if len(refused) > 0 && !time.Now().Before(s.sendAgain(refused)) {
		longest := slices.MinFunc(refused, func(a, b string) int { return s.plan.heldBack[a].at.Compare(s.plan.heldBack[b].at) })
		refused = slices.DeleteFunc(refused, func(key string) bool { return key == longest })
	}
	return missing, refused
}

// sendAgain is when the next of the refused people is to be sent again.
func (s *team) sendAgain(refused []string) time.Time {
	var last time.Time
	for _, key := range refused {
		if at := s.plan.heldBack[key].at; at.After(last) {
			last = at
		}
	}
	return last.Add(s.Interval())
}

// What somebody is in a team.
const (
	isMember = 1 + iota
	isAdmin
)

// membership is what people are in a team, by their keys; nobody is anything in a
// team whose members are not known.
func membership(have *console.Team) map[string]int {
	in := map[string]int{}
	if have == nil || !have.MembersKnown {
		return in
	}
	for _, email := range have.Members {
		in[console.EmailKey(email)] = isMember
	}
	for _, email := range have.Admins {
		in[console.EmailKey(email)] = isAdmin
	}
	return in
}

// gains reports whether somebody would be more in the team than now.
func gains(want console.DesiredTeam, in map[string]int, key string) bool {
	is := func(email string) bool { return console.EmailKey(email) == key }
	return slices.ContainsFunc(want.Admins, is) && in[key] < isAdmin || slices.ContainsFunc(want.Members, is) && in[key] < isMember
}

// leaveOut has the refused gain nothing. What they are in the team they stay.
func leaveOut(want *console.DesiredTeam, have *console.Team, refused []string) {
	if len(refused) == 0 {
		return
	}
	in := membership(have)
	drop := func(emails []string, below int) (kept, dropped []string) {
		for _, email := range emails {
			if key := console.EmailKey(email); slices.Contains(refused, key) && in[key] < below {
				dropped = append(dropped, email)
				continue
			}
			kept = append(kept, email)
		}
		return append([]string{}, kept...), dropped
	}
	if want.Members != nil {
		want.Members, _ = drop(want.Members, isMember)
	}
	if want.Admins != nil {
		var promoted []string
		want.Admins, promoted = drop(want.Admins, isAdmin)
		if want.Members != nil {
			// Whom the spec has as an admin alone is not removed from the members.
			promoted = slices.DeleteFunc(promoted, func(email string) bool { return in[console.EmailKey(email)] < isMember })
			want.Members = append(want.Members, promoted...)
		}
	}
}

// holdBack notes the people whom a refusal of a write names, and reports whether
// the write can be sent again without what they would gain by it.
func (s *team) holdBack(err error, want console.DesiredTeam, have *console.Team) bool {
	refused, ok := console.AsError(err)
	if !ok {
		return false
	}
	in, found := membership(have), false
	for _, email := range refused.Rejected {
		if key := console.EmailKey(email); gains(want, in, key) {
			s.plan.heldBack[key], found = heldAddress{at: time.Now(), said: refused.Message}, true
		}
	}
	return found
}

// withoutRefused is the outcome for a team that is as it can be while the console
// refuses some people of the spec.
func (s *team) withoutRefused(missing, refused []string) condition.Verdict {
	s.Memo.Reset()
	also := ""
	if len(missing) > 0 {
		also = " Not in the console project: " + condition.SomeOf(missing, maxNamed) + "; they are added when they appear."
	}
	v := condition.Stuck(v1alpha1.ReasonRejected,
		"The console does not give this team %s as the spec has it (%s). All else is applied; it is tried again every %s. "+
			"Remove them from the spec, or find out in the console why it refuses them.%s",
		condition.SomeOf(refused, maxNamed), s.plan.heldBack[refused[0]].said, s.Interval(), also)
	v.RetryAfter = time.Until(s.sendAgain(refused))
	return v
}

// revocation is the part of what is desired that only takes access away: nobody
// gains anything, and all else is left as the team has it. ok is false when that
// is nothing, or all that there is to write.
func revocation(want console.DesiredTeam, have *console.Team, differences []console.Difference) (part console.DesiredTeam, ok bool) {
	if !access.Revokes(differences) || !have.MembersKnown {
		return part, false
	}
	part = console.DesiredTeam{Name: have.Name, Members: want.Members, Admins: want.Admins}
	var everybody []string
	for _, email := range slices.Concat(want.Members, want.Admins) {
		everybody = append(everybody, console.EmailKey(email))
	}
	leaveOut(&part, have, everybody)
	rest := want.Diff(new(part.Merge(have)))
	return part, len(rest) > 0 && len(part.Diff(have)) > 0
}
