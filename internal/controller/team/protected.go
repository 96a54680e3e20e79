package team

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/controller/condition"
)

// KeepProtected leaves the membership of protected people as the team has it,
// whatever the spec says of them; a team that is yet to be created has nobody. It
// returns, sorted, whom the spec would add or make an admin, and whom it would
// remove or make less. Of a team whose members are not known it changes nothing.
func KeepProtected(want *console.DesiredTeam, have *console.Team, protected []v1alpha1.EmailAddress) (notAdded, notRemoved []string) {
	if have == nil {
		have = &console.Team{MembersKnown: true}
	}
	if len(protected) == 0 || !have.MembersKnown {
		return nil, nil
	}
	asked := *want
	for _, list := range []struct {
		want *[]string
		have []string
	}{{&want.Members, have.Members}, {&want.Admins, have.Admins}} {
		if *list.want != nil {
			others := slices.DeleteFunc(slices.Clone(*list.want), func(email string) bool { return among(protected, email) })
			kept := slices.DeleteFunc(slices.Clone(list.have), func(email string) bool { return !among(protected, email) })
			*list.want = append(others, kept...)
		}
	}
	for _, email := range protected {
		is := func(other string) bool { return console.SameEmail(string(email), other) }
		admin, askedAdmin := slices.ContainsFunc(have.Admins, is), slices.ContainsFunc(asked.Admins, is)
		member := admin || slices.ContainsFunc(have.Members, is)
		askedMember := askedAdmin || slices.ContainsFunc(asked.Members, is)
		key := console.EmailKey(string(email))
		if askedMember && !member || askedAdmin && !admin {
			notAdded = append(notAdded, key)
		}
		if asked.Members != nil && member && !askedMember || asked.Admins != nil && admin && !askedAdmin {
			notRemoved = append(notRemoved, key)
		}
	}
	slices.Sort(notAdded)
	slices.Sort(notRemoved)
	return slices.Compact(notAdded), slices.Compact(notRemoved)
}

func among(protected []v1alpha1.EmailAddress, email string) bool {
	return slices.ContainsFunc(protected, func(other v1alpha1.EmailAddress) bool { return console.SameEmail(string(other), email) })
}

// protects is the verdict on a team that lacks people whom the spec has and the
// connection protects.
func (s *team) protects(notAdded []string) condition.Verdict {
	s.Memo.Reset()
	return condition.Stuck(v1alpha1.ReasonProtectedUser,
		"ConsoleConnection %q protects %s, so they are not added to this team, nor made its admins. All else is applied. "+
			"Add them in the console by hand, remove them from the spec, or ask the connection's owner to remove them from spec.protectedUsers.",
		s.Connection.Name, condition.SomeOf(notAdded, maxNamed))
}

const asSpecified = "The console has this team as the spec says."

// stays is what a team in sync says of protected people whom the spec lacks. While
// the members are not known it says what it said.
func (s *team) stays(notRemoved []string, known bool) string {
	said := meta.FindStatusCondition(s.obj.Status.Conditions, v1alpha1.ReadyCondition)
	switch {
	case len(notRemoved) > 0:
		return fmt.Sprintf("The console has this team as the spec says, but for people whom ConsoleConnection %q protects; they stay in it: %s.",
			s.Connection.Name, condition.SomeOf(notRemoved, maxNamed))
	case !known && said != nil && said.Reason == v1alpha1.ReasonSynced && said.ObservedGeneration == s.obj.Generation:
		return said.Message
	}
	return asSpecified
}
