package histories

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
)

const (
	firstKey = "console-key-0"
	// root is an Admin whom nobody touches.
	root = "root@example.com"
)

var (
	// insiders are in the project at first, outsiders are not.
	insiders  = []string{"Ada@example.com", "bob@example.com", "cyd@example.com", "Dan@Example.com", "eve@example.com"}
	outsiders = []string{"yan@example.com", "zoe@example.com"}
	// consoleNames are what teams are called.
	consoleNames = []string{"Alpha", "Beta", "Gamma", "Delta"}
	roles        = []string{consolesim.RoleAdmin, consolesim.RoleMember, consolesim.RoleReadOnly}
)

// people apply, edit and delete objects, and change the console by hand.
type people struct {
	w    *world
	keys int
	// before is the key that was last replaced, and may be used again.
	before string
	// quotaAt is when the connection was last led to another quota.
	quotaAt   time.Duration
	regrouped bool
	// reserved is until when nobody gives a Team a name that somebody has just
	// given to a team by hand: who was first could not be told.
	reserved map[string]time.Duration
}

// newPeople sets the scene.
func newPeople(w *world) *people {
	m := &people{w: w, reserved: map[string]time.Duration{}}
	for _, name := range namespaces {
		m.mustCreate(newNamespace(name))
	}
	secret := &corev1.Secret{Data: map[string][]byte{"apiKey": []byte(firstKey)}}
	secret.Namespace, secret.Name = operatorNamespace, "key"
	m.mustCreate(secret)
	c := &v1alpha1.ConsoleConnection{}
	c.Name = "default"
	c.Spec.Provider, c.Spec.Endpoint, c.Spec.APIKeySecretRef.Name = v1alpha1.ProviderStatsig, "https://console.test", "key"
	for _, window := range w.plan.windows {
		c.Spec.RateLimit.Windows = append(c.Spec.RateLimit.Windows,
			v1alpha1.RateLimitWindow{Requests: int32(window.Requests), Per: metav1.Duration{Duration: window.Per}})
	}
	c.Spec.RateLimit.Share = oneOf[int32](w, 90, 100)
	c.Spec.Drift = v1alpha1.Drift{Policy: v1alpha1.DriftCorrect, Interval: metav1.Duration{Duration: w.plan.interval}}
	c.Spec.DeletionBrake.MaxDeletes = &w.plan.brake
	m.setStage(c)
	m.mustCreate(c)
	if w.twists != nil && w.twists.second {
		m.tenants(c)
	}

	w.sim.PutUser(consolesim.User{Email: root, Role: w.rootRole()})
	for _, email := range insiders {
		w.sim.PutUser(consolesim.User{Email: email, Role: oneOf(w, roles...)})
	}
	if w.rootRole() != consolesim.RoleAdmin {
		for _, email := range insiders[:2] {
			w.sim.PutUser(consolesim.User{Email: email, Role: consolesim.RoleAdmin})
		}
	}
	for range w.rng.IntN(4) {
		m.makeTeam()
	}
	return m
}

func (m *people) mustCreate(obj clientObject) {
	if err := m.w.kube.create(obj); err != nil {
		panic(fmt.Sprintf("create %v: %v", keyOf(obj), err))
	}
}

// begin has people act at random moments.
func (m *people) begin() {
	w := m.w
	for range w.plan.actions {
		w.after(w.between(0, w.plan.lasts), m.act)
	}
	for range w.plan.outages {
		w.after(w.between(0, w.plan.lasts), func() {
			w.net.outage, w.net.outageUntil = oneOf(w, lasting...), w.now()+w.between(time.Second, 15*time.Minute)
			w.note("outage until %v: %s", w.net.outageUntil, w.net.outage)
			w.tally.outages++
		})
	}
	if w.plan.leaders {
		w.after(w.between(0, w.plan.lasts), m.secondLeader)
	}
	if w.moods != nil {
		for range 1 + w.moods.IntN(20) {
			w.after(w.mood(w.plan.lasts), w.turn)
		}
		for range w.moods.IntN(4) {
			w.after(w.mood(w.plan.lasts), func() {
				w.kube.outageUntil = w.now() + w.mood(2*time.Minute)
				w.note("Kubernetes does not answer until %v", w.kube.outageUntil)
			})
		}
	}
}

// secondLeader has another process run beside the one there is, for a while.
func (m *people) secondLeader() {
	w := m.w
	if len(w.processes) != 1 || m.regrouped && w.now()-m.quotaAt < time.Minute {
		return
	}
	former := w.processes[0]
	w.begin()
	w.after(w.between(0, 5*time.Minute), func() { w.crash(former) })
}

