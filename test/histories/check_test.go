package histories

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
)

// check compares objects and console when all has settled. It shares no code
// with the operator.
func (w *world) check(settled time.Duration) {
	teams := w.nearTeams()
	w.checkOwners(teams)
	for _, t := range teams {
		w.checkTeam(t, teams)
	}
	userRoles := all[*v1alpha1.UserRole](w.kube)
	for _, u := range userRoles {
		w.checkRole(u, userRoles)
	}
	w.checkUntouched()
	w.checkNames(teams)
	w.checkReturned()
	if n := w.sim.Violations(); n > 0 {
		w.fail("%d requests overfilled a window; the first: %+v", n, w.sim.ViolationList()[0])
	}
	if w.ledger.wrote > settled || w.ledger.told > settled {
		w.fail("it is not quiet: the last write to the console was at %v, to a status at %v: %s", w.ledger.wrote, w.ledger.told, w.ledger.last)
	}
	if !w.hasAdmin() {
		w.fail("the project has no Admin")
	}
	for key, obj := range w.kube.objects {
		if text, err := json.Marshal(obj); err != nil || key.kind != "Secret" && strings.Contains(string(text), "console-key-") {
			w.fail("%v holds the key (%v)", key, err)
		}
	}
}

// checkOwners makes sure that each team made through the API belongs to one
// Team, or was to stay when that went.
func (w *world) checkOwners(teams []*v1alpha1.Team) {
	owners := map[string][]string{}
	for _, t := range teams {
		if !w.admits(t) {
			continue
		}
		for _, team := range w.standsFor(t) {
			owners[team.ID] = append(owners[team.ID], t.Namespace+"/"+t.Name)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(w.ledger.made)) {
		team, there := w.sim.Team(id)
		dismissed := slices.ContainsFunc(teams, func(t *v1alpha1.Team) bool { return t.Status.ID == id && !w.admits(t) })
		if there && len(owners[id]) == 0 && !dismissed && !w.ledger.let[id] && !w.ledger.letNames[team.Name] && !suspendedCreator(teams, team.Name) {
			w.fail("nobody owns the team %q, %s, that was made", team.Name, id)
		}
	}
	for id, owning := range owners {
		if len(owning) > 1 {
			w.fail("%v all stand for the team %s", owning, id)
		}
	}
}

// suspendedCreator reports whether a Team was told to do nothing before it knew
// what came of a team of that name.
func suspendedCreator(teams []*v1alpha1.Team, name string) bool {
	return slices.ContainsFunc(teams, func(t *v1alpha1.Team) bool {
		return t.Spec.Suspend && t.Status.CreateIntent != nil && t.Status.CreateIntent.Name == name
	})
}

// standsFor returns the teams that are a Team's own: the one whose id it knows,
// or, where listings tell no ids, those of the name that it intended to create.
func (w *world) standsFor(t *v1alpha1.Team) []consolesim.Team {
	if team, ok := w.sim.Team(t.Status.ID); ok {
		return []consolesim.Team{team}
	}
	if t.Status.ID == "" && t.Status.CreateIntent != nil && !w.plan.behavior.ListReturnsID {
		return w.sim.TeamsNamed(t.Status.CreateIntent.Name)
	}
	return nil
}

// checkUntouched makes sure that what no object ever stood for is as people
// left it.
func (w *world) checkUntouched() {
	for _, id := range slices.Sorted(maps.Keys(w.ledger.hands)) {
		hand := w.ledger.hands[id].team
		now, there := w.sim.Team(id)
		if w.ledger.claimed[id] || w.ledger.made[id] {
			continue
		}
		if x, y := fmt.Sprintf("%+v", plain(hand)), fmt.Sprintf("%+v", plain(now)); !there || x != y {
			w.fail("the team %s is nobody's and was changed: %s, and was %s", id, y, x)
		}
	}
	for _, u := range w.sim.Users() {
		if strings.EqualFold(u.Email, root) && u.Role != w.rootRole() {
			w.fail("%s is %s", root, u.Role)
		}
	}
}

// plain is a team without pointers, to be printed.
func plain(t consolesim.Team) map[string]any {
	text, err := json.Marshal(t)
	out := map[string]any{}
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		panic(err)
	}
	return out
}

func readyOf(conditions []metav1.Condition, generation int64) (reason, message string, ready, current bool) {
	c := meta.FindStatusCondition(conditions, v1alpha1.ReadyCondition)
	if c == nil {
		return "", "", false, false
	}
	return c.Reason, c.Message, c.Status == metav1.ConditionTrue, c.ObservedGeneration == generation
}

