package chaos

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
)

const (
	namespaces = 3
	// bystanders are people without a UserRole, the first of them Admins.
	bystanders = 20
	// handMade is how many teams the console has that are nobody's.
	handMade = 6
	// mostAway is how many people have left the project at a time.
	mostAway = 4
)

func address(i int) string { return fmt.Sprintf("Person%03d@example.com", i) }

// protected are people with a UserRole whom the connection protects.
func protected() []string { return []string{"guarded1@example.com", "Guarded2@example.com"} }

// everybody is who may be in a team.
func (c *campaign) everybody() []string {
	all := protected()
	for i := range *roles {
		all = append(all, address(i))
	}
	for i := range bystanders {
		all = append(all, fmt.Sprintf("bystander%02d@example.com", i))
	}
	return all
}

// populate puts people and teams into the console, and draws up the objects.
func (c *campaign) populate() {
	p := &program{c: c, rng: c.rng(0), done: map[string]int{}, spaces: []string{c.e.Namespace}}
	c.program = p
	for range namespaces - 1 {
		p.spaces = append(p.spaces, c.e.NewNamespace(nil))
	}
	for i, email := range c.everybody() {
		role := pick(p.rng, []string{consolesim.RoleMember, consolesim.RoleReadOnly})
		if i == len(protected())+*roles {
			role = consolesim.RoleAdmin
		}
		c.e.Sim.PutUser(consolesim.User{Email: email, FirstName: "First", LastName: "Last", Role: role})
	}
	for i := range handMade {
		about := "made by hand"
		team := consolesim.Team{Name: fmt.Sprintf("By hand %d", i), Description: &about, ReviewApproval: "team_only"}
		for _, email := range p.people(5) {
			team.Members = append(team.Members, string(email))
		}
		c.e.Sim.PutTeam(team)
	}
	for i := range *teams {
		s := &teamSlot{obj: c.e.Team(fmt.Sprintf("team-%03d", i), p.teamSpec())}
		s.obj.Namespace, s.obj.Spec.Name = p.spaces[i%namespaces], p.teamName()
		p.teams = append(p.teams, s)
	}
	// One that must leave somebody else's team alone, and one that takes one over.
	for i, policy := range []v1alpha1.AdoptionPolicy{v1alpha1.AdoptionRefuse, v1alpha1.AdoptionAdopt} {
		s := p.teams[i]
		s.fixed = true
		s.obj.Spec.Name, s.obj.Spec.AdoptionPolicy, s.obj.Spec.DeletionPolicy = fmt.Sprintf("By hand %d", i), policy, ""
	}
	for i := range *roles {
		p.roles = append(p.roles, p.roleSlot(address(i), fmt.Sprintf("person-%03d", i), i))
	}
	for i, email := range protected() {
		s := p.roleSlot(email, fmt.Sprintf("guarded-%d", i), i)
		s.fixed = true
		p.roles = append(p.roles, s)
	}
}

func (p *program) roleSlot(email, name string, i int) *roleSlot {
	return &roleSlot{email: email, obj: &v1alpha1.UserRole{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.spaces[i%namespaces], Name: name}, Spec: p.roleSpec(email),
	}}
}

// editByHand does one thing that people do in the console.
func (p *program) editByHand() {
	if p.some(35) {
		p.userByHand()
		return
	}
	teams := p.c.e.Sim.Teams()
	team := pick(p.rng, teams)
	// The id must be known to the cluster, or a renamed or deleted team could
	// not be told from one whose creation failed.
	known := p.known(team.ID)
	number := p.rng.IntN(1000)
	switch what := p.rng.IntN(10); {
	case what == 0 && known:
		p.c.e.Sim.RemoveTeam(team.ID)
	case what == 1 && known:
		p.c.e.Sim.EditTeam(team.ID, func(t *consolesim.Team) { t.Name = fmt.Sprintf("Renamed %d %s", number, t.ID) })
	case what <= 4:
		email := pick(p.rng, p.c.everybody())
		p.c.e.Sim.EditTeam(team.ID, func(t *consolesim.Team) { t.Members = append(t.Members, email) })
	case what <= 6:
		p.c.e.Sim.EditTeam(team.ID, func(t *consolesim.Team) { t.Members = t.Members[:len(t.Members)/2] })
	case what == 7:
		p.c.e.Sim.EditTeam(team.ID, func(t *consolesim.Team) { t.Admins = nil })
	case what == 8:
		about := fmt.Sprintf("described by hand %d", number)
		p.c.e.Sim.EditTeam(team.ID, func(t *consolesim.Team) { t.Description = &about })
	default:
		p.c.e.Sim.EditTeam(team.ID, func(t *consolesim.Team) {
			t.ReviewApproval = pick(p.rng, []string{"anyone", "team_only", "admin_only"})
			t.DefaultTargetApplications = []string{"by hand"}
		})
	}
	p.done["edits by hand"]++
}

// leave takes somebody out of the project, and so out of all teams.
func (p *program) leave() {
	user, ok := p.c.e.Sim.User(pick(p.rng, p.c.everybody()))
	if !ok || user.Email == p.c.admin() || len(p.away) >= mostAway {
		return
	}
	p.away = append(p.away, user)
	p.c.e.Sim.RemoveUser(user.Email)
	p.done["people who left"]++
}

// comeBack lets the one come back who has been away for longest.
func (p *program) comeBack() {
	if len(p.away) > 0 {
		p.c.e.Sim.PutUser(p.away[0])
		p.away = p.away[1:]
	}
}

// known reports whether the status of a Team that lives names the team.
func (p *program) known(id string) (known bool) {
	p.c.ledger.Note(func() {
		for _, s := range p.teams {
			known = known || s.life != nil && s.life.Gone.IsZero() && s.life.IDs[id]
		}
	})
	return known
}

func (p *program) userByHand() {
	email := pick(p.rng, p.c.everybody())
	role := pick(p.rng, []string{consolesim.RoleMember, consolesim.RoleReadOnly, "Analyst"})
	if email == p.c.admin() {
		return
	}
	p.c.e.Sim.EditUser(email, func(u *consolesim.User) {
		if u.Role == role {
			u.FirstName += "!"
		}
		u.Role = role
	})
	p.done["edits by hand"]++
}

// admin is the bystander who is always an Admin, beside those of every console.
func (c *campaign) admin() string { return c.everybody()[len(protected())+*roles] }