// act does one thing at random. Teams are what most is done to.
func (m *people) act() {
	oneOf(m.w,
		m.createTeam, m.createTeam, m.createTeam, m.createTeam, m.createTeam, m.editTeam, m.editTeam, m.editTeam, m.renameTeam,
		m.deleteTeam, m.deleteTeam, m.deleteTeams,
		m.createRole, m.createRole, m.editRole, m.deleteRole,
		m.changeTeam, m.changeTeam, m.removeTeam, m.makeTeam, m.changeUser, m.changeUser, m.comeOrGo,
		m.rotateKey, m.loseKey, m.regroup, m.suspend, m.request, m.restart,
	)()
}

// pick draws an object that is not being deleted.
func pick[T clientObject](w *world) (obj T, ok bool) {
	live := slices.DeleteFunc(all[T](w.kube), func(obj T) bool {
		return !obj.GetDeletionTimestamp().IsZero() || obj.GetNamespace() == neighbourNamespace
	})
	if len(live) == 0 {
		return obj, false
	}
	return oneOf(w, live...), true
}

func (m *people) createTeam() {
	t := &v1alpha1.Team{}
	t.Namespace, t.Name = oneOf(m.w, namespaces...), fmt.Sprintf("team-%d", m.w.rng.IntN(5))
	if _, exists := m.w.kube.objects[keyOf(t)]; exists {
		m.editTeam()
		return
	}
	t.Spec.ConnectionRef.Name = m.connectionName()
	t.Spec.Name = m.freeName()
	t.Spec.AdoptionPolicy = oneOf(m.w, v1alpha1.AdoptionRefuse, v1alpha1.AdoptionRefuse, v1alpha1.AdoptionAdopt)
	t.Spec.DeletionPolicy = oneOf(m.w, "", v1alpha1.TeamDelete, v1alpha1.TeamDelete, v1alpha1.TeamOrphan)
	t.Spec.Mode = oneOf(m.w, v1alpha1.ModeEnforce, v1alpha1.ModeEnforce, v1alpha1.ModeEnforce, v1alpha1.ModeEnforce, v1alpha1.ModeObserve)
	m.drawSpec(&t.Spec)
	m.w.note("people create %v: %+v", keyOf(t), describe(t.Spec))
	m.mustCreate(t)
}

// freeName draws a name for a Team, or none.
func (m *people) freeName() string {
	names := slices.DeleteFunc(slices.Clone(consoleNames), func(name string) bool { return m.reserved[name] > m.w.now() })
	if len(names) == 0 || m.w.chance(0.3) {
		return ""
	}
	return oneOf(m.w, names...)
}

func (m *people) drawSpec(s *v1alpha1.TeamSpec) {
	w := m.w
	s.Description, s.Members, s.Admins, s.DefaultGateMetrics, s.RequireReviews, s.ReviewApproval = nil, nil, nil, nil, nil, ""
	if w.chance(0.6) {
		s.Description = new(fmt.Sprintf("Edition %d", w.rng.IntN(1000)))
	}
	if w.chance(0.7) {
		s.Members = m.drawPeople()
	}
	if w.chance(0.5) {
		s.Admins = m.drawPeople()
	}
	if w.chance(0.2) {
		s.DefaultGateMetrics = []v1alpha1.Metric{{Name: "dau", Type: "user"}, {Name: fmt.Sprintf("m%d", w.rng.IntN(9)), Type: "sum"}}
	}
	if w.chance(0.2) {
		s.RequireReviews = new(w.chance(0.5))
	}
	if w.chance(0.2) {
		s.ReviewApproval = oneOf(w, "anyone", "team_only", "admin_only")
	}
	s.Suspend = w.chance(0.04)
}

func (m *people) drawPeople() []v1alpha1.EmailAddress {
	out := []v1alpha1.EmailAddress{}
	for _, email := range insiders {
		if m.w.chance(0.4) {
			out = append(out, v1alpha1.EmailAddress(oneOf(m.w, email, strings.ToLower(email))))
		}
	}
	for _, email := range outsiders {
		if m.w.chance(0.07) {
			out = append(out, v1alpha1.EmailAddress(email))
		}
	}
	return out
}

func (m *people) editTeam() {
	if t, ok := pick[*v1alpha1.Team](m.w); ok {
		edit(m.w.kube, t, func(t *v1alpha1.Team) {
			m.drawSpec(&t.Spec)
			m.w.note("people edit %v: %+v", keyOf(t), describe(t.Spec))
		})
	}
}

// renameTeam gives a Team another name, be it while the team is being created.
func (m *people) renameTeam() {
	if t, ok := pick[*v1alpha1.Team](m.w); ok {
		edit(m.w.kube, t, func(t *v1alpha1.Team) {
			t.Spec.Name = m.freeName()
			m.w.note("people rename %v: %q", keyOf(t), t.Spec.Name)
		})
	}
}

