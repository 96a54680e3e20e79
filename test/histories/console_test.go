package histories

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
)

type clientObject = client.Object

// What people do in the console by hand.

// makeTeam makes a team that no Team stands for.
func (m *people) makeTeam() {
	w := m.w
	taken := func(name string) bool {
		return len(w.sim.TeamsNamed(name)) > 0 ||
			slices.ContainsFunc(all[*v1alpha1.Team](w.kube), func(t *v1alpha1.Team) bool {
				return t.ConsoleName() == name || t.Status.CreateIntent != nil && t.Status.CreateIntent.Name == name
			})
	}
	name := oneOf(w, append([]string{"Legacy"}, consoleNames...)...)
	if taken(name) {
		return
	}
	m.reserved[name] = w.now() + 2*w.plan.interval
	t := w.sim.PutTeam(consolesim.Team{
		Name: name, Description: new("By hand"), Members: []string{root, oneOf(w, m.present()...)}, ReviewApproval: "team_only",
	})
	w.note("people make the team %q, %s, by hand", t.Name, t.ID)
	w.ledger.byHand(t)
}

// present are the people of the project.
func (m *people) present() []string {
	var out []string
	for _, u := range m.w.sim.Users() {
		out = append(out, u.Email)
	}
	return out
}

// changeTeam edits a team.
func (m *people) changeTeam() {
	w := m.w
	teams := w.sim.Teams()
	if len(teams) == 0 {
		return
	}
	t := oneOf(w, teams...)
	switch w.rng.IntN(4) {
	case 0:
		t.Description = new(fmt.Sprintf("By hand %d", w.rng.IntN(1000)))
	case 1:
		if email := oneOf(w, m.present()...); !slices.ContainsFunc(t.Members, same(email)) {
			t.Members = append(t.Members, email)
		}
	case 2:
		if len(t.Members) > 0 {
			t.Members = t.Members[1:]
		}
	case 3:
		t.DefaultTargetApplications = []string{fmt.Sprintf("app-%d", w.rng.IntN(9))}
	}
	w.note("people change the team %q, %s, by hand", t.Name, t.ID)
	w.ledger.byHand(w.sim.PutTeam(t))
}

func same(email string) func(string) bool {
	return func(other string) bool { return strings.EqualFold(email, other) }
}

// removeTeam deletes a team.
func (m *people) removeTeam() {
	if teams := m.w.sim.Teams(); len(teams) > 0 {
		t := oneOf(m.w, teams...)
		m.w.note("people delete the team %q, %s, by hand", t.Name, t.ID)
		m.w.sim.RemoveTeam(t.ID)
		m.w.ledger.gone(t.ID)
	}
}

// changeUser gives somebody another role.
func (m *people) changeUser() {
	email := oneOf(m.w, insiders...)
	if u, ok := m.w.sim.User(email); ok && !m.mustStay(u) {
		u.Role, u.LastName = oneOf(m.w, roles...), "By hand"
		m.w.note("people make %s %s by hand", email, u.Role)
		m.w.sim.PutUser(u)
	}
}

// mustStay reports whether somebody may be the only Admin, where the operator is
// the one to see that there is one.
func (m *people) mustStay(u consolesim.User) bool {
	return m.w.rootRole() != consolesim.RoleAdmin && u.Role == consolesim.RoleAdmin
}

// comeOrGo has somebody join or leave the project.
func (m *people) comeOrGo() {
	w := m.w
	if invites := w.sim.Invites(); len(invites) > 0 && w.chance(0.5) {
		w.sim.AcceptInvite(invites[0].Email)
		w.note("%s accepts the invitation", invites[0].Email)
		w.ledger.recount()
		return
	}
	email := oneOf(w, append(outsiders[:2:2], insiders...)...)
	delete(w.ledger.watch.invited, strings.ToLower(email))
	if u, ok := w.sim.User(email); ok && m.mustStay(u) {
		return
	} else if ok {
		w.note("%s leaves the project", email)
		w.sim.RemoveUser(email)
	} else {
		w.note("%s joins the project", email)
		w.sim.PutUser(consolesim.User{Email: email, Role: oneOf(w, roles...)})
	}
	w.ledger.recount()
}

// rotateKey puts a new key into the Secret, or the one before again; the old one
// ends a minute later.
func (m *people) rotateKey() {
	w := m.w
	former := m.key()
	next := m.before
	if next == "" || w.chance(0.7) {
		next = m.newKey()
	}
	w.sim.AddKey(next)
	m.before = former
	m.setKey(next)
	w.after(time.Minute, func() {
		if m.key() != former {
			w.sim.RevokeKey(former)
		}
	})
}

// loseKey has the key revoked; some minutes later there is another one.
func (m *people) loseKey() {
	w := m.w
	w.note("the key is revoked")
	w.sim.RevokeKey(m.key())
	w.after(w.between(time.Second, 10*time.Minute), func() { m.setKey(m.newKey()) })
}

func (m *people) newKey() string {
	m.keys++
	key := fmt.Sprintf("console-key-%d", m.keys)
	m.w.sim.AddKey(key)
	return key
}

func (m *people) secret() *corev1.Secret { return all[*corev1.Secret](m.w.kube)[0] }

func (m *people) key() string { return string(m.secret().Data["apiKey"]) }

// regroup has the connection draw from another quota, or from that of its key.
func (m *people) regroup() {
	if m.w.twists != nil && m.w.twists.second {
		return // or connections to one project would draw from different ones
	}
	group := oneOf(m.w, "", "", "all", "some")
	m.alone()
	m.w.note("people set the rate limit's group to %q", group)
	edit(m.w.kube, all[*v1alpha1.ConsoleConnection](m.w.kube)[0], func(c *v1alpha1.ConsoleConnection) { c.Spec.RateLimit.Group = group })
}

// alone leaves one leader only, also for the next minute: two that learn of
// another quota at different moments draw from quotas of their own.
func (m *people) alone() {
	for len(m.w.processes) > 1 {
		m.w.crash(m.w.processes[0])
	}
	m.quotaAt, m.regrouped = m.w.now(), true
}

func (m *people) setKey(key string) {
	m.alone()
	m.w.note("people put %s into the Secret", key)
	edit(m.w.kube, m.secret(), func(s *corev1.Secret) { s.Data = map[string][]byte{"apiKey": []byte(key)} })
}

// describe is a Team's spec in a line.
func describe(s v1alpha1.TeamSpec) string {
	text := func(p *string) string {
		if p == nil {
			return "-"
		}
		return *p
	}
	return fmt.Sprintf("name %q, description %s, members %v, admins %v, %s, %s, %s, suspend %v",
		s.Name, text(s.Description), s.Members, s.Admins, s.AdoptionPolicy, s.DeletionPolicy, s.Mode, s.Suspend)
}
