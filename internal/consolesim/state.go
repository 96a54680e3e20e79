package consolesim

import (
	"cmp"
	"fmt"
	"maps"
	"net/mail"
	"slices"
	"strings"
)

// The roles that every project has.
const (
	RoleAdmin    = "Admin"
	RoleMember   = "Member"
	RoleReadOnly = "Read Only"
	// RoleOwner is one person's. It comes and goes by hand alone: no call gives
	// it, nor changes whoever has it.
	RoleOwner = "Owner"
)

// User is a person in a project, in the documented spelling, whatever
// [Behavior] makes of it in answers.
type User struct {
	UserID    string `json:"userID,omitempty"`
	Email     string `json:"email"`
	FirstName string `json:"firstName"`
	LastName  string `json:"lastName"`
	Role      string `json:"role"`
}

// Metric names a metric in the defaults of a team.
type Metric struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// Team is a team as it is written: members and admins are addresses.
type Team struct {
	ID                                string   `json:"id,omitempty"`
	Name                              string   `json:"name"`
	Description                       *string  `json:"description,omitempty"`
	Members                           []string `json:"members"`
	Admins                            []string `json:"admins"`
	DefaultGateMetrics                []Metric `json:"defaultGateMetrics"`
	DefaultExperimentPrimaryMetrics   []Metric `json:"defaultExperimentPrimaryMetrics"`
	DefaultExperimentSecondaryMetrics []Metric `json:"defaultExperimentSecondaryMetrics"`
	DefaultHoldoutMetrics             []Metric `json:"defaultHoldoutMetrics"`
	ChangeTeamConfigs                 string   `json:"changeTeamConfigs"`
	ReviewApproval                    string   `json:"reviewApproval"`
	DefaultTargetApplications         []string `json:"defaultTargetApplications"`
	DefaultHoldoutID                  *string  `json:"defaultHoldoutID,omitempty"`
	RequireReviews                    *bool    `json:"requireReviews,omitempty"`
	RequireGateTemplates              *bool    `json:"requireGateTemplates,omitempty"`
	RequireExperimentTemplates        *bool    `json:"requireExperimentTemplates,omitempty"`
	RequireDynamicConfigTemplates     *bool    `json:"requireDynamicConfigTemplates,omitempty"`
}

// metricFields names the lists that metricLists returns.
var metricFields = []string{
	"defaultGateMetrics", "defaultExperimentPrimaryMetrics",
	"defaultExperimentSecondaryMetrics", "defaultHoldoutMetrics",
}

func (t *Team) metricLists() []*[]Metric {
	return []*[]Metric{
		&t.DefaultGateMetrics, &t.DefaultExperimentPrimaryMetrics,
		&t.DefaultExperimentSecondaryMetrics, &t.DefaultHoldoutMetrics,
	}
}

// Role is a custom role. Permissions has all the known ones.
type Role struct {
	Name        string          `json:"name"`
	Permissions map[string]bool `json:"permissions"`
}

// Invite is an invitation that has not been accepted yet.
type Invite struct {
	Email string `json:"email"`
	Role  string `json:"role"`
}

// Settings are the project's settings that the Console API can reach.
type Settings struct {
	DefaultProjectRole    string `json:"default_project_role"`
	RequireTeamsOnConfigs bool   `json:"require_teams_on_configs"`
}

// State is everything a project holds: users and invitations by address, teams
// by name and id, roles by name.
type State struct {
	Users    []User   `json:"users"`
	Teams    []Team   `json:"teams"`
	Roles    []Role   `json:"roles"`
	Settings Settings `json:"settings"`
	Invites  []Invite `json:"invites"`
}

// table keeps rows in the order in which they were added. Rows are values that
// are replaced and never changed in place, so a clone is cheap and independent.
type table[T any] struct {
	order []string
	rows  map[string]T
}

func (t *table[T]) get(key string) (T, bool) {
	row, ok := t.rows[key]
	return row, ok
}

func (t *table[T]) put(key string, row T) {
	if t.rows == nil {
		t.rows = map[string]T{}
	}
	if _, ok := t.rows[key]; !ok {
		t.order = append(t.order, key)
	}
	t.rows[key] = row
}

func (t *table[T]) remove(key string) bool {
	if _, ok := t.rows[key]; !ok {
		return false
	}
	delete(t.rows, key)
	i := slices.Index(t.order, key)
	t.order = slices.Delete(t.order, i, i+1)
	return true
}

