package statsig

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/quota"
)

const (
	rolesPath = "/console/v1/roles"
	rolePath  = "/console/v1/roles/{id}"
)

// Permissions are a role's permissions by the API's own names, e.g.
// "create_teams"; one that is missing was not told, or is not to be sent.
type Permissions map[string]bool

// A Role is a custom role of a project.
type Role struct {
	// ID is the console's identifier; the contract's examples leave it out.
	ID          string
	Name        string
	Permissions Permissions
}

// ListRoles reads every page of the project's custom roles. Errors are as in
// [console.API], here and below.
func (c *Client) ListRoles(ctx context.Context, by quota.Request) (console.Listing[Role], error) {
	return list(ctx, c, by, call{op: "list roles", endpoint: rolesPath}, decodeRole, func(r Role) identity {
		if r.ID != "" {
			return identity{key: "id " + r.ID, unique: true}
		}
		// Users name their role by its name.
		return identity{key: "name " + r.Name, unique: true}
	})
}

// GetRole reads one custom role.
func (c *Client) GetRole(ctx context.Context, by quota.Request, id string) (Role, error) {
	return c.oneRole(ctx, by, call{op: "get role", endpoint: rolePath}, id)
}

// CreateRole creates a custom role. The answer may lack the id.
func (c *Client) CreateRole(ctx context.Context, by quota.Request, name string, permissions Permissions) (Role, error) {
	k := call{op: "create role", endpoint: rolesPath, method: http.MethodPost, body: struct {
		Name        string      `json:"name"`
		Permissions Permissions `json:"permissions"`
	}{name, permissions.orEmpty()}}
	return send(ctx, c, by, k, decodeSingle(decodeRole))
}

// UpdateRole changes a custom role's permissions; its name cannot be changed.
func (c *Client) UpdateRole(ctx context.Context, by quota.Request, id string, permissions Permissions) (Role, error) {
	k := call{op: "update role", endpoint: rolePath, method: http.MethodPatch, body: struct {
		Permissions Permissions `json:"permissions"`
	}{permissions.orEmpty()}}
	return c.oneRole(ctx, by, k, id)
}

// DeleteRole deletes a custom role.
func (c *Client) DeleteRole(ctx context.Context, by quota.Request, id string) error {
	k := call{op: "delete role", endpoint: rolePath, method: http.MethodDelete}
	if err := k.segment(id); err != nil {
		return err
	}
	_, err := send(ctx, c, by, k, decodeDone)
	return err
}

func (c *Client) oneRole(ctx context.Context, by quota.Request, k call, id string) (Role, error) {
	if err := k.segment(id); err != nil {
		return Role{}, err
	}
	role, err := send(ctx, c, by, k, decodeSingle(decodeRole))
	if err == nil && role.ID == "" {
		role.ID = id
	}
	return role, err
}

// orEmpty keeps nil from being sent as null.
func (p Permissions) orEmpty() Permissions {
	if p == nil {
		return Permissions{}
	}
	return p
}

func decodeRole(raw json.RawMessage) (Role, error) {
	var r struct {
		ID          identifier       `json:"id"`
		Name        *string          `json:"name"`
		Permissions map[string]*bool `json:"permissions"`
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return Role{}, err
	}
	if r.Name == nil {
		return Role{}, errors.New(`a role has no "name"`)
	}
	role := Role{ID: string(r.ID), Name: *r.Name, Permissions: Permissions{}}
	for name, granted := range r.Permissions {
		if granted != nil {
			role.Permissions[name] = *granted
		}
	}
	return role, nil
}
