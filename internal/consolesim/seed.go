package consolesim

import "fmt"

// Seed adds users user0001@example.com and so on, and teams "Team 0001" and so
// on with that many members each and one of them as admin. The first two users
// are Admins, every fifth is Read Only, the others are Members. Teams take
// their members in turn.
func (p *Project) Seed(users, teams, members int) {
	p.srv.mu.Lock()
	defer p.srv.mu.Unlock()
	emails := make([]string, users)
	for i := range users {
		number := fmt.Sprintf("%04d", i+1)
		role := RoleMember
		switch {
		case i < 2:
			role = RoleAdmin
		case i%5 == 4:
			role = RoleReadOnly
		}
		emails[i] = "user" + number + "@example.com"
		p.putUser(User{Email: emails[i], FirstName: "User", LastName: number, Role: role})
	}
	for i := range teams {
		t := Team{Name: fmt.Sprintf("Team %04d", i+1)}
		for k := range min(members, users) {
			t.Members = append(t.Members, emails[(i*members+k)%users])
		}
		if len(t.Members) > 0 {
			t.Admins = t.Members[:1]
		}
		p.putTeam(t)
	}
}

// DemoState is a small project that could be somebody's.
func DemoState() State {
	about := "Parsers, optimisers and the language server"
	return State{
		Users: []User{
			{Email: "ada@example.com", FirstName: "Ada", LastName: "Lovelace", Role: RoleAdmin},
			{Email: "alan@example.com", FirstName: "Alan", LastName: "Turing", Role: RoleMember},
			{Email: "barbara@example.com", FirstName: "Barbara", LastName: "Liskov", Role: RoleMember},
			{Email: "edsger@example.com", FirstName: "Edsger", LastName: "Dijkstra", Role: RoleReadOnly},
			{Email: "grace@example.com", FirstName: "Grace", LastName: "Hopper", Role: RoleAdmin},
		},
		Teams: []Team{{
			Name: "Compilers", Description: &about,
			Members: []string{"grace@example.com", "alan@example.com"}, Admins: []string{"grace@example.com"},
			ChangeTeamConfigs: "team_only", ReviewApproval: "team_only",
		}},
		Roles: []Role{{
			Name:        "Analyst",
			Permissions: map[string]bool{"use_metrics_explorer": true, "create_or_edit_dashboards": true},
		}},
		Settings: Settings{DefaultProjectRole: RoleMember},
	}
}
