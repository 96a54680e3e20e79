package team

import (
	"context"
	"fmt"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/controller/access"
)

// Indices of Teams in the cache, beside [access.Indices]. As those they do not
// name the connection, because ids and intents belong to the project.
const (
	// idIndex finds the Teams that stand for a team of the console, by its id.
	idIndex = "id"
	// intentIndex finds the Teams that may have created a team of a name, and do
	// not know yet.
	intentIndex = "createIntent"
)

// indices are how their values come about.
var indices = map[string]client.IndexerFunc{
	idIndex: func(obj client.Object) []string {
		if id := obj.(*v1alpha1.Team).Status.ID; id != "" {
			return []string{id}
		}
		return nil
	},
	intentIndex: func(obj client.Object) []string {
		if intent := obj.(*v1alpha1.Team).Status.CreateIntent; intent != nil {
			return []string{console.NameKey(intent.Name)}
		}
		return nil
	},
}

// Setup adds the controller to the manager.
func (r *Reconciler) Setup(ctx context.Context, mgr ctrl.Manager, options controller.Options) error {
	for name, value := range indices {
		if err := mgr.GetFieldIndexer().IndexField(ctx, &v1alpha1.Team{}, name, value); err != nil {
			return fmt.Errorf("index Teams by %s: %w", name, err)
		}
	}
	lists := func() client.ObjectList { return &v1alpha1.TeamList{} }
	r.Links.OnChange(func(connection string, link *access.Link) {
		link.Project.Subscribe(r.Kind+"/"+connection, func(c console.Change) {
			r.changed(connection, c)
		})
		r.WakeAll(context.Background(), lists(), connection)
	})
	return r.Desk.Setup(ctx, mgr, &v1alpha1.Team{}, lists, options, r)
}

// changed has the Teams looked at whose team a reading found to be different.
func (r *Reconciler) changed(connection string, c console.Change) {
	ctx := context.Background()
	if c.Access {
		r.WakeAll(ctx, &v1alpha1.TeamList{}, connection)
	}
	for _, id := range c.TeamIDs {
		r.WakeMatching(ctx, &v1alpha1.TeamList{}, connection, idIndex, id)
	}
	for _, name := range c.TeamNames {
		r.WakeMatching(ctx, &v1alpha1.TeamList{}, connection, access.ClaimIndex, console.NameKey(name))
	}
}
