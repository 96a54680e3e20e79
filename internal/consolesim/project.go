package consolesim

import (
	"fmt"
	"slices"
	"time"
)

// Project is one project of the console: its people, teams, roles, settings,
// API keys and limits. Its methods play a person who edits it by hand: they are
// neither counted nor logged, and their effect shows at once.
type Project struct {
	srv    *Server
	name   string
	now    *state
	past   []pastState // ascending
	limits limiter
	moved  map[string]int // per endpoint: how many items have moved to the end
	lastID int
}

// pastState is what reads may still show of the time before a write.
type pastState struct {
	writtenAt time.Time
	before    *state
}

func newProject(s *Server, name string, ws []Window) *Project {
	p := &Project{srv: s, name: name, now: &state{}, moved: map[string]int{}}
	p.now.settings.DefaultProjectRole = RoleMember
	p.limits.setWindows(ws)
	return p
}

// Name is the name the project was made with; the first is "default".
func (p *Project) Name() string { return p.name }

// write applies a change that came through the API.
func (p *Project) write(change func(*state)) {
	if lag := p.srv.behavior.StaleReads; lag > 0 {
		t := time.Now()
		p.past = slices.DeleteFunc(p.past, func(s pastState) bool { return t.Sub(s.writtenAt) >= lag })
		p.past = append(p.past, pastState{t, p.now.clone()})
	}
	p.observed(func() { change(p.now) })
}

// visible is the state that reads show: that of StaleReads ago.
func (p *Project) visible() *state {
	lag := p.srv.behavior.StaleReads
	t := time.Now()
	for _, s := range p.past {
		if t.Sub(s.writtenAt) < lag {
			return s.before
		}
	}
	return p.now
}

// edit applies a change by hand, to whatever a read may show.
func (p *Project) edit(change func(*state)) {
	for _, s := range p.past {
		change(s.before)
	}
	p.observed(func() { change(p.now) })
}

func (p *Project) newID(kind string) string {
	p.lastID++
	return fmt.Sprintf("%s-%05d", kind, p.lastID)
}

// newTeamID avoids the ids that were chosen by hand.
func (p *Project) newTeamID() string {
	for {
		id := p.newID("team")
		if _, taken := p.now.teams.get(id); !taken {
			return id
		}
	}
}

// Snapshot returns everything the project holds, sorted.
func (p *Project) Snapshot() State {
	p.srv.mu.Lock()
	defer p.srv.mu.Unlock()
	return p.now.snapshot()
}

// Load replaces everything the project holds. Ids that are missing are given.
func (p *Project) Load(st State) error {
	if err := st.validate(); err != nil {
		return fmt.Errorf("load state: %w", err)
	}
	p.srv.mu.Lock()
	defer p.srv.mu.Unlock()
	p.past = nil
	p.now = &state{settings: st.Settings}
	if st.Settings.DefaultProjectRole == "" {
		p.now.settings.DefaultProjectRole = RoleMember
	}
	for _, r := range st.Roles {
		p.putRole(r)
	}
	for _, u := range st.Users {
		p.putUser(u)
	}
	for _, i := range st.Invites {
		p.now.invites.put(fold(i.Email), i)
	}
	for _, t := range st.Teams {
		p.putTeam(t)
	}
	return nil
}

// Users returns the users, sorted by address.
func (p *Project) Users() []User { return p.Snapshot().Users }

// Teams returns the teams, sorted by name and id.
func (p *Project) Teams() []Team { return p.Snapshot().Teams }

// Invites returns the invitations not yet accepted, sorted by address.
func (p *Project) Invites() []Invite { return p.Snapshot().Invites }

// User returns the user with that address, compared without case.
func (p *Project) User(email string) (User, bool) {
	p.srv.mu.Lock()
	defer p.srv.mu.Unlock()
	return p.now.users.get(fold(email))
}

// EditUser changes the user with that address, and reports whether there is one.
func (p *Project) EditUser(email string, change func(*User)) bool {
	p.srv.mu.Lock()
	defer p.srv.mu.Unlock()
	u, ok := p.now.users.get(fold(email))
	if ok {
		change(&u)
		p.putUser(u)
	}
	return ok
}

// EditTeam changes the team with that id, and reports whether there is one.
func (p *Project) EditTeam(id string, change func(*Team)) bool {
	p.srv.mu.Lock()
	defer p.srv.mu.Unlock()
	t, ok := p.now.teams.get(id)
	if ok {
		t = t.detached()
		change(&t)
		p.putTeam(t)
	}
	return ok
}

// Team returns the team with that id.
func (p *Project) Team(id string) (Team, bool) {
	p.srv.mu.Lock()
	defer p.srv.mu.Unlock()
	t, ok := p.now.teams.get(id)
	return t.detached(), ok
}

