package statsig

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/quota"
)

const (
	teamsPath = "/console/v1/users/teams"
	teamPath  = "/console/v1/users/teams/{id}"
)

// ListTeams implements [console.API]. Two teams of one name and without ids
// are both returned, and make the listing incomplete: they may be one.
func (c *Client) ListTeams(ctx context.Context, by quota.Request) (console.Listing[console.Team], error) {
	return list(ctx, c, by, call{op: "list teams", endpoint: teamsPath}, decodeTeam, func(t console.Team) identity {
		if t.ID != "" {
			return identity{key: "id " + t.ID, unique: true}
		}
		return identity{key: "name " + t.Name}
	})
}

// GetTeam implements [console.API]. A team that comes without its id has the
// one it was asked for by.
func (c *Client) GetTeam(ctx context.Context, by quota.Request, id string) (console.Team, error) {
	return c.oneTeam(ctx, by, call{op: "get team", endpoint: teamPath}, id)
}

// CreateTeam implements [console.API].
func (c *Client) CreateTeam(ctx context.Context, by quota.Request, team console.Team) (console.Team, error) {
	body := newTeamBody(team)
	if team.Description != "" {
		body.Description = &team.Description
	}
	k := call{op: "create team", endpoint: teamsPath, method: http.MethodPost, body: body, sent: body.people()}
	return send(ctx, c, by, k, decodeSingle(func(raw json.RawMessage) (console.Team, error) {
		made, err := decodeTeam(raw)
		if err == nil && strings.TrimSpace(made.Name) != strings.TrimSpace(team.Name) {
			return console.Team{}, errors.New("it is about another team")
		}
		return made, err
	}))
}

// UpdateTeam implements [console.API]. A team whose members are not known is
// refused as [console.Invalid]: it would lose them all.
func (c *Client) UpdateTeam(ctx context.Context, by quota.Request, id string, team console.Team) (console.Team, error) {
	k := call{op: "update team", endpoint: teamPath, method: http.MethodPatch}
	if !team.MembersKnown {
		return console.Team{}, k.refuse(errors.New("the team's members are not known; read the team first"))
	}
	body := newTeamBody(team)
	// Always sent, so that it can be emptied.
	body.Description = &team.Description
	k.body, k.sent = body, body.people()
	return c.oneTeam(ctx, by, k, id)
}

// DeleteTeam implements [console.API].
func (c *Client) DeleteTeam(ctx context.Context, by quota.Request, id string) error {
	k := call{op: "delete team", endpoint: teamPath, method: http.MethodDelete}
	if err := k.segment(id); err != nil {
		return err
	}
	_, err := send(ctx, c, by, k, decodeDone)
	return err
}

func (c *Client) oneTeam(ctx context.Context, by quota.Request, k call, id string) (console.Team, error) {
	if err := k.segment(id); err != nil {
		return console.Team{}, err
	}
	return send(ctx, c, by, k, decodeSingle(func(raw json.RawMessage) (console.Team, error) {
		team, err := decodeTeam(raw)
		switch {
		case err != nil:
			return console.Team{}, err
		case team.ID == "":
			team.ID = id
		case team.ID != id:
			return console.Team{}, errors.New("it is about another team")
		}
		return team, nil
	}))
}

// teamBody is a team as written: members and admins are addresses, and an
// empty list is [] because every list is required.
type teamBody struct {
	Name        string   `json:"name"`
	Description *string  `json:"description,omitempty"`
	Members     []string `json:"members"`
	Admins      []string `json:"admins"`
	teamDefaults
}

func newTeamBody(team console.Team) teamBody {
	return teamBody{
		Name:         team.Name,
		Members:      orEmpty(team.Members),
		Admins:       orEmpty(team.Admins),
		teamDefaults: newTeamDefaults(team),
	}
}

func (b *teamBody) people() []addressList {
	return []addressList{{"members", b.Members}, {"admins", b.Admins}}
}

// teamDefaults are the fields of a team that read as they are written.
type teamDefaults struct {
	GateMetrics        []metricJSON `json:"defaultGateMetrics"`
	PrimaryMetrics     []metricJSON `json:"defaultExperimentPrimaryMetrics"`
	SecondaryMetrics   []metricJSON `json:"defaultExperimentSecondaryMetrics"`
	HoldoutMetrics     []metricJSON `json:"defaultHoldoutMetrics"`
	ChangeTeamConfigs  string       `json:"changeTeamConfigs"`
	ReviewApproval     string       `json:"reviewApproval"`
	TargetApplications []string     `json:"defaultTargetApplications"`

	HoldoutID                     *string `json:"defaultHoldoutID,omitempty"`
	RequireReviews                *bool   `json:"requireReviews,omitempty"`
	RequireGateTemplates          *bool   `json:"requireGateTemplates,omitempty"`
	RequireExperimentTemplates    *bool   `json:"requireExperimentTemplates,omitempty"`
	RequireDynamicConfigTemplates *bool   `json:"requireDynamicConfigTemplates,omitempty"`
}

func newTeamDefaults(team console.Team) teamDefaults {
	return teamDefaults{
		GateMetrics:        writtenMetrics(team.DefaultGateMetrics),
		PrimaryMetrics:     writtenMetrics(team.DefaultExperimentPrimaryMetrics),
		SecondaryMetrics:   writtenMetrics(team.DefaultExperimentSecondaryMetrics),
		HoldoutMetrics:     writtenMetrics(team.DefaultHoldoutMetrics),
		ChangeTeamConfigs:  team.ChangeTeamConfigs,
		ReviewApproval:     team.ReviewApproval,
		TargetApplications: orEmpty(team.DefaultTargetApplications),

		HoldoutID:                     team.DefaultHoldoutID,
		RequireReviews:                team.RequireReviews,
		RequireGateTemplates:          team.RequireGateTemplates,
		RequireExperimentTemplates:    team.RequireExperimentTemplates,
		RequireDynamicConfigTemplates: team.RequireDynamicConfigTemplates,
	}
}

func (d teamDefaults) team() console.Team {
	return console.Team{
		DefaultGateMetrics:                readMetrics(d.GateMetrics),
		DefaultExperimentPrimaryMetrics:   readMetrics(d.PrimaryMetrics),
		DefaultExperimentSecondaryMetrics: readMetrics(d.SecondaryMetrics),
		DefaultHoldoutMetrics:             readMetrics(d.HoldoutMetrics),
		ChangeTeamConfigs:                 d.ChangeTeamConfigs,
		ReviewApproval:                    d.ReviewApproval,
		DefaultTargetApplications:         d.TargetApplications,

		DefaultHoldoutID:              d.HoldoutID,
		RequireReviews:                d.RequireReviews,
		RequireGateTemplates:          d.RequireGateTemplates,
		RequireExperimentTemplates:    d.RequireExperimentTemplates,
		RequireDynamicConfigTemplates: d.RequireDynamicConfigTemplates,
	}
}

func writtenMetrics(in []console.Metric) []metricJSON {
	out := make([]metricJSON, len(in))
	for i, m := range in {
		out[i] = metricJSON(m)
	}
	return out
}

func readMetrics(in []metricJSON) []console.Metric {
	if in == nil {
		return nil
	}
	out := make([]console.Metric, len(in))
	for i, m := range in {
		out[i] = console.Metric(m)
	}
	return out
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
