package consolesim

import (
	"net/http"
	"slices"
	"strings"
)

// viewUser is a user as it is read.
func (b *Behavior) viewUser(u User) User {
	if !b.ReturnsUserID {
		u.UserID = ""
	}
	if b.LowercaseEmails {
		u.Email = fold(u.Email)
	}
	u.Role = b.spellRole(u.Role)
	return u
}

func (b *Behavior) spellRole(role string) string {
	builtIn := role == RoleAdmin || role == RoleMember || role == RoleReadOnly || role == RoleOwner
	switch {
	case !builtIn || b.RoleSpelling == SpellingExact:
		return role
	case b.RoleSpelling == SpellingKebab:
		return strings.ReplaceAll(strings.ToLower(role), " ", "-")
	default:
		return strings.ToLower(role)
	}
}

func (p *Project) listUsers(c *call) (answer, error) {
	users, pages, err := paginate(p, c, p.visible().users.all())
	if err != nil {
		return answer{}, err
	}
	views := make([]User, len(users))
	for i, u := range users {
		views[i] = p.srv.behavior.viewUser(u)
	}
	return success(http.StatusOK, "User listed successfully.", views, pages), nil
}

func (p *Project) getUser(c *call) (answer, error) {
	u, ok := p.visible().users.get(fold(c.args[0]))
	if !ok {
		return answer{}, errNotFound
	}
	return success(http.StatusOK, "User read successfully.", p.srv.behavior.viewUser(u), nil), nil
}

func (p *Project) updateUser(c *call) (answer, error) {
	u, ok := p.now.users.get(fold(c.args[0]))
	if !ok {
		return answer{}, errNotFound
	}
	if u.Role == RoleOwner {
		return answer{}, refused{status: http.StatusForbidden, message: "Forbidden. The owner of the project cannot be changed."}
	}
	f := c.fields()
	f.text("role", &u.Role)
	f.text("firstName", &u.FirstName)
	f.text("lastName", &u.LastName)
	p.checkRole(f, u.Role)
	if f.err != nil {
		return answer{}, f.err
	}
	p.write(func(st *state) { st.putUser(u) })
	return success(http.StatusOK, "User updated successfully.", p.srv.behavior.viewUser(u), nil), nil
}

func (p *Project) inviteUsers(c *call) (answer, error) {
	f := c.fields()
	var role string
	var emails, teams []string
	f.require("role", "emails")
	f.text("role", &role)
	f.list("emails", &emails)
	f.list("teams", &teams)
	p.checkRole(f, role)
	if f.err == nil && len(emails) == 0 {
		f.fail("emails must not be empty.")
	}
	for i, email := range emails {
		if err := p.invitable(email); err != nil && f.err == nil {
			f.err = err
		}
		_, invited := p.now.invites.get(fold(email))
		if again := p.srv.behavior.InvitedAgain; invited && again != http.StatusOK && f.err == nil {
			f.err = badEntry(again, "emails", i, email, "has already been invited.")
		}
	}
	if f.err == nil {
		f.err = p.refuseAddresses("cannot be invited.", addressList{"emails", emails})
	}
	ids := make([]string, 0, len(teams))
	for _, team := range teams {
		t, ok := p.teamByIDOrName(team)
		if !ok {
			f.fail("teams: there is no team %q.", team)
		}
		ids = append(ids, t.ID)
	}
	if f.err != nil {
		return answer{}, f.err
	}
	p.write(func(st *state) {
		for _, email := range emails {
			p.invite(st, email, role)
		}
		for _, id := range ids {
			t, _ := st.teams.get(id)
			t.Members = distinct(slices.Concat(t.Members, emails), fold)
			st.teams.put(id, t)
		}
	})
	return success(http.StatusOK, "User(s) Invited successfully", nil, nil), nil
}

// checkRole refuses a role that does not exist.
func (p *Project) checkRole(f *fields, role string) {
	switch {
	case f.err != nil || p.now.knowsRole(role):
	case p.srv.behavior.UnknownRole == http.StatusNotFound:
		f.err = refused{status: http.StatusNotFound, message: "Role not found"}
	default:
		f.fail("there is no role %q.", role)
	}
}

// invitable says why an address cannot be invited.
func (p *Project) invitable(email string) error {
	if !validEmail(email) {
		return invalid("%q is not an email address.", email)
	}
	_, domain, _ := strings.Cut(email, "@")
	if company := p.srv.opts.CompanyDomain; company != "" && fold(domain) != fold(company) {
		return invalid("%q is not in your company's email domain.", email)
	}
	return nil
}

// invite has no effect on somebody who is in the project already.
func (p *Project) invite(st *state, email, role string) {
	if _, ok := st.users.get(fold(email)); ok {
		return
	}
	if p.srv.behavior.InvitesPending {
		st.invites.put(fold(email), Invite{email, role})
		return
	}
	st.putUser(p.completeUser(User{Email: email, Role: role}, ""))
}

// teamByIDOrName finds a team by either, as the documentation of invitations
// does not say which is meant.
func (p *Project) teamByIDOrName(text string) (Team, bool) {
	if t, ok := p.now.teams.get(text); ok {
		return t, true
	}
	for _, t := range p.now.teams.all() {
		if t.Name == text {
			return t, true
		}
	}
	return Team{}, false
}
