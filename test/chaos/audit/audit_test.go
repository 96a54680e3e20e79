package audit_test

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/chaos/audit"
)

// A story is what happened, told minute by minute: one Team and one UserRole
// that are true, until a case makes something else of it.
type story struct {
	audit.Ledger
	audit.Evidence
	start time.Time
	team  *audit.Team
	role  *audit.UserRole
}

// at is an instant of the story.
func (s *story) at(minute float64) time.Time {
	return s.start.Add(time.Duration(minute * float64(time.Minute)))
}

// by returns the number of a request at a minute, answered well.
func (s *story) by(minute float64, method, endpoint, path, body string) int {
	n := len(s.Requests) + 1
	s.Requests = append(s.Requests, consolesim.Request{
		Number: n, Method: method, Endpoint: endpoint, Path: path, Body: body, Status: 200,
		Received: s.at(minute), Answered: s.at(minute).Add(time.Millisecond),
	})
	return n
}

// teamBy has a team become another at a minute.
func (s *story) teamBy(minute float64, request int, was, is *consolesim.Team) {
	s.Changed(consolesim.Change{At: s.at(minute), Request: request, TeamBefore: was, TeamAfter: is})
	for i := range s.End.Teams {
		if was != nil && s.End.Teams[i].ID == was.ID {
			s.End.Teams = append(s.End.Teams[:i], s.End.Teams[i+1:]...)
			break
		}
	}
	if is != nil {
		s.End.Teams = append(s.End.Teams, *is)
	}
}

func (s *story) update(minute float64, was, is *consolesim.Team) {
	s.teamBy(minute, s.by(minute, "PATCH", consolesim.UpdateTeam, "/console/v1/users/teams/"+is.ID, ""), was, is)
}

func (s *story) create(minute float64, is *consolesim.Team) {
	s.teamBy(minute, s.by(minute, "POST", consolesim.CreateTeam, "/console/v1/users/teams", fmt.Sprintf(`{"name":%q}`, is.Name)), nil, is)
}

// userBy has the user become another at a minute.
func (s *story) userBy(minute float64, request int, is consolesim.User) {
	was := s.End.Users[0]
	s.Changed(consolesim.Change{At: s.at(minute), Request: request, UserBefore: &was, UserAfter: &is})
	s.End.Users = []consolesim.User{is}
}

func (s *story) grant(minute float64, role string) {
	is := s.End.Users[0]
	is.Role = role
	s.userBy(minute, s.by(minute, "POST", consolesim.UpdateUser, "/console/v1/users/"+is.Email, ""), is)
}

// purge deletes three Teams at minute 20, and their teams from a while later on,
// so many a second.
func (s *story) purge(rate float64) {
	s.BrakeDeletes, s.BrakePer = 2, 5*time.Second
	for i := range 3 {
		id := fmt.Sprint("purged", i)
		team := made(id, "Purged "+id)
		life := s.Team("a/"+id, v1alpha1.TeamSpec{Name: team.Name})
		life.Specs[0].Since, life.IDs[id] = s.at(2), true
		s.create(2, team)
		at := 20.1 + float64(i)/rate/60
		life.Deleted, life.Gone = s.at(20), s.at(at+0.1)
		s.teamBy(at, s.by(at, "DELETE", consolesim.DeleteTeam, "/console/v1/users/teams/"+id, ""), team, nil)
	}
}

func made(id, name string, members ...string) *consolesim.Team {
	return &consolesim.Team{ID: id, Name: name, Members: members, ChangeTeamConfigs: "anyone", ReviewApproval: "anyone"}
}

var ours = made("t1", "Crew", "ada@example.com")