func (w *world) checkTeam(t *v1alpha1.Team, teams []*v1alpha1.Team) {
	name := client.ObjectKeyFromObject(t).String()
	reason, message, ready, current := readyOf(t.Status.Conditions, t.Generation)
	if !t.DeletionTimestamp.IsZero() {
		// Where nobody tells the id, a person has to delete the team.
		if t.Status.ID != "" || len(w.standsFor(t)) == 0 || reason != v1alpha1.ReasonRejected {
			w.fail("%s is not gone: %s: %s", name, reason, message)
		}
		return
	}
	if !current {
		w.fail("%s says nothing about its generation", name)
		return
	}
	if ready {
		seen := w.standsFor(t)
		if t.Spec.Mode == v1alpha1.ModeObserve && len(seen) == 0 {
			seen = w.sim.TeamsNamed(t.ConsoleName())
		}
		if len(seen) != 1 {
			w.fail("%s is Ready, and stands for %d teams", name, len(seen))
		} else if diff := w.differs(t, seen[0]); diff != "" {
			w.fail("%s is Ready, and differs: %s", name, diff)
		}
		return
	}
	if !w.excuses(t, teams, reason) {
		w.fail("%s is not Ready: %s: %s", name, reason, message)
	}
}

// excuses reports whether a reason is true, and reason enough.
func (w *world) excuses(t *v1alpha1.Team, teams []*v1alpha1.Team, reason string) bool {
	switch reason {
	case v1alpha1.ReasonSuspended:
		return t.Spec.Suspend
	case v1alpha1.ReasonNameTaken:
		return slices.ContainsFunc(teams, func(o *v1alpha1.Team) bool {
			return o.UID != t.UID && (o.ConsoleName() == t.ConsoleName() || w.isNamed(o.Status.ID, t.ConsoleName()))
		})
	case v1alpha1.ReasonAlreadyExists:
		return slices.ContainsFunc(w.sim.TeamsNamed(t.ConsoleName()), func(s consolesim.Team) bool { return s.ID != t.Status.ID })
	case v1alpha1.ReasonProgressing:
		return suspendedCreator(teams, t.ConsoleName())
	case v1alpha1.ReasonRejected:
		// Nobody tells its id, so it can be neither changed nor read.
		return t.Status.ID == "" && len(w.standsFor(t)) > 0 ||
			t.Spec.Mode == v1alpha1.ModeObserve && !w.plan.behavior.ListReturnsID && !w.plan.behavior.ListTeamsWithMembers
	case v1alpha1.ReasonUserNotFound:
		return slices.ContainsFunc(slices.Concat(t.Spec.Members, t.Spec.Admins), func(email v1alpha1.EmailAddress) bool {
			_, there := w.sim.User(string(email))
			return !there
		})
	case v1alpha1.ReasonDriftDetected:
		if t.Spec.Mode != v1alpha1.ModeObserve {
			return false
		}
		seen := w.standsFor(t)
		if len(seen) == 0 {
			seen = w.sim.TeamsNamed(t.ConsoleName())
		}
		return len(seen) != 1 || w.differs(t, seen[0]) != ""
	case v1alpha1.ReasonNamespaceNotAllowed:
		return !w.admits(t)
	case v1alpha1.ReasonProtectedUser:
		seen := w.standsFor(t)
		return len(seen) == 1 && slices.ContainsFunc(slices.Concat(t.Spec.Members, t.Spec.Admins), func(email v1alpha1.EmailAddress) bool {
			return w.protects(string(email)) && standing(&seen[0], string(email)) != "admin"
		})
	}
	return false
}

func (w *world) isNamed(id, name string) bool {
	team, ok := w.sim.Team(id)
	return ok && team.Name == name
}

// checkNames makes sure that no two Teams have what only one can: a name.
func (w *world) checkNames(teams []*v1alpha1.Team) {
	owner := map[string]*v1alpha1.Team{}
	for _, t := range teams {
		_, _, ready, _ := readyOf(t.Status.Conditions, t.Generation)
		if !ready || t.Spec.Mode == v1alpha1.ModeObserve {
			continue
		}
		if other := owner[t.ConsoleName()]; other != nil {
			w.fail("%v and %v are both Ready, and named %q", keyOf(other), keyOf(t), t.ConsoleName())
		}
		owner[t.ConsoleName()] = t
	}
}

