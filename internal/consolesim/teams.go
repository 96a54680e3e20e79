package consolesim

import (
	"net/http"
	"slices"
	"strings"
)

// teamView is a team as it is read.
type teamView struct {
	Team
	ID      string  `json:"id,omitempty"`
	Members *[]User `json:"members,omitempty"`
	Admins  *[]User `json:"admins,omitempty"`
}

func (p *Project) viewTeam(st *state, t Team, withID, withPeople bool) teamView {
	b := &p.srv.behavior
	v := teamView{Team: t}
	if withID {
		v.ID = t.ID
	}
	if b.ReorderLists {
		for _, list := range v.metricLists() {
			*list = reversed(*list)
		}
		v.DefaultTargetApplications = reversed(t.DefaultTargetApplications)
	}
	if withPeople {
		isAdmin := func(email string) bool { return containsFold(t.Admins, email) }
		members := t.Members
		switch b.AdminsAreMembers {
		case AdminsYes:
			members = slices.Concat(slices.DeleteFunc(slices.Clone(members), isAdmin), t.Admins)
		case AdminsNo:
			members = slices.DeleteFunc(slices.Clone(members), isAdmin)
		}
		v.Members, v.Admins = p.viewPeople(st, members), p.viewPeople(st, t.Admins)
	}
	return v
}

func (p *Project) viewPeople(st *state, emails []string) *[]User {
	b := &p.srv.behavior
	out := make([]User, 0, len(emails))
	for _, email := range emails {
		u, ok := st.users.get(fold(email))
		if !ok {
			i, _ := st.invites.get(fold(email))
			u = User{Email: email, Role: i.Role}
		}
		out = append(out, b.viewUser(u))
	}
	if b.ReorderLists {
		slices.Reverse(out)
	}
	return &out
}

func reversed[T any](list []T) []T {
	out := slices.Clone(list)
	slices.Reverse(out)
	return out
}

func containsFold(list []string, email string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return fold(s) == fold(email) })
}

func (p *Project) listTeams(c *call) (answer, error) {
	st, b := p.visible(), &p.srv.behavior
	teams, pages, err := paginate(p, c, st.teams.all())
	if err != nil {
		return answer{}, err
	}
	views := make([]teamView, len(teams))
	for i, t := range teams {
		views[i] = p.viewTeam(st, t, b.ListReturnsID, b.ListTeamsWithMembers)
	}
	return success(http.StatusOK, "Teams listed successfully.", views, pages), nil
}

func (p *Project) getTeam(c *call) (answer, error) {
	st := p.visible()
	t, ok := st.teams.get(c.args[0])
	if !ok {
		return answer{}, p.missingTeam()
	}
	return success(http.StatusOK, "Team read successfully.", p.viewTeam(st, t, true, true), nil), nil
}

func (p *Project) missingTeam() error {
	return refused{status: p.srv.behavior.MissingGet, message: "Team not found"}
}

func (p *Project) createTeam(c *call) (answer, error) {
	f := c.fields()
	f.require("name", "members", "admins")
	f.require(metricFields...)
	f.require("changeTeamConfigs", "reviewApproval", "defaultTargetApplications")
	t, err := p.writeTeam(f, Team{})
	if err != nil {
		return answer{}, err
	}
	view := p.viewTeam(p.now, t, p.srv.behavior.CreateReturnsID, true)
	return success(http.StatusOK, "Team created successfully.", view, nil), nil
}

func (p *Project) updateTeam(c *call) (answer, error) {
	t, ok := p.now.teams.get(c.args[0])
	if !ok {
		return answer{}, p.missingTeam()
	}
	if p.srv.behavior.PatchOmitted == OmittedReset {
		t = Team{ID: t.ID, Name: t.Name}
	}
	t, err := p.writeTeam(c.fields(), t)
	if err != nil {
		return answer{}, err
	}
	return success(http.StatusOK, "Team updated successfully.", p.viewTeam(p.now, t, true, true), nil), nil
}

func (p *Project) deleteTeam(c *call) (answer, error) {
	id := c.args[0]
	if _, ok := p.now.teams.get(id); ok {
		p.write(func(st *state) { st.teams.remove(id) })
	} else if p.srv.behavior.MissingDelete != http.StatusOK {
		return answer{}, refused{status: p.srv.behavior.MissingDelete, message: "Team not found"}
	}
	return success(http.StatusOK, "Team deleted successfully", nil, nil), nil
}

