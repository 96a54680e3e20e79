package histories

import (
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
)

// recent is how long what was once specified, or changed by hand, may still
// explain a write: caches lag, and requests take effect late.
const recent = 5 * time.Minute

// A ledger notes who made what, so that it can be told in the end what must be
// there, and watches every write to a team on the way.
type ledger struct {
	w     *world
	watch *watch
	// teams are the console's, as last seen.
	teams map[string]consolesim.Team
	// made are the teams that came into being through the API.
	made map[string]bool
	// hands are the teams as people left them, with the time.
	hands map[string]handwork
	// claimed are the teams that a Team ever stood for; let are those that
	// were to stay when their Team went.
	claimed, let map[string]bool
	// letNames are the names of teams that were to stay although nobody knew yet
	// whether they had come into being.
	letNames map[string]bool
	// specs are the versions of each Team's spec.
	specs map[client.ObjectKey][]version
	// managed are the people whom a UserRole ever named.
	managed map[string]bool
	// removed is when each team was deleted through the API, approved or not.
	removed []time.Duration
	// quiet is the time of the last write to the console, and to the status of
	// a Team or UserRole.
	wrote, told time.Duration
	last        string
}

type handwork struct {
	at   time.Duration
	team consolesim.Team
}

type version struct {
	at   time.Duration
	spec v1alpha1.TeamSpec
}

func newLedger(w *world) *ledger {
	return &ledger{
		w: w, watch: newWatch(w), teams: map[string]consolesim.Team{}, made: map[string]bool{}, hands: map[string]handwork{},
		claimed: map[string]bool{}, let: map[string]bool{}, letNames: map[string]bool{}, specs: map[client.ObjectKey][]version{}, managed: map[string]bool{},
	}
}

// byHand notes a team as a person left it.
func (l *ledger) byHand(t consolesim.Team) {
	l.hands[t.ID] = handwork{l.w.now(), t}
	l.teams[t.ID] = t
}

func (l *ledger) gone(id string) {
	delete(l.teams, id)
	delete(l.hands, id)
}

// recount is for a change by hand that may concern any team.
func (l *ledger) recount() {
	for _, t := range l.w.sim.Teams() {
		if h, ok := l.hands[t.ID]; ok && !reflect.DeepEqual(h.team, t) {
			l.byHand(t)
		}
		l.teams[t.ID] = t
	}
}

// stored is told of every version of every object.
func (l *ledger) stored(old, now client.Object) {
	switch now := now.(type) {
	case *v1alpha1.Team:
		key := client.ObjectKeyFromObject(now)
		if now.Status.ID != "" && now.ConnectionName() != neighbourConnection {
			l.claimed[now.Status.ID] = true
		}
		if old == nil || old.GetGeneration() != now.Generation {
			l.specs[key] = append(l.specs[key], version{l.w.now(), now.Spec})
			return
		}
		before, after := old.(*v1alpha1.Team).Status, now.Status
		before.LastVerifiedTime, after.LastVerifiedTime = nil, nil
		if wasReady(before.SyncStatus) && !reflect.DeepEqual(before, after) {
			l.told, l.last = l.w.now(), key.String()
		}
	case *v1alpha1.UserRole:
		l.watch.wanted(now, false)
		l.managed[strings.ToLower(string(now.Spec.Email))] = true
		if old != nil && old.GetGeneration() == now.Generation && wasReady(old.(*v1alpha1.UserRole).Status.SyncStatus) {
			l.told, l.last = l.w.now(), client.ObjectKeyFromObject(now).String()
		}
	}
}

// wasReady reports whether an object was in sync: one that is not may tell of
// each of its attempts.
func wasReady(s v1alpha1.SyncStatus) bool {
	return meta.IsStatusConditionTrue(s.Conditions, v1alpha1.ReadyCondition)
}

