package userrole

import (
	"context"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/controller/access"
)

// Setup adds the controller to the manager.
func (r *Reconciler) Setup(ctx context.Context, mgr ctrl.Manager, options controller.Options) error {
	lists := func() client.ObjectList { return &v1alpha1.UserRoleList{} }
	r.Links.OnChange(func(connection string, link *access.Link) {
		link.Project.Subscribe(r.Kind+"/"+connection, func(c console.Change) {
			if c.Access {
				r.WakeAll(context.Background(), lists(), connection)
			}
			for _, email := range c.Emails {
				r.WakeMatching(context.Background(), lists(), connection, access.ClaimIndex, email)
			}
		})
		r.WakeAll(context.Background(), lists(), connection)
	})
	return r.Desk.Setup(ctx, mgr, &v1alpha1.UserRole{}, lists, options, r)
}
