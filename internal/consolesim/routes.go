package consolesim

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// The names of the endpoints, as the log, the counters and [Fault.Endpoint]
// use them.
const (
	ListUsers          = "listUsers"
	GetUser            = "getUser"
	UpdateUser         = "updateUser"
	InviteUsers        = "inviteUsers"
	ListTeams          = "listTeams"
	CreateTeam         = "createTeam"
	GetTeam            = "getTeam"
	UpdateTeam         = "updateTeam"
	DeleteTeam         = "deleteTeam"
	ListRoles          = "listRoles"
	CreateRole         = "createRole"
	GetRole            = "getRole"
	UpdateRole         = "updateRole"
	DeleteRole         = "deleteRole"
	GetRoleSettings    = "getRoleSettings"
	UpdateRoleSettings = "updateRoleSettings"
	GetTeamSettings    = "getTeamSettings"
	UpdateTeamSettings = "updateTeamSettings"
)

// route is one endpoint. Its handler runs under the server's lock; every
// error it returns is a refused.
type route struct {
	method, path, endpoint string
	handle                 func(*Project, *call) (answer, error)
}

// routes has literal paths before those with a parameter in the same place.
var routes = []route{
	{http.MethodGet, "/console/v1/users", ListUsers, (*Project).listUsers},
	{http.MethodPost, "/console/v1/users/invite", InviteUsers, (*Project).inviteUsers},
	{http.MethodGet, "/console/v1/users/teams", ListTeams, (*Project).listTeams},
	{http.MethodPost, "/console/v1/users/teams", CreateTeam, (*Project).createTeam},
	{http.MethodGet, "/console/v1/users/teams/{}", GetTeam, (*Project).getTeam},
	{http.MethodPatch, "/console/v1/users/teams/{}", UpdateTeam, (*Project).updateTeam},
	{http.MethodDelete, "/console/v1/users/teams/{}", DeleteTeam, (*Project).deleteTeam},
	{http.MethodGet, "/console/v1/users/{}", GetUser, (*Project).getUser},
	{http.MethodPost, "/console/v1/users/{}", UpdateUser, (*Project).updateUser},
	{http.MethodGet, "/console/v1/roles", ListRoles, (*Project).listRoles},
	{http.MethodPost, "/console/v1/roles", CreateRole, (*Project).createRole},
	{http.MethodGet, "/console/v1/roles/{}", GetRole, (*Project).getRole},
	{http.MethodPatch, "/console/v1/roles/{}", UpdateRole, (*Project).updateRole},
	{http.MethodDelete, "/console/v1/roles/{}", DeleteRole, (*Project).deleteRole},
	{http.MethodGet, "/console/v1/settings/roles", GetRoleSettings, (*Project).getRoleSettings},
	{http.MethodPost, "/console/v1/settings/roles", UpdateRoleSettings, (*Project).updateRoleSettings},
	{http.MethodGet, "/console/v1/settings/teams", GetTeamSettings, (*Project).getTeamSettings},
	{http.MethodPost, "/console/v1/settings/teams", UpdateTeamSettings, (*Project).updateTeamSettings},
}

// findRoute returns the endpoint and its path's arguments, or the methods that
// the path does have, or neither when the path is unknown.
func findRoute(method, path string) (*route, []string, []string) {
	var allow []string
	for i := range routes {
		args, ok := matchPath(routes[i].path, path)
		switch {
		case !ok:
		case routes[i].method == method:
			return &routes[i], args, nil
		case !slices.Contains(allow, routes[i].method):
			allow = append(allow, routes[i].method)
		}
	}
	slices.Sort(allow)
	return nil, nil, allow
}

// matchPath compares a path, still escaped, with a pattern and returns what
// stands at its {} places.
func matchPath(pattern, path string) ([]string, bool) {
	want, have := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(have) {
		return nil, false
	}
	var args []string
	for i, segment := range want {
		if segment != "{}" {
			if segment != have[i] {
				return nil, false
			}
			continue
		}
		arg, err := url.PathUnescape(have[i])
		if err != nil || arg == "" {
			return nil, false
		}
		args = append(args, arg)
	}
	return args, true
}
