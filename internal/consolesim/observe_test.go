package consolesim_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/console-access/console-access-operator/internal/consolesim"
)

func TestObserve(t *testing.T) {
	var told []string
	observe := func(c consolesim.Change) {
		by := "by hand"
		if c.Request > 0 {
			by = fmt.Sprint("by request ", c.Request)
		}
		switch {
		case c.UserBefore != nil && c.UserAfter != nil:
			told = append(told, fmt.Sprintf("%s from %s to %s %s", c.UserAfter.Email, c.UserBefore.Role, c.UserAfter.Role, by))
		case c.TeamBefore == nil && c.TeamAfter != nil:
			told = append(told, fmt.Sprintf("team %s made %s", c.TeamAfter.Name, by))
		case c.TeamAfter == nil && c.TeamBefore != nil:
			told = append(told, fmt.Sprintf("team %s gone %s", c.TeamBefore.Name, by))
		case c.TeamBefore != nil:
			told = append(told, fmt.Sprintf("team %s has %v, had %v %s", c.TeamAfter.Name, c.TeamAfter.Members, c.TeamBefore.Members, by))
		default:
			told = append(told, fmt.Sprintf("something else: %+v", c))
		}
	}
	sim, c := start(t, consolesim.Options{Observe: observe})
	told = nil // of the state that was loaded

	c.must(http.StatusOK, "POST", "/console/v1/users/alan@example.com", `{"role":"Admin"}`)
	c.must(http.StatusOK, "POST", "/console/v1/users/alan@example.com", `{"role":"Admin"}`)
	team := createTeam(t, sim, c, nil)
	c.must(http.StatusOK, "PATCH", teamsPath+"/"+team.ID, `{"members":["ada@example.com"]}`)
	equal(t, "edited", sim.EditTeam(team.ID, func(t *consolesim.Team) { t.Members[0] = "grace@example.com" }), true)
	equal(t, "edited", sim.EditUser("ALAN@example.com", func(u *consolesim.User) { u.Role = "Member" }), true)
	c.must(http.StatusOK, "DELETE", teamsPath+"/"+team.ID, "")
	sim.RemoveTeam(sim.Teams()[0].ID)
	equal(t, "what is not there is not edited", sim.EditTeam(team.ID, func(t *consolesim.Team) { t.Name = "x" }), false)
	equal(t, "nor who is not", sim.EditUser("nobody@example.com", func(u *consolesim.User) { u.Role = "Admin" }), false)

	equal(t, "what was told", told, []string{
		"alan@example.com from Member to Admin by request 1",
		"team Storage made by request 3",
		"team Storage has [ada@example.com], had [alan@example.com] by request 4",
		"team Storage has [grace@example.com], had [ada@example.com] by hand",
		"alan@example.com from Admin to Member by hand",
		"team Storage gone by request 5",
		"team Compilers gone by hand",
	})
}
