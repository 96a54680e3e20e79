package access

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
)

// Peers are the connections that lead to one console project, by name. Names,
// addresses, ids and intents to create belong to the project, so the objects of
// all peers compete for them.
type Peers map[string]*v1alpha1.ConsoleConnection

// Key identifies the project within this process.
func (p Peers) Key() string { return slices.Min(slices.Collect(maps.Keys(p))) }

// projectMarks identify the project that a connection leads to: two connections
// with a mark in common lead to the same one. No other code decides that.
func projectMarks(c *v1alpha1.ConsoleConnection, link *Link) []string {
	ref := c.Spec.APIKeySecretRef
	// The Secret is a mark of its own: while its key is rotated, the connections
	// that use it follow one after the other.
	marks := []string{strings.Join([]string{"secret", strings.TrimRight(c.Spec.Endpoint, "/"), ref.Name, ref.Field()}, "\x00")}
	if group := c.Spec.RateLimit.Group; group != "" {
		marks = append(marks, "group\x00"+group)
	}
	switch {
	case link != nil:
		marks = append(marks, "group\x00"+link.KeyDigest)
	case c.Status.Quota != nil:
		marks = append(marks, "group\x00"+c.Status.Quota.Group)
	}
	return marks
}

// Peers returns the connections that lead to the project of the named one, which
// is one of them.
func (d *Desk) Peers(ctx context.Context, connection string) (Peers, error) {
	list := &v1alpha1.ConsoleConnectionList{}
	if err := d.Client.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list ConsoleConnections: %w", err)
	}
	marks, byMark := map[string][]string{}, map[string][]*v1alpha1.ConsoleConnection{}
	peers, next := Peers{connection: nil}, []string{connection}
	for i := range list.Items {
		c := &list.Items[i]
		if c.Name == connection {
			peers[connection] = c
		}
		marks[c.Name] = projectMarks(c, d.Links.Get(c.Name))
		for _, mark := range marks[c.Name] {
			byMark[mark] = append(byMark[mark], c)
		}
	}
	for len(next) > 0 {
		of := next[0]
		next = next[1:]
		for _, mark := range marks[of] {
			for _, c := range byMark[mark] {
				if _, known := peers[c.Name]; !known {
					peers[c.Name] = c
					next = append(next, c.Name)
				}
			}
		}
	}
	return peers, nil
}

// Peers returns the connections that lead to the object's project.
func (s *Scope) Peers(ctx context.Context) (Peers, error) {
	if s.peers != nil {
		return s.peers, nil
	}
	peers, err := s.Desk.Peers(ctx, s.Obj.ConnectionName())
	s.peers = peers
	return peers, err
}

// Others returns the other objects of the project that an index has under a
// value, for reading only. list is an empty list of their kind.
func (s *Scope) Others(ctx context.Context, list client.ObjectList, index, value string) ([]v1alpha1.AccessObject, error) {
	found, err := s.sharing(ctx, list, index, value, s.Obj, s.Peers)
	if err != nil {
		return nil, fmt.Errorf("list who shares %s %q: %w", index, value, err)
	}
	return found, nil
}

// sharing returns the objects, other than obj, that an index has under a value
// and whose connections are peers of obj's. They are for reading only.
func (d *Desk) sharing(
	ctx context.Context, list client.ObjectList, index, value string, obj v1alpha1.AccessObject, peers func(context.Context) (Peers, error),
) ([]v1alpha1.AccessObject, error) {
	if err := d.Client.List(ctx, list, client.MatchingFields{index: value}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	var out []v1alpha1.AccessObject
	for _, other := range items(list) {
		if other.GetUID() == obj.GetUID() || released(other) {
			continue
		}
		if other.ConnectionName() != obj.ConnectionName() {
			known, err := peers(ctx)
			if err != nil {
				return nil, err
			}
			if _, ok := known[other.ConnectionName()]; !ok {
				continue
			}
		}
		out = append(out, other)
	}
	return out, nil
}

// connectionOf returns the connection of an object of the project; nil when there
// is none.
func (s *Scope) connectionOf(ctx context.Context, obj v1alpha1.AccessObject) (*v1alpha1.ConsoleConnection, error) {
	if s.Connection != nil && s.Connection.Name == obj.ConnectionName() {
		return s.Connection, nil
	}
	peers, err := s.Peers(ctx)
	return peers[obj.ConnectionName()], err
}

// Admitted splits objects of the project into those whose connections admit their
// namespaces, and those whose connections do not. An object whose namespace the
// cache lacks is neither.
func (s *Scope) Admitted(ctx context.Context, objects []v1alpha1.AccessObject) (admitted, barred []v1alpha1.AccessObject, err error) {
	for _, obj := range objects {
		connection, err := s.connectionOf(ctx, obj)
		if err != nil {
			return nil, nil, err
		}
		ok := false
		if connection != nil {
			ok, err = Admits(ctx, s.Client, connection, obj.GetNamespace())
		}
		switch {
		case errors.Is(err, errNamespaceUnknown):
		case err != nil:
			return nil, nil, err
		case ok:
			admitted = append(admitted, obj)
		default:
			barred = append(barred, obj)
		}
	}
	return admitted, barred, nil
}
