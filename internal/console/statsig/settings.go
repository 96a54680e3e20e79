package statsig

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/console-access/console-access-operator/internal/quota"
)

const (
	roleSettingsPath = "/console/v1/settings/roles"
	teamSettingsPath = "/console/v1/settings/teams"
)

// RoleSettings are a project's settings for roles.
type RoleSettings struct {
	// DefaultProjectRole is the name of the role of people who join.
	DefaultProjectRole string `json:"default_project_role"`
}

// TeamSettings are a project's settings for teams.
type TeamSettings struct {
	// RequireTeamsOnConfigs asks for a team on each new config.
	RequireTeamsOnConfigs bool `json:"require_teams_on_configs"`
}

// GetRoleSettings reads the settings for roles. Errors are as in
// [console.API], here and below.
func (c *Client) GetRoleSettings(ctx context.Context, by quota.Request) (RoleSettings, error) {
	k := call{op: "get role settings", endpoint: roleSettingsPath}
	return send(ctx, c, by, k, decodeSingle(decodeRoleSettings))
}

// UpdateRoleSettings writes the settings for roles.
func (c *Client) UpdateRoleSettings(ctx context.Context, by quota.Request, settings RoleSettings) (RoleSettings, error) {
	k := call{op: "update role settings", endpoint: roleSettingsPath, method: http.MethodPost, body: settings}
	return send(ctx, c, by, k, decodeSingle(decodeRoleSettings))
}

// GetTeamSettings reads the settings for teams.
func (c *Client) GetTeamSettings(ctx context.Context, by quota.Request) (TeamSettings, error) {
	k := call{op: "get team settings", endpoint: teamSettingsPath}
	return send(ctx, c, by, k, decodeSingle(decodeTeamSettings))
}

// UpdateTeamSettings writes the settings for teams.
func (c *Client) UpdateTeamSettings(ctx context.Context, by quota.Request, settings TeamSettings) (TeamSettings, error) {
	k := call{op: "update team settings", endpoint: teamSettingsPath, method: http.MethodPost, body: settings}
	return send(ctx, c, by, k, decodeSingle(decodeTeamSettings))
}

func decodeRoleSettings(raw json.RawMessage) (RoleSettings, error) {
	var s struct {
		DefaultProjectRole *string `json:"default_project_role"`
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return RoleSettings{}, err
	}
	if s.DefaultProjectRole == nil {
		return RoleSettings{}, errors.New(`the settings have no "default_project_role"`)
	}
	return RoleSettings{DefaultProjectRole: *s.DefaultProjectRole}, nil
}

func decodeTeamSettings(raw json.RawMessage) (TeamSettings, error) {
	var s struct {
		RequireTeamsOnConfigs *bool `json:"require_teams_on_configs"`
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return TeamSettings{}, err
	}
	if s.RequireTeamsOnConfigs == nil {
		return TeamSettings{}, errors.New(`the settings have no "require_teams_on_configs"`)
	}
	return TeamSettings{RequireTeamsOnConfigs: *s.RequireTeamsOnConfigs}, nil
}