// differs says in what a team is not as a Team says.
func (w *world) differs(t *v1alpha1.Team, team consolesim.Team) string {
	s := t.Spec.DeepCopy()
	s.Members, s.Admins = unprotected(w, s.Members), unprotected(w, s.Admins)
	team.Members, team.Admins = unprotected(w, team.Members), unprotected(w, team.Admins)
	var out []string
	if team.Name != t.ConsoleName() {
		out = append(out, fmt.Sprintf("name %q, want %q", team.Name, t.ConsoleName()))
	}
	if s.Description != nil && (team.Description == nil && *s.Description != "" || team.Description != nil && *team.Description != *s.Description) {
		out = append(out, fmt.Sprintf("description %v, want %q", plain(team)["description"], *s.Description))
	}
	admins := lowered(team.Admins)
	if s.Admins != nil {
		if want := lowered(s.Admins); !slices.Equal(want, admins) {
			out = append(out, fmt.Sprintf("admins %v, want %v", admins, want))
		}
	}
	if s.Members != nil {
		isAdmin := func(email string) bool { return slices.Contains(admins, email) }
		want, have := slices.DeleteFunc(lowered(s.Members), isAdmin), slices.DeleteFunc(lowered(team.Members), isAdmin)
		if !slices.Equal(want, have) {
			out = append(out, fmt.Sprintf("members %v, want %v", have, want))
		}
	}
	if s.DefaultGateMetrics != nil && !slices.Equal(printed(s.DefaultGateMetrics), printed(team.DefaultGateMetrics)) {
		out = append(out, fmt.Sprintf("gate metrics %v, want %v", team.DefaultGateMetrics, s.DefaultGateMetrics))
	}
	if s.RequireReviews != nil && *s.RequireReviews != (team.RequireReviews != nil && *team.RequireReviews) {
		out = append(out, fmt.Sprintf("requireReviews is not %v", *s.RequireReviews))
	}
	if s.ReviewApproval != "" && s.ReviewApproval != team.ReviewApproval {
		out = append(out, fmt.Sprintf("reviewApproval %s, want %s", team.ReviewApproval, s.ReviewApproval))
	}
	return strings.Join(out, "; ")
}

// unprotected are those whom a Team can bring in and out.
func unprotected[S ~string](w *world, list []S) []S {
	return slices.DeleteFunc(slices.Clone(list), func(email S) bool { return w.protects(string(email)) })
}

// printed are the items of a list, in any order.
func printed[T any](list []T) []string {
	var out []string
	for _, item := range list {
		out = append(out, fmt.Sprint(item))
	}
	slices.Sort(out)
	return out
}

func lowered[S ~string](list []S) []string {
	var out []string
	for _, s := range list {
		out = append(out, strings.ToLower(string(s)))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (w *world) checkRole(u *v1alpha1.UserRole, others []*v1alpha1.UserRole) {
	name := client.ObjectKeyFromObject(u).String()
	reason, message, ready, current := readyOf(u.Status.Conditions, u.Generation)
	user, there := w.sim.User(string(u.Spec.Email))
	excused := false
	switch {
	case !u.DeletionTimestamp.IsZero() || !current:
	case u.ConnectionName() == neighbourConnection:
		excused = true // watched on the way
	case reason == v1alpha1.ReasonSuspended:
		excused = u.Spec.Suspend
	case reason == v1alpha1.ReasonNamespaceNotAllowed:
		excused = !w.admits(u)
	case reason == v1alpha1.ReasonRoleNotAllowed:
		excused = !w.grants(u.ConnectionName(), string(u.Spec.Role))
	case reason == v1alpha1.ReasonProtectedUser:
		excused = w.protects(string(u.Spec.Email))
	case reason == v1alpha1.ReasonLastAdmin:
		excused = there && user.Role == consolesim.RoleAdmin && w.admins() == 1
	case ready:
		excused = there && user.Role == string(u.Spec.Role) && (u.Spec.FirstName == nil || *u.Spec.FirstName == user.FirstName)
	case reason == v1alpha1.ReasonNameTaken:
		excused = slices.ContainsFunc(others, func(o *v1alpha1.UserRole) bool {
			return o.UID != u.UID && strings.EqualFold(string(o.Spec.Email), string(u.Spec.Email))
		})
	case reason == v1alpha1.ReasonUserNotFound, reason == v1alpha1.ReasonInvited:
		excused = !there
	}
	if !excused {
		w.fail("%s, %s as %s: ready %v, %s: %s; in the console: %v as %q", name, u.Spec.Email, u.Spec.Role, ready, reason, message, there, user.Role)
	}
}
