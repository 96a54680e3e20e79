package access

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/console-access/console-access-operator/api/v1alpha1"
)

// An Identity is what an object stands for, as an annotation keeps it through a
// backup that has no status. Its JSON is the same from run to run.
type Identity struct {
	Project   string    `json:"project"`
	Namespace string    `json:"namespace"`
	Name      string    `json:"name"`
	UID       types.UID `json:"uid"`
	// Team is the name in the console; ID is known for a team that was adopted or
	// renamed.
	Team    string `json:"team,omitempty"`
	ID      string `json:"id,omitempty"`
	Adopted bool   `json:"adopted,omitempty"`
	// Email is the person's address; the others are those of the status.
	Email        string       `json:"email,omitempty"`
	PreviousRole string       `json:"previousRole,omitempty"`
	InvitedAt    *metav1.Time `json:"invitedAt,omitempty"`
}

// project is the name of the object's project in an identity: the group of its
// connection, or what identifies its endpoint and key.
func (s *Scope) project() string {
	if group := s.Connection.Spec.RateLimit.Group; group != "" {
		return group
	}
	return s.Link.KeyDigest
}

// Annotated returns the identity that the object's annotation has, if that speaks of
// this object by its name and of this project. own says that it was written for this
// very object, and not for one that it was restored from.
func (s *Scope) Annotated() (id Identity, own, ok bool) {
	text := s.Obj.GetAnnotations()[v1alpha1.IdentityAnnotation]
	if text == "" || json.Unmarshal([]byte(text), &id) != nil {
		return Identity{}, false, false
	}
	project := id.Project != "" && (id.Project == s.project() || id.Project == s.Link.KeyDigest)
	ok = project && id.Namespace == s.Name.Namespace && id.Name == s.Name.Name
	return id, id.UID == s.Obj.GetUID(), ok
}

// Restored returns the identity of an object that was restored without its status.
// What it says is true only where the console agrees.
func (s *Scope) Restored() (Identity, bool) {
	status := s.Obj.Sync()
	id, own, ok := s.Annotated()
	return id, ok && !own && status.SyncedGeneration == 0 && status.LastSyncTime == nil
}

// HoldAs sets the finalizer and, in the same write, the identity. An identity alone is
// written only while the object is not synced, when more is to be written anyway. A
// nil one takes away what was written for this object.
func (s *Scope) HoldAs(ctx context.Context, id *Identity) error {
	known, own, ok := s.Annotated()
	text := s.Obj.GetAnnotations()[v1alpha1.IdentityAnnotation]
	switch {
	case s.Finalized() && s.Obj.Sync().SyncedGeneration == s.Obj.GetGeneration():
		return nil
	case id == nil && own:
		text = ""
	case id != nil:
		id.Project, id.Namespace, id.Name, id.UID = s.project(), s.Name.Namespace, s.Name.Name, s.Obj.GetUID()
		if ok && own && known.covers(id) {
			break
		}
		raw, err := json.Marshal(id)
		if err != nil {
			return fmt.Errorf("encode the identity: %w", err)
		}
		text = string(raw)
	}
	return s.finalize(ctx, func(obj client.Object, finalizer string) bool {
		changed := controllerutil.AddFinalizer(obj, finalizer)
		if obj.GetAnnotations()[v1alpha1.IdentityAnnotation] == text {
			return changed
		}
		annotations := map[string]string{}
		maps.Copy(annotations, obj.GetAnnotations())
		annotations[v1alpha1.IdentityAnnotation] = text
		if text == "" {
			delete(annotations, v1alpha1.IdentityAnnotation)
		}
		obj.SetAnnotations(annotations)
		return true
	}, "set the finalizer")
}

// covers reports whether an identity leads to the same as another one, which may
// know more of it: a team is found by its id, or by its name.
func (i *Identity) covers(want *Identity) bool {
	if i.ID == "" && i.Team == want.Team || i.ID == want.ID && i.ID != "" {
		return i.Adopted == want.Adopted && i.Email == want.Email && i.PreviousRole == want.PreviousRole && i.InvitedAt.Equal(want.InvitedAt)
	}
	return false
}