func (m *people) deleteTeam() {
	if t, ok := pick[*v1alpha1.Team](m.w); ok {
		m.w.note("people delete %v", keyOf(t))
		m.w.kube.delete(keyOf(t))
	}
}

// deleteTeams deletes all Teams of a namespace.
func (m *people) deleteTeams() {
	namespace := oneOf(m.w, namespaces...)
	m.w.note("people delete all Teams in %s", namespace)
	for _, t := range all[*v1alpha1.Team](m.w.kube) {
		if t.Namespace == namespace {
			m.w.kube.delete(keyOf(t))
		}
	}
}

func (m *people) createRole() {
	u := &v1alpha1.UserRole{}
	u.Namespace, u.Name = oneOf(m.w, namespaces...), fmt.Sprintf("role-%d", m.w.rng.IntN(4))
	if _, exists := m.w.kube.objects[keyOf(u)]; exists {
		m.editRole()
		return
	}
	u.Spec.ConnectionRef.Name = m.connectionName()
	u.Spec.Email = v1alpha1.EmailAddress(oneOf(m.w, append(outsiders[:1:1], insiders...)...))
	u.Spec.Role = v1alpha1.RoleName(oneOf(m.w, roles...))
	u.Spec.WhenMissing = oneOf(m.w, v1alpha1.WhenMissingWait, v1alpha1.WhenMissingInvite)
	u.Spec.DeletionPolicy = oneOf(m.w, v1alpha1.UserRoleOrphan, v1alpha1.UserRoleRestore, v1alpha1.UserRoleDowngrade)
	u.Spec.DowngradeTo, u.Spec.Mode = consolesim.RoleReadOnly, v1alpha1.ModeEnforce
	m.w.note("people create %v: %s is %s", keyOf(u), u.Spec.Email, u.Spec.Role)
	m.mustCreate(u)
}

func (m *people) editRole() {
	if u, ok := pick[*v1alpha1.UserRole](m.w); ok {
		edit(m.w.kube, u, func(u *v1alpha1.UserRole) {
			u.Spec.Role = v1alpha1.RoleName(oneOf(m.w, roles...))
			u.Spec.FirstName = oneOf(m.w, []*string{nil, new("First"), new("")}...)
			m.w.note("people edit %v: %s", keyOf(u), u.Spec.Role)
		})
	}
}

func (m *people) deleteRole() {
	if u, ok := pick[*v1alpha1.UserRole](m.w); ok {
		m.w.note("people delete %v", keyOf(u))
		m.w.kube.delete(keyOf(u))
	}
}

// suspend stops the connection for some minutes.
func (m *people) suspend() {
	c := all[*v1alpha1.ConsoleConnection](m.w.kube)[0]
	edit(m.w.kube, c, func(c *v1alpha1.ConsoleConnection) { c.Spec.Suspend = true })
	m.w.note("people suspend the connection")
	m.w.after(m.w.between(time.Second, 10*time.Minute), m.resume)
}

func (m *people) resume() {
	c := all[*v1alpha1.ConsoleConnection](m.w.kube)[0]
	if c.Spec.Suspend {
		m.w.note("people resume the connection")
		edit(m.w.kube, c, func(c *v1alpha1.ConsoleConnection) { c.Spec.Suspend = false })
	}
}

// request asks for a check now.
func (m *people) request() {
	if t, ok := pick[*v1alpha1.Team](m.w); ok {
		m.w.note("people request a check of %v", keyOf(t))
		m.annotate(t, v1alpha1.ReconcileRequestedAtAnnotation, m.w.now().String())
	}
}

func (m *people) annotate(obj clientObject, name, value string) {
	edit(m.w.kube, obj, func(obj clientObject) {
		annotations := maps.Clone(obj.GetAnnotations())
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[name] = value
		obj.SetAnnotations(annotations)
	})
}

// approve lets held deletions pass, and says of a project that lacks most of what is
// recorded, as after many teams were deleted by hand, that it is the right one.
func (m *people) approve() {
	for _, c := range all[*v1alpha1.ConsoleConnection](m.w.kube) {
		ready := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ReadyCondition)
		edit(m.w.kube, c, func(c *v1alpha1.ConsoleConnection) {
			said := map[string]string{v1alpha1.ApproveDeletesAnnotation: "all"}
			if ready != nil {
				if _, rest, ok := strings.Cut(ready.Message, v1alpha1.ApproveProjectAnnotation+"="); ok {
					said[v1alpha1.ApproveProjectAnnotation], _, _ = strings.Cut(rest, ",")
				}
			}
			c.SetAnnotations(said)
		})
	}
}

// restart ends a process as a rolling update does.
func (m *people) restart() {
	if n := len(m.w.processes); n > 0 {
		p := m.w.processes[m.w.rng.IntN(n)]
		if p.ctx.Err() == nil {
			m.w.end(p)
		}
	}
}
