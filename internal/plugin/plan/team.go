package plan

import (
	"slices"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/controller/team"
)

// team plans for one Team as its reconciler would go about it.
func (p *planner) team(c *Change, obj *v1alpha1.Team) {
	if obj.Spec.Suspend {
		c.problem(v1alpha1.ReasonSuspended, "spec.suspend is true, so nothing is done.")
		return
	}
	have, ok := p.find(c, obj)
	if !ok {
		return
	}
	want := team.Specified(obj)
	notAdded, _ := team.KeepProtected(&want, have, p.Connection.Spec.ProtectedUsers)
	if len(notAdded) > 0 {
		c.problem(v1alpha1.ReasonProtectedUser,
			"ConsoleConnection %q protects %s, so they are not added to this team, nor made its admins. All else is applied.", p.Connection.Name, names(notAdded))
	}
	if missing := p.leaveOut(&want, have); len(missing) > 0 {
		c.problem(v1alpha1.ReasonUserNotFound,
			"Not in the console project: %s. All else is applied; they are added when they appear. Invite them, or remove them from the spec.", names(missing))
	}
	action, compared := Update, have
	if have == nil {
		action = Create
		// The console's own defaults: what the first write would not say anew.
		empty := console.DesiredTeam{}
		fresh := empty.Merge(nil)
		compared = &fresh
	}
	if !compared.MembersKnown && want.ManagesMembers() {
		c.problem(v1alpha1.ReasonRejected, "The console does not tell the members of this team, so they cannot be compared.")
	}
	c.differ(action, obj.Spec.Mode, want.Diff(compared))
	p.keepDrift(c, obj)
	p.sayWho(c, &want, compared)
	if c.Action == Update {
		p.renames(c, obj, have)
	}
}

// find returns the console's team that the object stands for; nil when it is to
// be created. ok is false when neither can be.
func (p *planner) find(c *Change, obj *v1alpha1.Team) (have *console.Team, ok bool) {
	name := obj.Claim()
	known, _ := p.inCluster(obj).(*v1alpha1.Team)
	if known != nil && known.Status.ID != "" {
		i := slices.IndexFunc(p.Inventory.Teams, func(t console.Team) bool { return t.ID == known.Status.ID })
		if i >= 0 {
			return &p.Inventory.Teams[i], true
		}
		// It vanished, and is looked for as one that was never there.
	}
	named := p.named(name)
	switch {
	case len(named) == 0:
		return nil, true
	case len(named) > 1:
		c.problem(v1alpha1.ReasonAlreadyExists,
			"The console has %d teams named %q, so none can be adopted. Rename or delete all but one of them in the console.", len(named), name)
	case obj.Spec.Mode == v1alpha1.ModeObserve:
		return named[0], true
	case obj.Spec.AdoptionPolicy != v1alpha1.AdoptionAdopt && p.Cluster != nil:
		c.problem(v1alpha1.ReasonAlreadyExists,
			"The console already has a team named %q, which this object did not create. To take it over set spec.adoptionPolicy to Adopt, else choose another name.", name)
	case named[0].ID == "":
		c.problem(v1alpha1.ReasonAlreadyExists,
			"The console has a team named %q but does not tell its id, so it cannot be adopted.", name)
	default:
		return named[0], true
	}
	return nil, false
}

func (p *planner) named(name string) []*console.Team {
	var out []*console.Team
	for i := range p.Inventory.Teams {
		if t := &p.Inventory.Teams[i]; console.NameKey(t.Name) == console.NameKey(name) {
			out = append(out, t)
		}
	}
	return out
}

// renames looks whether the new name is another team's. A team that has its name
// already is changed, whatever others are called.
func (p *planner) renames(c *Change, obj *v1alpha1.Team, have *console.Team) {
	if !slices.ContainsFunc(c.Fields, func(f Field) bool { return f.Field == "name" }) {
		return
	}
	for _, other := range p.named(obj.Claim()) {
		if other.ID != have.ID {
			c.Action = None
			c.problem(v1alpha1.ReasonAlreadyExists,
				"The console already has another team named %q, so this team cannot be given that name. Rename or delete the other one, or choose another name.", obj.Claim())
		}
	}
}

// leaveOut takes people out of what is wanted who are not in the project, nor in
// the team, and returns them: they are added when they appear.
func (p *planner) leaveOut(want *console.DesiredTeam, have *console.Team) (missing []string) {
	absent := func(email string) bool {
		same := func(other string) bool { return console.SameEmail(email, other) }
		_, present := p.user(email)
		in := have != nil && have.MembersKnown && (slices.ContainsFunc(have.Members, same) || slices.ContainsFunc(have.Admins, same))
		if !present && !in {
			missing = append(missing, console.EmailKey(email))
		}
		return !present && !in
	}
	for _, people := range []*[]string{&want.Members, &want.Admins} {
		if *people != nil {
			*people = slices.DeleteFunc(slices.Clone(*people), absent)
		}
	}
	return missing
}

// sayWho tells for lists of people who is added and who is removed. An admin
// counts as a member.
func (p *planner) sayWho(c *Change, want *console.DesiredTeam, have *console.Team) {
	merged := want.Merge(have)
	for i := range c.Fields {
		f := &c.Fields[i]
		switch f.Field {
		case "members":
			f.Added = without(merged.Members, slices.Concat(have.Members, have.Admins))
			f.Removed = without(have.Members, slices.Concat(merged.Members, merged.Admins))
		case "admins":
			f.Added, f.Removed = without(merged.Admins, have.Admins), without(have.Admins, merged.Admins)
		}
	}
}

// without returns, sorted, those of the people who are not among the others.
func without(people, others []string) []string {
	var out []string
	for _, email := range people {
		if !slices.ContainsFunc(others, func(other string) bool { return console.SameEmail(email, other) }) {
			out = append(out, console.EmailKey(email))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
