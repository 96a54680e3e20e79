package connection

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/controller/access"
	"github.com/console-access/console-access-operator/internal/controller/condition"
	"github.com/console-access/console-access-operator/internal/quota"
)

// manyMissing is how many of the recorded teams, or people, a project must lack, and
// more than half of them, to be taken for another one. With fewer nobody can tell it
// from teams that were deleted by hand.
const manyMissing = 3

// records are what the objects of a connection have recorded of its project.
type records struct {
	ids, emails []string
	// names are those of the teams, by id: listings may not tell ids.
	names map[string]string
}

// recorded returns what the objects of a connection know.
func (r *Reconciler) recorded(ctx context.Context, connection string) (known records, err error) {
	teams, roles := &v1alpha1.TeamList{}, &v1alpha1.UserRoleList{}
	for _, list := range []client.ObjectList{teams, roles} {
		if err := r.Client.List(ctx, list, client.MatchingFields{access.ConnectionIndex: connection}, client.UnsafeDisableDeepCopy); err != nil {
			return known, fmt.Errorf("list the objects that use ConsoleConnection %q: %w", connection, err)
		}
	}
	known.names = map[string]string{}
	for i := range teams.Items {
		if id := teams.Items[i].Status.ID; id != "" {
			known.ids = append(known.ids, id)
			known.names[id] = teams.Items[i].ConsoleName()
		}
	}
	for i := range roles.Items {
		if roles.Items[i].Status.Role != "" {
			known.emails = append(known.emails, string(roles.Items[i].Spec.Email))
		}
	}
	return known, nil
}

// tell reports whether the records are enough to judge a project by.
func (k records) tell() bool { return len(k.ids) >= manyMissing || len(k.emails) >= manyMissing }

// strange says what of the records a project lacks, if that is most of them.
func (k records) strange(project *console.Project) string {
	var said []string
	note := func(what string, keys []string, there func(string) bool) {
		missing := 0
		for _, key := range keys {
			if !there(key) {
				missing++
			}
		}
		if missing >= manyMissing && 2*missing > len(keys) {
			said = append(said, fmt.Sprintf("%d of the %d %s", missing, len(keys), what))
		}
	}
	note("teams whose ids are recorded", k.ids, func(id string) bool {
		return project.Team(id).Presence == console.Present ||
			slices.ContainsFunc(project.TeamsNamed(k.names[id]), func(t console.Team) bool { return t.ID == "" })
	})
	note("people who were seen", k.emails, func(email string) bool { return project.User(email).Presence == console.Present })
	return strings.Join(said, " and ")
}

// recognize judges by the first listings of a project whether it is the one that the
// connection's objects were brought about in. While a listing is awaited that tells, the
// error is [console.ErrReading].
func (r *Reconciler) recognize(ctx context.Context, c *v1alpha1.ConsoleConnection, st *state, by console.Caller) (*condition.Verdict, error) {
	link := st.link
	project := link.Project
	if link.Recognition.Done() || project.UsersRead().StartedAt.IsZero() || project.TeamsRead().StartedAt.IsZero() {
		return nil, nil
	}
	known, err := r.recorded(ctx, c.Name)
	if err != nil {
		return nil, err
	}
	lacks := known.strange(project)
	if lacks == "" || c.Annotations[v1alpha1.ApproveProjectAnnotation] == link.KeyDigest {
		link.Recognition.Accept()
		r.Links.Set(c.Name, link)
		return nil, nil
	}
	// What the process before this one has just made may not be listed yet.
	by.Lane = quota.Change
	if err := errors.Join(project.ConfirmNoTeam(by, project.FormerShown()), project.ConfirmNobody(by, project.FormerShown())); err != nil {
		return nil, err
	}
	v := condition.Stuck(v1alpha1.ReasonConnectionNotReady,
		"The API key seems to lead to another project than before: it lacks %s. Nothing is done in it. Put the key of the former project into the Secret; "+
			"or, if this is the project that is meant, annotate this connection with %s=%s, and what is missing is created there.",
		lacks, v1alpha1.ApproveProjectAnnotation, link.KeyDigest)
	if link.Recognition.Refuse(v) {
		r.Events.Eventf(c, nil, corev1.EventTypeWarning, "AnotherProject", "Recognize", "%s", v.Message)
		r.Links.Set(c.Name, link)
	}
	return &v, nil
}