func (t *table[T]) all() []T {
	out := make([]T, len(t.order))
	for i, key := range t.order {
		out[i] = t.rows[key]
	}
	return out
}

func (t *table[T]) clone() table[T] {
	return table[T]{order: slices.Clone(t.order), rows: maps.Clone(t.rows)}
}

// state is what a project holds at one moment.
type state struct {
	users    table[User]   // by folded address
	teams    table[Team]   // by id
	roles    table[Role]   // by name
	invites  table[Invite] // by folded address
	settings Settings
}

func (s *state) clone() *state {
	return &state{s.users.clone(), s.teams.clone(), s.roles.clone(), s.invites.clone(), s.settings}
}

func (s *state) snapshot() State {
	out := State{s.users.all(), s.teams.all(), s.roles.all(), s.settings, s.invites.all()}
	for i, t := range out.Teams {
		out.Teams[i] = t.detached()
	}
	for i, r := range out.Roles {
		out.Roles[i].Permissions = maps.Clone(r.Permissions)
	}
	slices.SortFunc(out.Users, func(a, b User) int { return cmp.Compare(fold(a.Email), fold(b.Email)) })
	slices.SortFunc(out.Teams, func(a, b Team) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	slices.SortFunc(out.Roles, func(a, b Role) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(out.Invites, func(a, b Invite) int { return cmp.Compare(fold(a.Email), fold(b.Email)) })
	return out
}

// knows reports whether the address is a user's or has been invited.
func (s *state) knows(email string) bool {
	_, user := s.users.get(fold(email))
	_, invited := s.invites.get(fold(email))
	return user || invited
}

func (s *state) knowsRole(name string) bool {
	if name == RoleAdmin || name == RoleMember || name == RoleReadOnly {
		return true
	}
	_, ok := s.roles.get(name)
	return ok
}

func (s *state) putUser(u User) {
	s.users.put(fold(u.Email), u)
	s.invites.remove(fold(u.Email))
}

// removeUser takes the person out of the project and of every team.
func (s *state) removeUser(email string) bool {
	removed := s.users.remove(fold(email))
	if s.invites.remove(fold(email)) {
		removed = true
	}
	same := func(other string) bool { return fold(other) == fold(email) }
	for id, t := range s.teams.rows {
		t.Members = slices.DeleteFunc(slices.Clone(t.Members), same)
		t.Admins = slices.DeleteFunc(slices.Clone(t.Admins), same)
		s.teams.rows[id] = t
	}
	return removed
}

// validate says what is wrong with a state that is about to be loaded.
func (st State) validate() error {
	roles := map[string]bool{RoleAdmin: true, RoleMember: true, RoleReadOnly: true, RoleOwner: true}
	for _, r := range st.Roles {
		if r.Name == "" || roles[r.Name] {
			return fmt.Errorf("role %q: the name is empty or taken", r.Name)
		}
		roles[r.Name] = true
	}
	seen := map[string]bool{}
	for _, u := range st.Users {
		if !validEmail(u.Email) || seen[fold(u.Email)] {
			return fmt.Errorf("user %q: the address is malformed or occurs twice", u.Email)
		}
		if u.Role != "" && !roles[u.Role] {
			return fmt.Errorf("user %s: there is no role %q", u.Email, u.Role)
		}
		seen[fold(u.Email)] = true
	}
	ids := map[string]bool{}
	for _, t := range st.Teams {
		if strings.TrimSpace(t.Name) == "" || t.ID != "" && ids[t.ID] {
			return fmt.Errorf("team %q: the name is empty or the id occurs twice", t.Name)
		}
		ids[t.ID] = true
	}
	if r := st.Settings.DefaultProjectRole; r == RoleOwner || r != "" && !roles[r] {
		return fmt.Errorf("settings: there is no role %q", r)
	}
	return nil
}

// fold makes addresses equal that differ in the case of ASCII letters alone. Any
// other letter is another address.
func fold(email string) string {
	return strings.Map(func(r rune) rune {
		if r < 'A' || r > 'Z' {
			return r
		}
		return r + ('a' - 'A')
	}, email)
}

func validEmail(email string) bool {
	a, err := mail.ParseAddress(email)
	return err == nil && a.Address == email
}