// released is told of every object that ceased to be.
func (l *ledger) released(obj client.Object) {
	if u, ok := obj.(*v1alpha1.UserRole); ok {
		l.watch.wanted(u, true)
	}
	t, ok := obj.(*v1alpha1.Team)
	if !ok {
		return
	}
	l.w.note("%s is gone, id %q", keyOf(t), t.Status.ID)
	keeps := !l.w.admits(t) || t.Spec.DeletionPolicy == v1alpha1.TeamOrphan || t.Spec.Mode == v1alpha1.ModeObserve ||
		t.Spec.DeletionPolicy == "" && t.Status.Adopted
	if keeps && t.Status.ID != "" {
		l.let[t.Status.ID] = true
	}
	if keeps && t.Status.CreateIntent != nil {
		l.letNames[t.Status.CreateIntent.Name] = true
	}
	delete(l.specs, client.ObjectKeyFromObject(t))
}

// served is told of every request that the console has answered, or took
// effect, and checks what it changed.
func (l *ledger) served(x *exchange) {
	w := l.w
	w.tally.requests++
	log := w.sim.RequestsSince(w.tally.logged)
	w.tally.logged += len(log)
	for _, r := range log {
		if r.Received.Before(w.start) || r.Received.After(time.Now()) {
			w.fail("the console's clock is not ours: %v, and it is %v", r.Received, time.Now())
		}
	}
	l.watch.restless(x)
	if x.request.Method == http.MethodGet {
		return
	}
	l.watch.invites(x, log)
	l.watch.look()
	l.wrote, l.last = w.now(), x.text
	w.tally.writes++
	now := map[string]consolesim.Team{}
	for _, t := range w.sim.Teams() {
		now[t.ID] = t
	}
	for _, id := range slices.Sorted(maps.Keys(now)) {
		before, known := l.teams[id]
		if !known {
			l.made[id] = true
			w.note("the console has a new team %q, %s", now[id].Name, id)
		} else if !reflect.DeepEqual(before, now[id]) {
			l.changed(before, now[id])
		}
	}
	if x.request.Method == http.MethodDelete && len(now) < len(l.teams) {
		l.removedOne()
	}
	l.teams = now
}

// The brake counts a deletion when it is sent; it takes effect at most
// brakeTransit later.
const (
	brakePer     = time.Minute
	brakeTransit = 40 * time.Second
)

// removedOne checks that the brake holds, as long as nobody approves and there
// is but one to count.
func (l *ledger) removedOne() {
	w := l.w
	if w.calm || w.plan.leaders || w.twists != nil && w.twists.second {
		return
	}
	l.removed = append(l.removed, w.now())
	if i := len(l.removed) - 1 - int(w.plan.brake); i >= 0 && w.now()-l.removed[i] < brakePer-brakeTransit {
		w.fail("%d teams were deleted within %v, and nobody approved", w.plan.brake+1, w.now()-l.removed[i])
	}
}

// changed checks that nobody left a team through the API whom its Team kept
// all the time, or whom it did not concern itself with.
func (l *ledger) changed(before, now consolesim.Team) {
	w := l.w
	stays := append(slices.Clone(now.Members), now.Admins...)
	teams := w.nearTeams()
	i := slices.IndexFunc(teams, func(t *v1alpha1.Team) bool {
		return t.Status.ID == now.ID && w.admits(t) && t.DeletionTimestamp.IsZero()
	})
	if i < 0 || w.now()-l.hands[now.ID].at < recent && l.hands[now.ID].at > 0 {
		return
	}
	owner := client.ObjectKeyFromObject(teams[i])
	for _, email := range append(slices.Clone(before.Members), before.Admins...) {
		if slices.ContainsFunc(stays, same(email)) {
			continue
		}
		if _, ok := w.sim.User(email); ok && l.kept(owner, email) {
			w.fail("%s left the team %q, %s, although %s kept them", email, now.Name, now.ID, owner)
		}
	}
}

// kept reports whether all recent versions of a Team keep somebody in.
func (l *ledger) kept(owner client.ObjectKey, email string) bool {
	versions := l.specs[owner]
	for i, v := range versions {
		if i+1 < len(versions) && l.w.now()-versions[i+1].at > recent {
			continue // replaced long ago
		}
		if !keeps(&v.spec, email) {
			return false
		}
	}
	return len(versions) > 0
}

func keeps(s *v1alpha1.TeamSpec, email string) bool {
	is := func(other v1alpha1.EmailAddress) bool { return strings.EqualFold(string(other), email) }
	in := slices.ContainsFunc(s.Members, is) || slices.ContainsFunc(s.Admins, is)
	return in || s.Members == nil && s.Admins == nil
}