// writeTeam applies the fields of a request to a team and stores it; without an
// id it is a new one.
func (p *Project) writeTeam(f *fields, t Team) (Team, error) {
	f.name("name", &t.Name)
	optional(f, "description", "a string", &t.Description)
	f.list("members", &t.Members)
	f.list("admins", &t.Admins)
	for i, list := range t.metricLists() {
		f.metrics(metricFields[i], list)
	}
	f.choice("changeTeamConfigs", &t.ChangeTeamConfigs, "anyone", "team_only")
	f.choice("reviewApproval", &t.ReviewApproval, "anyone", "team_only", "admin_only")
	f.list("defaultTargetApplications", &t.DefaultTargetApplications)
	nullable(f, "defaultHoldoutID", "a string or null", &t.DefaultHoldoutID)
	nullable(f, "requireReviews", "a boolean or null", &t.RequireReviews)
	nullable(f, "requireGateTemplates", "a boolean or null", &t.RequireGateTemplates)
	nullable(f, "requireExperimentTemplates", "a boolean or null", &t.RequireExperimentTemplates)
	nullable(f, "requireDynamicConfigTemplates", "a boolean or null", &t.RequireDynamicConfigTemplates)
	if f.err != nil {
		return Team{}, f.err
	}
	if err := p.refuseDuplicateName(t); err != nil {
		return Team{}, err
	}
	newcomers, err := p.settleMembers(&t)
	if err != nil {
		return Team{}, err
	}
	t = t.withDefaults()
	if p.srv.behavior.DropDuplicates {
		t = t.withoutDuplicates()
	}
	if t.ID == "" {
		t.ID = p.newTeamID()
	}
	p.write(func(st *state) {
		for _, email := range newcomers {
			p.invite(st, email, st.settings.DefaultProjectRole)
		}
		st.teams.put(t.ID, t)
	})
	return t, nil
}

func (p *Project) refuseDuplicateName(t Team) error {
	if p.srv.behavior.DuplicateTeamNames == NamesAllow {
		return nil
	}
	for _, other := range p.now.teams.all() {
		if other.Name == t.Name && other.ID != t.ID {
			return invalid("a team named %q already exists.", t.Name)
		}
	}
	return nil
}

// settleMembers deals with the addresses that nobody has. It returns those that
// are to be invited.
func (p *Project) settleMembers(t *Team) ([]string, error) {
	if err := p.refuseAddresses("cannot be in a team.", t.people()...); err != nil {
		return nil, err
	}
	unknown := func(email string) bool { return !p.now.knows(email) }
	strangers := slices.DeleteFunc(slices.Concat(t.Members, t.Admins), p.now.knows)
	switch p.srv.behavior.UnknownMember {
	case UnknownDrop:
		t.Members = slices.DeleteFunc(slices.Clone(t.Members), unknown)
		t.Admins = slices.DeleteFunc(slices.Clone(t.Admins), unknown)
		return nil, nil
	case UnknownInvite:
		for _, email := range strangers {
			if err := p.invitable(email); err != nil {
				return nil, err
			}
		}
		return distinct(strangers, fold), nil
	}
	for _, list := range t.people() {
		if i := slices.IndexFunc(list.emails, unknown); i >= 0 {
			return nil, badEntry(http.StatusBadRequest, list.field, i, list.emails[i], "is not a user of this project.")
		}
	}
	return nil, nil
}

// addressList is a list of addresses in a request.
type addressList struct {
	field  string
	emails []string
}

func (t *Team) people() []addressList {
	return []addressList{{"members", t.Members}, {"admins", t.Admins}}
}

// refuseAddresses refuses the first address, list by list, that the console does
// not take though it may know it.
func (p *Project) refuseAddresses(why string, lists ...addressList) error {
	refused := strings.Split(p.srv.behavior.RefusedAddresses, ",")
	for _, list := range lists {
		for i, email := range list.emails {
			if containsFold(refused, email) {
				return badEntry(http.StatusBadRequest, list.field, i, email, why)
			}
		}
	}
	return nil
}

func (t Team) withoutDuplicates() Team {
	t.Members, t.Admins = distinct(t.Members, fold), distinct(t.Admins, fold)
	t.DefaultTargetApplications = distinct(t.DefaultTargetApplications, sameText)
	for _, list := range t.metricLists() {
		*list = distinct(*list, metricKey)
	}
	return t
}
