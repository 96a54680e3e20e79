package histories

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
)

var twistsDrawn = flag.String("twists", "all", "which twists may be drawn, such as lies,tenants,moves; none: the histories are those from before there were twists")

// A twist is one kind of what else may come to pass in a history.
type twist string

const (
	twistLies      twist = "lies"      // answers that are not true, or not the console's
	twistAdmins    twist = "admins"    // nobody is Admin whom nobody touches
	twistTenants   twist = "tenants"   // several connections to one project, with rights of their own
	twistProtected twist = "protected" // people whom the connections protect
	twistNeighbour twist = "neighbour" // another project, whose console answers at once
	twistMoves     twist = "moves"     // objects are renamed or moved as GitOps tools do
	twistRestores  twist = "restores"  // objects come back from a backup, without status
	twistReapplies twist = "reapplies" // UserRoles are deleted and applied again
	twistRenames   twist = "renames"   // two Teams are given one name at once
	twistSuspends  twist = "suspends"  // objects are suspended for a while
	twistKeys      twist = "keys"      // keys are rolled back, or rotated twice
	twistProjects  twist = "projects"  // the key is another project's for a minute
	twistPauses    twist = "pauses"    // a process is killed while the console wants a pause
)

// twists are what a history has of them; nil: nothing.
type twists struct {
	// lies is how likely an answer is not true.
	lies float64
	// admins: nobody remains Admin but by the guard.
	admins bool
	// second: there is another connection to the project, with the same key or
	// with one of its own; it grants these roles only, if any.
	second, sameKey bool
	roles           []v1alpha1.RoleName
	// protected are never changed.
	protected []string
	neighbour bool
	acts      []twist
}

// unmended are the twists that find faults which are not mended yet. They are not
// drawn unless -twists names them.
var unmended = []twist{twistProjects, twistRestores}

func drawn(t twist) bool {
	return *twistsDrawn == "all" && !slices.Contains(unmended, t) || slices.Contains(strings.Split(*twistsDrawn, ","), string(t))
}

// plainHistories is how many of ten histories have no twists.
const plainHistories = 3

// drawTwists draws what else a history is made of. Whether it has any of it is
// drawn by the seed alone, so that the others are what they were.
func drawTwists(w *world, seed uint64) *twists {
	if *twistsDrawn == "none" || rand.New(rand.NewPCG(seed, 3)).IntN(10) < plainHistories {
		return nil
	}
	t := &twists{lies: oneOf[float64](w, 0, 0, 0.02, 0.1)}
	if t.admins = w.chance(0.2); t.admins && drawn(twistAdmins) {
		w.plan.leaders = false // two at a time cannot know of each other's demotions
	}
	t.second, t.sameKey = w.chance(0.3), w.chance(0.5)
	t.roles = oneOf(w, nil, []v1alpha1.RoleName{consolesim.RoleMember, consolesim.RoleReadOnly})
	if w.chance(0.3) {
		t.protected = []string{insiders[w.rng.IntN(len(insiders))], "bob@example.com"}
	}
	t.neighbour = w.chance(0.05)
	acts := []twist{twistMoves, twistMoves, twistRestores, twistReapplies, twistRenames, twistSuspends, twistKeys, twistProjects, twistPauses, twistTenants, twistTenants}
	for range w.rng.IntN(12) {
		t.acts = append(t.acts, oneOf(w, acts...))
	}
	t.reduce()
	if t.neighbour {
		// How fast it is can only be told where all else lets it be.
		w.plan.kube, w.plan.crashes, w.plan.leaders, w.plan.exclusive, w.moods = 0, 0, false, true, nil
		t.acts = nil
	}
	return t
}

// reduce takes out what is not to be drawn.
func (t *twists) reduce() {
	if !drawn(twistLies) {
		t.lies = 0
	}
	t.admins, t.second, t.neighbour = t.admins && drawn(twistAdmins), t.second && drawn(twistTenants), t.neighbour && drawn(twistNeighbour)
	if !drawn(twistProtected) {
		t.protected = nil
	}
	t.acts = slices.DeleteFunc(t.acts, func(act twist) bool { return !drawn(act) || act == twistTenants && !t.second })
}