// TeamsNamed returns the teams of exactly that name, sorted by id.
func (p *Project) TeamsNamed(name string) []Team {
	return slices.DeleteFunc(p.Teams(), func(t Team) bool { return t.Name != name })
}

// PutUser adds a user or replaces the one with that address. An empty role
// means Member; an empty UserID is kept or given. An invitation to the address
// is thereby settled.
func (p *Project) PutUser(u User) User {
	p.srv.mu.Lock()
	defer p.srv.mu.Unlock()
	return p.putUser(u)
}

func (p *Project) putUser(u User) User {
	old, _ := p.now.users.get(fold(u.Email))
	u = p.completeUser(u, old.UserID)
	p.edit(func(st *state) { st.putUser(u) })
	return u
}

func (p *Project) completeUser(u User, id string) User {
	if u.Role == "" {
		u.Role = RoleMember
	}
	if u.UserID == "" {
		u.UserID = id
	}
	if u.UserID == "" {
		u.UserID = p.newID("user")
	}
	return u
}

// RemoveUser takes a user, or an invitation, out of the project and its teams.
func (p *Project) RemoveUser(email string) bool {
	p.srv.mu.Lock()
	defer p.srv.mu.Unlock()
	known := p.now.knows(email)
	p.edit(func(st *state) { st.removeUser(email) })
	return known
}

// AcceptInvite lets an invited person appear in the project.
func (p *Project) AcceptInvite(email string) (User, bool) {
	p.srv.mu.Lock()
	defer p.srv.mu.Unlock()
	i, ok := p.now.invites.get(fold(email))
	if !ok {
		return User{}, false
	}
	return p.putUser(User{Email: i.Email, Role: i.Role}), true
}

// PutTeam adds a team, or replaces the one with its id. Left empty, the id is
// given, lists are empty and the choices are "anyone". Addresses that nobody
// has yet become Members of the project.
func (p *Project) PutTeam(t Team) Team {
	p.srv.mu.Lock()
	defer p.srv.mu.Unlock()
	return p.putTeam(t)
}

func (p *Project) putTeam(t Team) Team {
	t = t.withDefaults()
	if t.ID == "" {
		t.ID = p.newTeamID()
	}
	for _, email := range slices.Concat(t.Members, t.Admins) {
		if !p.now.knows(email) {
			p.putUser(User{Email: email})
		}
	}
	p.edit(func(st *state) { st.teams.put(t.ID, t) })
	return t
}

// withDefaults returns a copy with what is not set at its default.
func (t Team) withDefaults() Team {
	t = t.detached()
	for _, choice := range []*string{&t.ChangeTeamConfigs, &t.ReviewApproval} {
		if *choice == "" {
			*choice = "anyone"
		}
	}
	return t
}

// detached returns a copy that shares nothing with the team; lists are not nil.
func (t Team) detached() Team {
	for _, list := range []*[]string{&t.Members, &t.Admins, &t.DefaultTargetApplications} {
		*list = append([]string{}, *list...)
	}
	for _, list := range t.metricLists() {
		*list = append([]Metric{}, *list...)
	}
	t.Description, t.DefaultHoldoutID = copied(t.Description), copied(t.DefaultHoldoutID)
	t.RequireReviews, t.RequireGateTemplates = copied(t.RequireReviews), copied(t.RequireGateTemplates)
	t.RequireExperimentTemplates = copied(t.RequireExperimentTemplates)
	t.RequireDynamicConfigTemplates = copied(t.RequireDynamicConfigTemplates)
	return t
}

func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

// RemoveTeam deletes a team.
func (p *Project) RemoveTeam(id string) bool {
	p.srv.mu.Lock()
	defer p.srv.mu.Unlock()
	_, known := p.now.teams.get(id)
	p.edit(func(st *state) { st.teams.remove(id) })
	return known
}

// PutRole adds or replaces a custom role; permissions left out are false.
func (p *Project) PutRole(r Role) Role {
	p.srv.mu.Lock()
	defer p.srv.mu.Unlock()
	return p.putRole(r)
}

func (p *Project) putRole(r Role) Role {
	r = Role{r.Name, mergePermissions(nil, r.Permissions)}
	p.edit(func(st *state) { st.roles.put(r.Name, r) })
	return r
}

// RemoveRole deletes a custom role; whoever has it keeps its name.
func (p *Project) RemoveRole(name string) bool {
	p.srv.mu.Lock()
	defer p.srv.mu.Unlock()
	_, known := p.now.roles.get(name)
	p.edit(func(st *state) { st.roles.remove(name) })
	return known
}

// SetSettings replaces the settings.
func (p *Project) SetSettings(s Settings) {
	p.srv.mu.Lock()
	defer p.srv.mu.Unlock()
	p.edit(func(st *state) { st.settings = s })
}
