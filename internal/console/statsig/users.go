package statsig

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strings"

	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/quota"
)

const (
	usersPath = "/console/v1/users"
	userPath  = "/console/v1/users/{email}"
)

// ListUsers implements [console.API].
func (c *Client) ListUsers(ctx context.Context, by quota.Request) (console.Listing[console.User], error) {
	return list(ctx, c, by, call{op: "list users", endpoint: usersPath}, decodeUser, func(u console.User) identity {
		if u.ID != "" {
			return identity{key: "id " + u.ID, unique: true}
		}
		// An address belongs to one person.
		return identity{key: "email " + console.EmailKey(u.Email), unique: true}
	})
}

// GetUser implements [console.API].
func (c *Client) GetUser(ctx context.Context, by quota.Request, email string) (console.User, error) {
	k := call{op: "get user", endpoint: userPath}
	if err := k.address(email); err != nil {
		return console.User{}, err
	}
	return send(ctx, c, by, k, decodeSingle(userOf(email)))
}

// UpdateUser implements [console.API].
func (c *Client) UpdateUser(ctx context.Context, by quota.Request, email string, change console.UserChange) (console.User, error) {
	k := call{op: "update user", endpoint: userPath, method: http.MethodPost}
	if err := k.address(email); err != nil {
		return console.User{}, err
	}
	if change == (console.UserChange{}) {
		return console.User{}, k.refuse(errors.New("there is nothing to change"))
	}
	k.body = struct {
		Role      *string `json:"role,omitempty"`
		FirstName *string `json:"firstName,omitempty"`
		LastName  *string `json:"lastName,omitempty"`
	}(change)
	return send(ctx, c, by, k, decodeSingle(userOf(email)))
}

// Invite implements [console.API].
func (c *Client) Invite(ctx context.Context, by quota.Request, invitation console.Invitation) error {
	k := call{op: "invite users", endpoint: usersPath + "/invite", method: http.MethodPost}
	if len(invitation.Emails) == 0 {
		return k.refuse(errors.New("there is nobody to invite"))
	}
	k.body = struct {
		Role   string   `json:"role"`
		Emails []string `json:"emails"`
	}(invitation)
	k.sent = []addressList{{"emails", invitation.Emails}}
	_, err := send(ctx, c, by, k, decodeDone)
	if refused, ok := console.AsError(err); ok && refused.Class == console.Invalid && len(invitation.Emails) == 1 && alreadyInvited.MatchString(refused.Message) {
		// It stands, which is what was asked for.
		return nil
	}
	return err
}

// alreadyInvited matches a refusal because an invitation exists. That somebody is
// in the project already is none.
var alreadyInvited = regexp.MustCompile(`(?i)\balready\b.*\binvit|\binvit.*\balready\b`)

// userOf decodes a user, who must be the one that was asked for.
func userOf(email string) func(json.RawMessage) (console.User, error) {
	return func(raw json.RawMessage) (console.User, error) {
		user, err := decodeUser(raw)
		if err == nil && !console.SameEmail(user.Email, email) {
			return console.User{}, errors.New("it is about another user")
		}
		return user, err
	}
}

// address puts an e-mail address into the path. An address without "@" is
// refused: "teams" and "invite" would be other endpoints.
func (k *call) address(email string) error {
	if !strings.Contains(email, "@") {
		return k.refuse(errors.New("the user's e-mail address has no @; correct it"))
	}
	return k.segment(email)
}
