package consolesim

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// Permissions returns the names of the permissions of a custom role, as
// published in the contract.
func Permissions() []string { return slices.Clone(permissions) }

var permissions = []string{
	"invitation_access", "create_configs", "edit_or_delete_configs", "launch_to_production",
	"launch_or_disable_configs", "start_experiments", "create_or_edit_templates",
	"create_or_edit_dashboards", "create_teams", "edit_dynamic_config_schemas",
	"create_release_pipelines", "approve_required_review_release_pipeline_phase",
	"self_approve_review", "approve_reviews", "bypass_reviews_for_overrides", "metric_management",
	"event_dimensions_access", "verify_metrics", "use_metrics_explorer", "local_metrics",
	"manage_alerts", "integrations_edit_access", "source_connection_and_creation",
	"data_warehouse_ingestion_and_exports_edit_access", "edit_and_tag_configs_with_core_tag",
	"reset_experiments", "manual_whn_reload",
}

// mergePermissions returns all the known permissions: as changed, else as they
// were, else false.
func mergePermissions(old, changed map[string]bool) map[string]bool {
	out := make(map[string]bool, len(permissions))
	for _, name := range permissions {
		out[name] = old[name]
		if v, ok := changed[name]; ok {
			out[name] = v
		}
	}
	return out
}

// permissions reads {name: boolean} and skips names that are not known.
func (f *fields) permissions() map[string]bool {
	f.require("permissions")
	inner := &fields{}
	field(f, "permissions", "an object of booleans", &inner.raw)
	out := map[string]bool{}
	for _, name := range permissions {
		if raw, ok := inner.raw[name]; ok {
			var v *bool
			if json.Unmarshal(raw, &v) != nil || v == nil {
				f.fail("permissions.%s must be a boolean.", name)
				continue
			}
			out[name] = *v
		}
	}
	return out
}

func (p *Project) listRoles(c *call) (answer, error) {
	roles, pages, err := paginate(p, c, p.visible().roles.all())
	if err != nil {
		return answer{}, err
	}
	return success(http.StatusOK, "Roles listed successfully.", roles, pages), nil
}

// getRole takes the name of a role for its id: the contract shows no other.
func (p *Project) getRole(c *call) (answer, error) {
	r, ok := p.visible().roles.get(c.args[0])
	if !ok {
		return answer{}, errNotFound
	}
	return success(http.StatusOK, "Role read successfully.", r, nil), nil
}

func (p *Project) createRole(c *call) (answer, error) {
	f := c.fields()
	var r Role
	f.require("name")
	f.name("name", &r.Name)
	r.Permissions = mergePermissions(nil, f.permissions())
	if f.err == nil && (isBuiltIn(r.Name) || p.now.knowsRole(r.Name)) {
		f.fail("a role named %q already exists.", r.Name)
	}
	if f.err != nil {
		return answer{}, f.err
	}
	p.write(func(st *state) { st.roles.put(r.Name, r) })
	return success(http.StatusCreated, "Role created successfully.", r, nil), nil
}

// isBuiltIn compares without case, so that no custom role passes for a role
// that every project has.
func isBuiltIn(name string) bool {
	return strings.EqualFold(name, RoleAdmin) || strings.EqualFold(name, RoleMember) ||
		strings.EqualFold(name, RoleReadOnly) || strings.EqualFold(name, RoleOwner)
}

func (p *Project) updateRole(c *call) (answer, error) {
	r, ok := p.now.roles.get(c.args[0])
	if !ok {
		return answer{}, errNotFound
	}
	f := c.fields()
	r.Permissions = mergePermissions(r.Permissions, f.permissions())
	if f.err != nil {
		return answer{}, f.err
	}
	p.write(func(st *state) { st.roles.put(r.Name, r) })
	return success(http.StatusOK, "Role updated successfully.", r, nil), nil
}

func (p *Project) deleteRole(c *call) (answer, error) {
	name := c.args[0]
	if _, ok := p.now.roles.get(name); !ok {
		return answer{}, errNotFound
	}
	holds := func(u User) bool { return u.Role == name }
	if slices.ContainsFunc(p.now.users.all(), holds) || p.now.settings.DefaultProjectRole == name {
		return answer{}, invalid("the role %q is in use.", name)
	}
	p.write(func(st *state) { st.roles.remove(name) })
	return success(http.StatusOK, "Role deleted successfully.", nil, nil), nil
}

type roleSettings struct {
	DefaultProjectRole string `json:"default_project_role"`
}

type teamSettings struct {
	RequireTeamsOnConfigs bool `json:"require_teams_on_configs"`
}

func (p *Project) getRoleSettings(*call) (answer, error) {
	view := roleSettings{p.visible().settings.DefaultProjectRole}
	return success(http.StatusOK, "Settings read successfully.", view, nil), nil
}

func (p *Project) updateRoleSettings(c *call) (answer, error) {
	f := c.fields()
	var view roleSettings
	f.require("default_project_role")
	f.text("default_project_role", &view.DefaultProjectRole)
	if f.err == nil && !p.now.knowsRole(view.DefaultProjectRole) {
		f.fail("there is no role %q.", view.DefaultProjectRole)
	}
	if f.err != nil {
		return answer{}, f.err
	}
	p.write(func(st *state) { st.settings.DefaultProjectRole = view.DefaultProjectRole })
	return success(http.StatusOK, "Settings updated successfully.", view, nil), nil
}

func (p *Project) getTeamSettings(*call) (answer, error) {
	view := teamSettings{p.visible().settings.RequireTeamsOnConfigs}
	return success(http.StatusOK, "Settings read successfully.", view, nil), nil
}

func (p *Project) updateTeamSettings(c *call) (answer, error) {
	f := c.fields()
	var view teamSettings
	f.require("require_teams_on_configs")
	f.bool("require_teams_on_configs", &view.RequireTeamsOnConfigs)
	if f.err != nil {
		return answer{}, f.err
	}
	p.write(func(st *state) { st.settings.RequireTeamsOnConfigs = view.RequireTeamsOnConfigs })
	return success(http.StatusOK, "Settings updated successfully.", view, nil), nil
}