func newStory() *story {
	s := &story{start: time.Now().Add(-time.Hour)}
	s.Start.Users = []consolesim.User{{Email: "ada@example.com", Role: "Read Only"}}
	s.Start.Teams = []consolesim.Team{*made("hand", "By hand")}
	s.End.Users, s.End.Teams = s.Start.Users, []consolesim.Team{s.Start.Teams[0]}
	s.team = s.Team("a/crew", v1alpha1.TeamSpec{Name: "Crew", Members: []v1alpha1.EmailAddress{"Ada@example.com"}})
	s.role = s.UserRole("a/ada", v1alpha1.UserRoleSpec{Email: "Ada@example.com", Role: "Member"})
	s.team.Specs[0].Since, s.role.Specs[0].Since = s.at(0), s.at(0)
	s.team.IDs["t1"] = true
	s.role.PreviousRole = "Read Only"
	s.create(1, ours)
	s.grant(1, "Member")
	return s
}

func TestAudit(t *testing.T) {
	respelled := made("t1", "Crew", "ADA@example.com")
	emptied := made("t1", "Crew")
	described := made("t1", "Crew", "ada@example.com")
	about := "kept by hand"
	described.Description = &about
	for name, c := range map[string]struct {
		tell func(*story)
		want []string
	}{
		"all is well":                          {tell: func(*story) {}},
		"another spelling":                     {tell: func(s *story) { s.teamBy(5, 0, ours, respelled) }},
		"a hand's edit of what is not managed": {tell: func(s *story) { s.teamBy(5, 0, ours, described) }},
		"a second team": {want: []string{audit.Doubled, audit.Restless}, tell: func(s *story) {
			s.create(2, made("t2", "Crew", "ada@example.com"))
		}},
		"a team for nobody":               {want: []string{audit.Unwanted, audit.Lost}, tell: func(s *story) { s.create(2, made("t2", "Other")) }},
		"a team that is not there":        {want: []string{audit.Lost}, tell: func(s *story) { s.teamBy(2, 0, ours, nil) }},
		"a shrunk list":                   {want: []string{audit.Unwanted, audit.Restless, audit.Wrong}, tell: func(s *story) { s.update(2, ours, emptied) }},
		"a list emptied by hand and left": {want: []string{audit.Wrong}, tell: func(s *story) { s.teamBy(2, 0, ours, emptied) }},
		"an unmanaged field undone": {want: []string{audit.Unwanted}, tell: func(s *story) {
			s.teamBy(5, 0, ours, described)
			s.update(20, described, ours)
		}},
		"an unmanaged field undone by who could not know": {tell: func(s *story) {
			s.teamBy(5, 0, ours, described)
			s.update(5.2, described, ours)
		}},
		"somebody else's team": {want: []string{audit.Unwanted}, tell: func(s *story) {
			s.update(5, &s.Start.Teams[0], made("hand", "By hand", "ada@example.com"))
		}},
		"an update after the end": {want: []string{audit.Late, audit.Lost}, tell: func(s *story) {
			s.team.Deleted, s.team.Gone = s.at(10), s.at(11)
			s.update(12, ours, emptied)
		}},
		"a deleted Team": {tell: func(s *story) {
			s.team.Deleted, s.team.Gone = s.at(10), s.at(11)
			s.teamBy(10.5, s.by(10.5, "DELETE", consolesim.DeleteTeam, "/console/v1/users/teams/t1", ""), ours, nil)
		}},
		"a deleted Team whose team is left": {want: []string{audit.Lost}, tell: func(s *story) {
			s.team.Deleted, s.team.Gone = s.at(10), s.at(11)
		}},
		"an orphan": {tell: func(s *story) {
			s.team.Specs[0].Spec.DeletionPolicy = v1alpha1.TeamOrphan
			s.team.Deleted, s.team.Gone = s.at(10), s.at(11)
		}},
		"an orphan deleted": {want: []string{audit.Unwanted}, tell: func(s *story) {
			s.team.Specs[0].Spec.DeletionPolicy = v1alpha1.TeamOrphan
			s.team.Deleted, s.team.Gone = s.at(10), s.at(11)
			s.teamBy(10.5, s.by(10.5, "DELETE", consolesim.DeleteTeam, "/console/v1/users/teams/t1", ""), ours, nil)
		}},
		"a deletion nobody asked for": {want: []string{audit.Unwanted, audit.Restless, audit.Lost}, tell: func(s *story) {
			s.teamBy(10.5, s.by(10.5, "DELETE", consolesim.DeleteTeam, "/console/v1/users/teams/t1", ""), ours, nil)
		}},
		"a mass deletion": {want: []string{audit.Unbraked}, tell: func(s *story) { s.purge(4) }},
		"an approved mass deletion": {tell: func(s *story) {
			s.Approved(s.at(20.01))
			s.purge(4)
		}},
		"a slow mass deletion":  {tell: func(s *story) { s.purge(0.5) }},
		"a protected user":      {want: []string{audit.Unwanted}, tell: func(s *story) { s.Protected = []string{"Ada@example.com"} }},
		"a role nobody granted": {want: []string{audit.Unwanted, audit.Restless, audit.Wrong}, tell: func(s *story) { s.grant(5, "Admin") }},
		"a role after the end": {want: []string{audit.Late, audit.Restless}, tell: func(s *story) {
			s.role.Deleted, s.role.Gone = s.at(10), s.at(11)
			s.grant(12, "Admin")
			s.grant(13, "Member")
		}},
		"a downgrade": {tell: func(s *story) {
			s.role.Specs[0].Spec.DeletionPolicy = v1alpha1.UserRoleDowngrade
			s.role.Deleted, s.role.Gone = s.at(10), s.at(11)
			s.grant(10.5, "Read Only")
		}},
		"a downgrade that was not done": {want: []string{audit.Wrong}, tell: func(s *story) {
			s.role.Specs[0].Spec.DeletionPolicy = v1alpha1.UserRoleDowngrade
			s.role.Deleted, s.role.Gone = s.at(10), s.at(11)
		}},
		"the same written again": {want: []string{audit.Restless}, tell: func(s *story) {
			s.by(5, "POST", consolesim.UpdateUser, "/console/v1/users/Ada@example.com", "")
		}},
		"written again after a hand's edit": {tell: func(s *story) {
			s.userBy(4, 0, consolesim.User{Email: "ada@example.com", Role: "Read Only"})
			s.grant(5, "Member")
		}},
		"written again as whoever sent it died": {tell: func(s *story) {
			s.Died(s.at(1.005))
			s.by(5, "POST", consolesim.UpdateUser, "/console/v1/users/Ada@example.com", "")
		}},
		"written again although whoever sent it lived on": {want: []string{audit.Restless}, tell: func(s *story) {
			s.Died(s.at(1.2))
			s.by(5, "POST", consolesim.UpdateUser, "/console/v1/users/Ada@example.com", "")
		}},
		"written again as nobody could take note": {tell: func(s *story) {
			s.Troubled(s.at(0.9), s.at(1.1))
			s.Died(s.at(1.2))
			s.by(5, "POST", consolesim.UpdateUser, "/console/v1/users/Ada@example.com", "")
		}},
		"written again long after the trouble": {want: []string{audit.Restless}, tell: func(s *story) {
			s.Troubled(s.at(0.9), s.at(1.1))
			s.Died(s.at(1.5))
			s.by(5, "POST", consolesim.UpdateUser, "/console/v1/users/Ada@example.com", "")
		}},
		"written again as the answer was spoilt": {tell: func(s *story) {
			s.Requests[1].Fault = string(consolesim.EffectErrorAfter)
			s.by(5, "POST", consolesim.UpdateUser, "/console/v1/users/Ada@example.com", "")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory()
			c.tell(s)
			found, want := map[string]bool{}, map[string]bool{}
			for _, rule := range c.want {
				want[rule] = true
			}
			all := s.Audit(s.Evidence)
			for _, f := range all {
				found[f.Rule] = true
			}
			if !maps.Equal(found, want) {
				t.Errorf("found %v, want %v:\n%v", found, want, all)
			}
		})
	}
}
