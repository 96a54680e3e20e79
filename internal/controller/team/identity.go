package team

import (
	"context"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/controller/access"
)

// identity is what the object stands for, or is about to; nil when that is nothing.
// A team whose name alone is known was made by this object.
func (s *team) identity() *access.Identity {
	status, name := &s.obj.Status, console.NameKey(s.obj.ConsoleName())
	named := s.Link.Project.TeamsNamed(name)
	switch {
	case status.ID != "":
		return &access.Identity{Team: name, ID: status.ID, Adopted: status.Adopted}
	case status.CreateIntent != nil:
		return &access.Identity{Team: console.NameKey(status.CreateIntent.Name)}
	case s.obj.Spec.Mode == v1alpha1.ModeObserve:
		return nil
	case len(named) == 0 && s.keepsRestored(name):
		return nil
	case len(named) == 0:
		return &access.Identity{Team: name}
	case len(named) == 1 && named[0].ID != "" && s.obj.Spec.AdoptionPolicy == v1alpha1.AdoptionAdopt:
		return &access.Identity{Team: name, ID: named[0].ID, Adopted: true}
	}
	return nil
}

// keepsRestored reports whether the annotation of a restored object stays as it is
// although the console does not show the team: it says the same as a new one would,
// or the listing may lack the team by chance.
func (s *team) keepsRestored(name string) bool {
	id, ok := s.Restored()
	return ok && (id.ID == "" && id.Team == name || !s.Link.Project.TeamsRead().Complete)
}

// restore records the team that a Team which was restored without its status stood
// for: the console has exactly that team, and no other Team stands for it.
func (s *team) restore(ctx context.Context) error {
	id, ok := s.Restored()
	if !ok || s.obj.Status.ID != "" || s.obj.Status.CreateIntent != nil {
		return nil
	}
	found := id.ID
	if found == "" {
		named := s.Link.Project.TeamsNamed(id.Team)
		if id.Team != console.NameKey(s.obj.ConsoleName()) || len(named) != 1 {
			return nil
		}
		found = named[0].ID
	}
	if found == "" || s.Link.Project.Team(found).Presence != console.Present {
		return nil
	}
	others, err := s.Others(ctx, &v1alpha1.TeamList{}, idIndex, found)
	if err != nil || len(others) > 0 {
		return err
	}
	if creators, err := s.creators(ctx, s.obj.ConsoleName()); err != nil || len(creators) > 0 {
		return err
	}
	if err := s.Hold(ctx); err != nil {
		return err
	}
	s.obj.Status.ID, s.obj.Status.Adopted = found, id.Adopted
	if err := s.Record(ctx); err != nil {
		return err
	}
	s.Changed("Restored", "Found the team %q with id %s again, for which this object stood before it was restored.", s.obj.ConsoleName(), found)
	return nil
}
