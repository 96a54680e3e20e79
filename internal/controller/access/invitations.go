package access

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
)

// InviteAgainAfter is how long an invitation is given before it is repeated.
const InviteAgainAfter = 7 * 24 * time.Hour

// maxInvitations bounds how many invitations a connection's status tells of; the
// oldest are dropped. It then takes some 300 kB.
const maxInvitations = 5000

// An invitation stands in the status of the UserRole that it was sent for. When
// that goes, or gives the person up, it is told in the status of the connection:
// the console lists no invitations, and another object for the same person must
// not repeat it.

// RememberInvitation tells in the status of obj's connection that its person was
// invited, if they were lately. obj is a UserRole that is to be let go.
func (s *Scope) RememberInvitation(ctx context.Context, obj v1alpha1.AccessObject) error {
	role, ok := obj.(*v1alpha1.UserRole)
	if !ok || role.Status.InvitedAt == nil || time.Since(role.Status.InvitedAt.Time) >= InviteAgainAfter {
		return nil
	}
	connection := &v1alpha1.ConsoleConnection{}
	if err := s.Client.Get(ctx, types.NamespacedName{Name: role.ConnectionName()}, connection); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("read ConsoleConnection %q: %w", role.ConnectionName(), err))
	}
	changes := outdated(connection.Status.Invitations)
	changes[role.Claim()] = role.Status.InvitedAt
	if err := s.patchInvitations(ctx, connection.Name, changes); err != nil {
		return err
	}
	s.Memory.invited(connection.Name, role.Claim(), role.Status.InvitedAt.Time)
	return nil
}

// LastInvitation returns when the object's person was last invited for another
// object of the project that is gone; nil when that is long ago.
func (s *Scope) LastInvitation(ctx context.Context) (*metav1.Time, error) {
	peers, err := s.Peers(ctx)
	if err != nil {
		return nil, err
	}
	var last time.Time
	for name, connection := range peers {
		at := s.Memory.lastInvited(name, s.Obj.Claim())
		if connection != nil {
			if told, ok := connection.Status.Invitations[s.Obj.Claim()]; ok && told.After(at) {
				at = told.Time
			}
		}
		if at.After(last) {
			last = at
		}
	}
	if time.Since(last) >= InviteAgainAfter {
		return nil, nil
	}
	return new(metav1.NewTime(last)), nil
}

// ForgetInvitation drops what is told of an invitation of the object's person, who
// has appeared: should they leave again they are invited anew.
func (s *Scope) ForgetInvitation(ctx context.Context) error {
	email := s.Obj.Claim()
	if _, told := s.Connection.Status.Invitations[email]; !told && s.Memory.lastInvited(s.Connection.Name, email).IsZero() {
		return nil
	}
	s.Memory.invited(s.Connection.Name, email, time.Time{})
	return s.patchInvitations(ctx, s.Connection.Name, map[string]*metav1.Time{email: nil})
}

// outdated are the changes that drop the invitations which need not be told any
// more.
func outdated(told map[string]metav1.Time) map[string]*metav1.Time {
	changes := map[string]*metav1.Time{}
	oldest := slices.SortedFunc(maps.Keys(told), func(a, b string) int { return told[a].Compare(told[b].Time) })
	for i, email := range oldest {
		if time.Since(told[email].Time) >= InviteAgainAfter || len(oldest)-i >= maxInvitations {
			changes[email] = nil
		}
	}
	return changes
}

// patchInvitations changes single entries, so that nobody's are lost who changes
// others at the same time. A nil time drops the entry.
func (s *Scope) patchInvitations(ctx context.Context, connection string, changes map[string]*metav1.Time) error {
	patch, err := json.Marshal(map[string]any{"status": map[string]any{"invitations": changes}})
	if err != nil {
		return fmt.Errorf("encode the invitations: %w", err)
	}
	c := &v1alpha1.ConsoleConnection{ObjectMeta: metav1.ObjectMeta{Name: connection}}
	if err := s.Client.Status().Patch(ctx, c, client.RawPatch(types.MergePatchType, patch)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("record in ConsoleConnection %q who was invited: %w", connection, err)
	}
	return nil
}

// An invitee is a person by the connection through which they were invited.
type invitee struct{ connection, email string }

// invited notes, for as long as the cache may not show it, what a connection's
// status tells of an invitation; zero: of none.
func (m *Memory) invited(connection, email string, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at.IsZero() {
		delete(m.invitations, invitee{connection, email})
		return
	}
	maps.DeleteFunc(m.invitations, func(_ invitee, at time.Time) bool { return time.Since(at) >= InviteAgainAfter })
	if m.invitations == nil {
		m.invitations = map[invitee]time.Time{}
	}
	m.invitations[invitee{connection, email}] = at
}

func (m *Memory) lastInvited(connection, email string) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.invitations[invitee{connection, email}]
}