// kinds are the twists that there are.
func (t *twists) kinds() []twist {
	if t == nil {
		return nil
	}
	out := slices.Clone(t.acts)
	for kind, is := range map[twist]bool{
		twistLies: t.lies > 0, twistAdmins: t.admins, twistTenants: t.second, twistProtected: len(t.protected) > 0, twistNeighbour: t.neighbour,
	} {
		if is {
			out = append(out, kind)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// String tells about them.
func (t *twists) String() string {
	if t == nil {
		return "no twists"
	}
	return fmt.Sprintf("%+v", *t)
}

// twist has happen at random what twists there are.
func (m *people) twist() {
	w := m.w
	if w.twists == nil {
		return
	}
	doing := map[twist]func(){
		twistMoves: m.move, twistRestores: m.restore, twistReapplies: m.reapply, twistRenames: m.renameTwo,
		twistSuspends: m.suspendObject, twistKeys: m.troubleKeys, twistProjects: m.mistakeProject, twistPauses: m.pauseAndKill, twistTenants: m.admitOrDismiss,
	}
	for _, act := range w.twists.acts {
		w.after(w.between(0, w.plan.lasts), func() {
			w.tally.twist(act)
			doing[act]()
		})
	}
	if w.twists.lies > 0 && w.chance(0.5) {
		w.after(w.between(0, w.plan.lasts), func() { m.lieForAWhile() })
	}
	if w.twists.neighbour {
		m.neighbour()
	}
}

// move does what a GitOps tool does to an object that has another name or
// namespace in Git: it applies the new one, and then prunes the old one.
func (m *people) move() {
	w := m.w
	switch old := m.pickAccess().(type) {
	case *v1alpha1.Team:
		now := &v1alpha1.Team{Spec: *old.Spec.DeepCopy()}
		now.Namespace, now.Name = oneOf(w, namespaces...), fmt.Sprintf("moved-%d", w.rng.IntN(4))
		now.Spec.Name = old.ConsoleName()
		now.Spec.AdoptionPolicy = oneOf(w, v1alpha1.AdoptionAdopt, v1alpha1.AdoptionAdopt, old.Spec.AdoptionPolicy)
		m.replace(old, now)
	case *v1alpha1.UserRole:
		now := &v1alpha1.UserRole{Spec: *old.Spec.DeepCopy()}
		now.Namespace, now.Name = oneOf(w, namespaces...), fmt.Sprintf("moved-%d", w.rng.IntN(4))
		m.replace(old, now)
	}
}

func (m *people) replace(old, now clientObject) {
	w := m.w
	if _, exists := w.kube.objects[keyOf(now)]; exists {
		return
	}
	w.note("people move %v to %v", keyOf(old), keyOf(now))
	m.mustCreate(now)
	w.after(w.between(0, oneOf(w, 100*time.Millisecond, 20*time.Second, 3*time.Minute)), func() {
		w.note("people prune %v", keyOf(old))
		w.kube.delete(keyOf(old))
	})
}

// pickAccess draws a Team or UserRole that is not being deleted.
func (m *people) pickAccess() clientObject {
	if m.w.chance(0.6) {
		if t, ok := pick[*v1alpha1.Team](m.w); ok {
			return t
		}
	}
	if u, ok := pick[*v1alpha1.UserRole](m.w); ok {
		return u
	}
	return nil
}

// restore brings the objects of a namespace back from a backup that was made this
// moment: all but their status is as it was.
func (m *people) restore() {
	w := m.w
	namespace := oneOf(w, namespaces...)
	if w.chance(0.5) {
		for len(w.processes) > 0 {
			w.crash(w.processes[0])
		}
	}
	w.note("people restore %s from a backup", namespace)
	for _, t := range all[*v1alpha1.Team](w.kube) {
		if t.Namespace == namespace && t.DeletionTimestamp.IsZero() {
			w.ledger.restored(t)
			now := copyOf(t)
			now.Status = v1alpha1.TeamStatus{}
			w.kube.restore(now)
		}
	}
	for _, u := range all[*v1alpha1.UserRole](w.kube) {
		if u.Namespace == namespace && u.DeletionTimestamp.IsZero() {
			w.ledger.restoredRole(u)
			now := copyOf(u)
			now.Status = v1alpha1.UserRoleStatus{}
			w.kube.restore(now)
		}
	}
}

// reapply deletes a UserRole and applies it again.
func (m *people) reapply() {
	w := m.w
	old, ok := pick[*v1alpha1.UserRole](w)
	if !ok {
		return
	}
	w.note("people delete %v and apply it again", keyOf(old))
	w.kube.delete(keyOf(old))
	var again func()
	again = func() {
		if _, there := w.kube.objects[keyOf(old)]; there {
			if !w.calm {
				w.after(w.between(time.Second, time.Minute), again)
			}
			return
		}
		now := &v1alpha1.UserRole{Spec: *old.Spec.DeepCopy()}
		now.Namespace, now.Name = old.Namespace, old.Name
		w.note("people apply %v again", keyOf(now))
		m.mustCreate(now)
	}
	w.after(w.between(time.Second, time.Minute), again)
}

// renameTwo gives two Teams one name at once.
func (m *people) renameTwo() {
	w := m.w
	name := m.freeName()
	if name == "" || len(w.sim.TeamsNamed(name)) > 0 {
		return
	}
	for range 2 {
		if t, ok := pick[*v1alpha1.Team](w); ok && t.Spec.Mode != v1alpha1.ModeObserve {
			w.after(w.between(0, oneOf(w, 0, time.Second)), func() {
				now, there := w.kube.objects[keyOf(t)].(*v1alpha1.Team)
				if !there || !now.DeletionTimestamp.IsZero() {
					return
				}
				edit(w.kube, now, func(t *v1alpha1.Team) {
					t.Spec.Name = name
					w.note("people rename %v: %q", keyOf(t), name)
				})
			})
		}
	}
}

// suspendObject suspends an object, as a rule for some minutes.
func (m *people) suspendObject() {
	w := m.w
	obj := m.pickAccess()
	if obj == nil {
		return
	}
	set := func(suspend bool) {
		now, there := w.kube.objects[keyOf(obj)]
		if !there {
			return
		}
		edit(w.kube, now, func(now clientObject) {
			w.note("people set spec.suspend of %v to %v", keyOf(now), suspend)
			switch now := now.(type) {
			case *v1alpha1.Team:
				now.Spec.Suspend = suspend
			case *v1alpha1.UserRole:
				now.Spec.Suspend = suspend
			}
		})
	}
	set(true)
	if w.chance(0.8) {
		w.after(w.between(time.Second, 10*time.Minute), func() { set(false) })
	}
}

// troubleKeys does to the key what people do in haste.
func (m *people) troubleKeys() {
	w := m.w
	switch former := m.key(); w.rng.IntN(3) {
	case 0: // and back
		m.setKey(m.newKey())
		w.after(w.between(time.Second, time.Minute), func() { m.setKey(former) })
	case 1: // twice, and a crash
		m.setKey(m.newKey())
		w.after(w.between(0, 10*time.Second), func() {
			m.setKey(m.newKey())
			w.after(w.between(0, 5*time.Second), m.kill)
		})
	case 2: // back, and a crash on the way
		m.setKey(m.newKey())
		w.after(w.between(0, 20*time.Second), m.kill)
		w.after(w.between(time.Second, 40*time.Second), func() { m.setKey(former) })
	}
}

// mistakeProject puts another project's key into the Secret for a while.
func (m *people) mistakeProject() {
	w := m.w
	former := m.key()
	w.note("people mistake the project")
	w.ledger.foreignBegins()
	m.setKey(foreignKey)
	w.after(w.between(10*time.Second, 2*time.Minute), func() {
		if m.key() == foreignKey {
			m.setKey(former)
		}
	})
}

// kill ends a process at once.
func (m *people) kill() {
	if len(m.w.processes) > 0 && !m.w.calm {
		m.w.crash(m.w.processes[0])
	}
}

// pauseAndKill has the console ask for a pause of some minutes, and the process
// that heard of it killed.
func (m *people) pauseAndKill() {
	m.w.net.pause = m.w.between(30*time.Second, 8*time.Minute).Truncate(time.Second)
}

// lieForAWhile has something on the way, or the console, answer untruly for up to
// some minutes, or take its time.
func (m *people) lieForAWhile() {
	w := m.w
	w.net.outage, w.net.outageUntil = oneOf(w, netNoRoute, netHollow, netUntrue, netAddress, netSlowly), w.now()+w.between(time.Second, 6*time.Minute)
	w.note("until %v: %s", w.net.outageUntil, w.net.outage)
	w.tally.outages++
}

// The connection of the second tenant, and the label by which namespaces are
// admitted there.
const (
	secondConnection = "second"
	secondKey        = "console-key-second"
	foreignKey       = "console-key-foreign"
	admittedLabel    = "console"
)

// tenants makes the second connection. It grants some roles only, and admits the
// namespaces that have a label; at first all have.
func (m *people) tenants(first *v1alpha1.ConsoleConnection) {
	w := m.w
	second := copyOf(first)
	second.Name, second.ResourceVersion, second.UID = secondConnection, "", ""
	if w.twists.sameKey {
		second.Spec.APIKeySecretRef = first.Spec.APIKeySecretRef
	} else {
		secret := &corev1.Secret{Data: map[string][]byte{"apiKey": []byte(secondKey)}}
		secret.Namespace, secret.Name = operatorNamespace, "key-second"
		m.mustCreate(secret)
		w.sim.AddKey(secondKey)
		second.Spec.APIKeySecretRef.Name = secret.Name
	}
	second.Spec.AllowedRoles = w.twists.roles
	second.Spec.AllowedNamespaces = v1alpha1.AllowedNamespaces{
		From: v1alpha1.NamespacesFromSelector, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{admittedLabel: "yes"}},
	}
	m.mustCreate(second)
	for _, n := range all[*corev1.Namespace](w.kube) {
		edit(w.kube, n, func(n *corev1.Namespace) { n.Labels = map[string]string{admittedLabel: "yes"} })
	}
}

// admitOrDismiss has the second connection admit a namespace or not.
func (m *people) admitOrDismiss() {
	w := m.w
	n := oneOf(w, all[*corev1.Namespace](w.kube)...)
	edit(w.kube, n, func(n *corev1.Namespace) {
		value := "yes"
		if n.Labels[admittedLabel] == "yes" {
			value = "no"
		}
		w.note("people label %s: %s", n.Name, value)
		n.Labels = map[string]string{admittedLabel: value}
		w.ledger.watch.admission[n.Name] = append(w.ledger.watch.admission[n.Name], admission{w.now(), value == "yes"})
	})
}

// setStage makes the first connection what the twists need.
func (m *people) setStage(c *v1alpha1.ConsoleConnection) {
	t := m.w.twists
	if t == nil {
		return
	}
	for _, email := range t.protected {
		c.Spec.ProtectedUsers = append(c.Spec.ProtectedUsers, v1alpha1.EmailAddress(email))
	}
	if t.second && !t.sameKey {
		c.Spec.RateLimit.Group = "shared"
	}
	if t.neighbour {
		m.settleNextDoor()
	}
}

// rootRole is what root is: as a rule an Admin whom nobody touches.
func (w *world) rootRole() string {
	if w.twists != nil && w.twists.admins {
		return consolesim.RoleMember
	}
	return consolesim.RoleAdmin
}

// connectionName draws the connection for an object.
func (m *people) connectionName() string {
	if m.w.twists != nil && m.w.twists.second && m.w.chance(0.5) {
		return secondConnection
	}
	return "default"
}
