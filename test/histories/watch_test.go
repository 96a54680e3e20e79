package histories

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
)

// A watch sees every change that the operator makes in the console, as the console
// tells of it, and notes what must not be.
type watch struct {
	w *world

	mu      sync.Mutex
	pending []consolesim.Change // not looked at yet

	// admission tells when the second connection began or ceased to admit a
	// namespace.
	admission map[string][]admission
	// grants are the roles that each person, in lower case, was to have, by whose
	// connection, and until when; 0: still.
	grants map[string][]grant
	// returned are objects that came back without status, and what they had.
	returned map[client.ObjectKey]returned
	// invited is when each person was invited.
	invited map[string]time.Duration
	// knownIDs is how many teams were known when the key became another project's.
	knownIDs int
	// sent are the requests of the last moments, by what they are about.
	sent map[string][]time.Duration
}

type admission struct {
	at       time.Duration
	admitted bool
}

type grant struct {
	role, connection string
	until            time.Duration
	by               client.ObjectKey
}

// returned is what an object had before it was restored without it.
type returned struct {
	id           string
	name         string
	previousRole string
}

func newWatch(w *world) *watch {
	return &watch{
		w: w, admission: map[string][]admission{}, grants: map[string][]grant{}, returned: map[client.ObjectKey]returned{},
		invited: map[string]time.Duration{}, sent: map[string][]time.Duration{},
	}
}

// observe is told of every change while it is being made.
func (a *watch) observe(c consolesim.Change) {
	if c.Request == 0 {
		return // by hand
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pending = append(a.pending, c)
}

// look looks at the changes that were made since.
func (a *watch) look() {
	a.mu.Lock()
	changes := a.pending
	a.pending = nil
	a.mu.Unlock()
	for _, c := range changes {
		switch {
		case c.Project == "foreign":
			a.foreign(c)
		case c.Project != "default":
		case c.UserAfter != nil:
			a.user(c.UserBefore, c.UserAfter)
		case c.TeamBefore != nil || c.TeamAfter != nil:
			a.team(c.TeamBefore, c.TeamAfter)
		}
	}
}

// foreign checks that nothing is made of a project that is another one all of a
// sudden. Who knows of few teams cannot tell.
func (a *watch) foreign(c consolesim.Change) {
	if c.TeamAfter != nil && a.knownIDs >= 3 {
		a.w.fail("the team %q was made in another project, whose key was in the Secret by mistake", c.TeamAfter.Name)
	}
}

func (l *ledger) foreignBegins() {
	l.watch.knownIDs = 0
	for _, t := range all[*v1alpha1.Team](l.w.kube) {
		if t.Status.ID != "" {
			l.watch.knownIDs++
		}
	}
}

// user checks a change of a person.
func (a *watch) user(before, now *consolesim.User) {
	w := a.w
	if before == nil {
		return // invited, and there at once
	}
	if w.protects(now.Email) {
		w.fail("%s is protected, and was changed from %+v to %+v", now.Email, *before, *now)
	}
	if before.Role == consolesim.RoleAdmin && !w.hasAdmin() {
		w.fail("%s was the last Admin, and became %s", now.Email, now.Role)
	}
	lowers := before.Role == consolesim.RoleAdmin || now.Role == consolesim.RoleReadOnly
	if before.Role != now.Role && !lowers && !a.mayGrant(now) {
		w.fail("%s became %s, and no connection of a UserRole for them may grant that", now.Email, now.Role)
	}
	var concerned []clientObject
	for _, u := range all[*v1alpha1.UserRole](w.kube) {
		if strings.EqualFold(string(u.Spec.Email), now.Email) {
			concerned = append(concerned, u)
		}
	}
	a.admitted("the person "+now.Email, concerned)
}

func (w *world) hasAdmin() bool { return w.admins() > 0 }

func (w *world) admins() (n int) {
	for _, u := range w.sim.Users() {
		if u.Role == consolesim.RoleAdmin {
			n++
		}
	}
	return n
}

func (w *world) protects(email string) bool {
	return w.twists != nil && slices.ContainsFunc(w.twists.protected, same(email))
}

// mayGrant reports whether somebody wanted a role for a person lately whose
// connection grants it.
func (a *watch) mayGrant(u *consolesim.User) bool {
	w := a.w
	return slices.ContainsFunc(a.grants[strings.ToLower(u.Email)], func(g grant) bool {
		return (g.until == 0 || w.now()-g.until < recent) && spelled(g.role) == spelled(u.Role) && w.grants(g.connection, u.Role)
	})
}

// spelled is a role however it is spelled.
func spelled(role string) string {
	return strings.NewReplacer(" ", "", "-", "").Replace(strings.ToLower(role))
}

func (w *world) grants(connection, role string) bool {
	return connection != secondConnection || len(w.twists.roles) == 0 || slices.Contains(w.twists.roles, v1alpha1.RoleName(role))
}

// wanted notes what a version of a UserRole wants, or that there is none any more.
func (a *watch) wanted(u *v1alpha1.UserRole, gone bool) {
	email, key := strings.ToLower(string(u.Spec.Email)), client.ObjectKeyFromObject(u)
	list := a.grants[email]
	for i := range list {
		if list[i].by == key && list[i].until == 0 {
			list[i].until = max(a.w.now(), 1)
		}
	}
	if !gone {
		for _, role := range []string{string(u.Spec.Role), string(u.Spec.DowngradeTo), u.Status.PreviousRole} {
			list = append(list, grant{role: role, connection: u.ConnectionName(), by: key})
		}
	}
	a.grants[email] = list
}

// dismissal is how long a namespace has to be dismissed until nothing may be
// changed for it any more: caches lag, processes are halted, and requests take
// effect late.
const dismissal = 5 * time.Minute

// dismissed is for how long an object's connection has not admitted its namespace.
func (a *watch) dismissed(obj clientObject) time.Duration {
	history := a.admission[obj.GetNamespace()]
	if obj.(v1alpha1.AccessObject).ConnectionName() != secondConnection || len(history) == 0 || history[len(history)-1].admitted {
		return 0
	}
	return a.w.now() - history[len(history)-1].at
}

func (w *world) admits(obj clientObject) bool { return w.ledger.watch.dismissed(obj) == 0 }

// admitted checks that a change is not for objects that are not admitted.
func (a *watch) admitted(what string, concerned []clientObject) {
	if len(concerned) == 0 {
		return
	}
	for _, obj := range concerned {
		if a.dismissed(obj) < dismissal {
			return
		}
	}
	a.w.fail("%s was changed for %v, whose namespace is not admitted", what, keyOf(concerned[0]))
}

// team checks a change of a team.
func (a *watch) team(before, now *consolesim.Team) {
	w := a.w
	a.protected(before, now)
	team := now
	if now == nil {
		team = before
		a.handOver(before)
	}
	var concerned []clientObject
	for _, t := range w.nearTeams() {
		creates := before == nil && (t.ConsoleName() == team.Name || t.Status.CreateIntent != nil && t.Status.CreateIntent.Name == team.Name)
		if t.Status.ID == team.ID || creates {
			concerned = append(concerned, t)
		}
	}
	a.admitted("the team "+team.ID, concerned)
}

// protected checks that protected people are in a team as they were, unless
// somebody changed that by hand of late.
func (a *watch) protected(before, now *consolesim.Team) {
	w := a.w
	if w.twists == nil || now == nil || w.ledger.hands[now.ID].at > 0 && w.now()-w.ledger.hands[now.ID].at < recent {
		return
	}
	if before == nil {
		before = &consolesim.Team{}
	}
	for _, email := range w.twists.protected {
		_, there := w.sim.User(email)
		if was, is := standing(before, email), standing(now, email); was != is && there {
			w.fail("%s is protected, and became %s of the team %q, %s, who was %s", email, is, now.Name, now.ID, was)
		}
	}
}

// nearTeams are the Teams of the first project.
func (w *world) nearTeams() []*v1alpha1.Team {
	return slices.DeleteFunc(all[*v1alpha1.Team](w.kube), func(t *v1alpha1.Team) bool { return t.ConnectionName() == neighbourConnection })
}

// standing is what somebody is in a team.
func standing(t *consolesim.Team, email string) string {
	switch {
	case slices.ContainsFunc(t.Admins, same(email)):
		return "admin"
	case slices.ContainsFunc(t.Members, same(email)):
		return "member"
	}
	return "nothing"
}

// handOver checks that no team is deleted that a live Team may have.
func (a *watch) handOver(gone *consolesim.Team) {
	w := a.w
	teams := w.nearTeams()
	i := slices.IndexFunc(teams, func(t *v1alpha1.Team) bool { return t.Status.ID == gone.ID && !t.DeletionTimestamp.IsZero() })
	if i < 0 {
		return
	}
	old := teams[i]
	// A Team that has a team of its own is going to give it that name: docs/team.md.
	if slices.ContainsFunc(teams, func(t *v1alpha1.Team) bool {
		return t.DeletionTimestamp.IsZero() && t.ConsoleName() == old.ConsoleName() && t.Status.ID != "" && t.Status.ID != gone.ID
	}) {
		return
	}
	for _, o := range teams {
		versions := w.ledger.specs[client.ObjectKeyFromObject(o)]
		mayHave := o.DeletionTimestamp.IsZero() && o.ConsoleName() == old.ConsoleName() && o.ConsoleName() == gone.Name &&
			o.Status.ID == "" && o.Status.CreateIntent == nil && a.settledAdmission(o) && w.works(o) &&
			w.start.Add(versions[0].at).Before(old.DeletionTimestamp.Time)
		for _, v := range versions {
			mayHave = mayHave && v.spec.AdoptionPolicy == v1alpha1.AdoptionAdopt && v.spec.Mode == v1alpha1.ModeEnforce &&
				!v.spec.Suspend && v.spec.Name == o.Spec.Name
		}
		if mayHave {
			w.fail("the team %q, %s, was deleted for %v although %v claims it, and may adopt it", gone.Name, gone.ID, keyOf(old), keyOf(o))
		}
	}
}

// settledAdmission reports whether an object has been admitted for long.
func (a *watch) settledAdmission(obj clientObject) bool {
	history := a.admission[obj.GetNamespace()]
	return a.w.admits(obj) && (len(history) == 0 || a.w.now()-history[len(history)-1].at > dismissal)
}

// works reports whether an object's connection is not suspended.
func (w *world) works(obj v1alpha1.AccessObject) bool {
	for _, c := range all[*v1alpha1.ConsoleConnection](w.kube) {
		if c.Name == obj.ConnectionName() {
			return !c.Spec.Suspend
		}
	}
	return false
}

// restored notes what a Team has that comes back without it.
func (l *ledger) restored(t *v1alpha1.Team) {
	if t.Status.ID != "" && t.Status.SyncedGeneration == t.Generation && l.watch.sameQuota(t) {
		l.watch.returned[client.ObjectKeyFromObject(t)] = returned{id: t.Status.ID, name: t.ConsoleName()}
	}
}

// sameQuota reports whether the key and the group are what they were when an
// object came into being: what a project is called goes by them.
func (a *watch) sameQuota(obj clientObject) bool {
	return a.w.start.Add(a.w.people.quotaAt).Before(obj.GetCreationTimestamp().Time)
}

func (l *ledger) restoredRole(u *v1alpha1.UserRole) {
	if u.Status.PreviousRole != "" && l.watch.sameQuota(u) {
		key := client.ObjectKeyFromObject(u)
		key.Name = "UserRole/" + key.Name
		l.watch.returned[key] = returned{previousRole: u.Status.PreviousRole}
	}
}

// checkReturned checks that what came back from a backup has again what it had.
func (w *world) checkReturned() {
	teams := w.nearTeams()
	for _, t := range teams {
		had, ok := w.ledger.watch.returned[client.ObjectKeyFromObject(t)]
		team, there := w.sim.Team(had.id)
		if !ok || !there || t.Status.ID == had.id || !t.DeletionTimestamp.IsZero() || t.Spec.Suspend || t.Spec.Mode == v1alpha1.ModeObserve ||
			!w.admits(t) || t.ConsoleName() != had.name || team.Name != had.name {
			continue
		}
		if !slices.ContainsFunc(teams, func(o *v1alpha1.Team) bool { return o.Status.ID == had.id }) {
			w.fail("%v came back from a backup, and does not know its team %s any more: %q", keyOf(t), had.id, t.Status.ID)
		}
	}
	for _, u := range all[*v1alpha1.UserRole](w.kube) {
		key := client.ObjectKeyFromObject(u)
		key.Name = "UserRole/" + key.Name
		had, ok := w.ledger.watch.returned[key]
		if ok && u.Status.PreviousRole != "" && u.Status.PreviousRole != had.previousRole {
			w.fail("%v came back from a backup, and %s had %q at first, which it takes for %q now", keyOf(u), u.Spec.Email, had.previousRole, u.Status.PreviousRole)
		}
	}
}

// invites checks that nobody is invited twice.
func (a *watch) invites(x *exchange, log []consolesim.Request) {
	w := a.w
	if w.plan.leaders || !strings.HasSuffix(x.request.URL.Path, "/invite") || keyIn(x.request) == foreignKey {
		return
	}
	if len(log) == 0 || log[len(log)-1].Status/100 != 2 {
		return
	}
	var sent struct{ Emails []string }
	if err := json.Unmarshal(x.body, &sent); err != nil {
		w.fail("an invitation is not JSON: %v", err)
	}
	for _, email := range sent.Emails {
		email = strings.ToLower(email)
		if before, ok := a.invited[email]; ok && w.now()-before < 7*24*time.Hour {
			w.fail("%s was invited at %v, and again", email, before)
		}
		a.invited[email] = w.now()
	}
}

// A restless process makes more requests alike than this within the time.
const (
	restless     = 40
	restlessTime = 2 * time.Minute
)

// restless checks that nothing is asked over and over.
func (a *watch) restless(x *exchange) {
	w := a.w
	if w.now() < w.net.outageUntil {
		return
	}
	about := x.p.name + " " + x.request.Method + " " + x.request.URL.RequestURI()
	if x.request.Method == http.MethodPost {
		about = x.p.name + " " + x.text
	}
	times := append(a.sent[about], w.now())
	for len(times) > 0 && w.now()-times[0] > restlessTime {
		times = times[1:]
	}
	a.sent[about] = times
	w.tally.most = max(w.tally.most, len(times))
	if len(times) > restless {
		w.fail("%d times within %v: %s", len(times), restlessTime, about)
		a.sent[about] = nil
	}
}
