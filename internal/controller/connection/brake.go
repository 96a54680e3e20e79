package connection

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/controller/access"
)

// resume has the connection's brake go on where it was when there was last a
// link, in this process or in the one before it.
func (r *Reconciler) resume(ctx context.Context, c *v1alpha1.ConsoleConnection, st *state) error {
	if st.brake == nil {
		var record access.BrakeRecord
		if c.Status.Brake != nil {
			record = *c.Status.Brake
		}
		st.brake = access.NewBrake(record, r.wake(c.Name), r.saveBrake(c.Name))
	}
	wanted, err := (&access.Desk{Client: r.Client, Links: r.Links}).Deletions(ctx, c)
	if err != nil {
		return err
	}
	configure(c, st.brake)
	st.brake.Resume(wanted)
	return nil
}

// saveBrake returns what keeps a brake's record in the connection's status. It
// is alone in writing that field.
func (r *Reconciler) saveBrake(name string) func(context.Context, access.BrakeRecord) error {
	return func(ctx context.Context, record access.BrakeRecord) error {
		// A merge takes away only what is named, so empty fields are, as null.
		fields := map[string]any{"recent": record.Recent, "deleting": record.Deleting, "approvedUpTo": record.ApprovedUpTo}
		patch, err := json.Marshal(map[string]any{"status": map[string]any{"brake": fields}})
		if err != nil {
			return err
		}
		c := &v1alpha1.ConsoleConnection{ObjectMeta: metav1.ObjectMeta{Name: name}}
		return r.Client.Status().Patch(ctx, c, client.RawPatch(types.MergePatchType, patch))
	}
}

func configure(c *v1alpha1.ConsoleConnection, brake *access.Brake) {
	spec := c.Spec.DeletionBrake
	limit, per := int32(10), time.Minute
	if spec.MaxDeletes != nil {
		limit = *spec.MaxDeletes
	}
	if spec.Per.Duration > 0 {
		per = spec.Per.Duration
	}
	brake.Configure(int(limit), per)
}

// approve acts on a person's approval of held deletions and takes the
// annotation away, so that it counts once.
func (r *Reconciler) approve(ctx context.Context, c *v1alpha1.ConsoleConnection, brake *access.Brake) error {
	said, ok := c.Annotations[v1alpha1.ApproveDeletesAnnotation]
	if !ok {
		return nil
	}
	n, err := strconv.Atoi(said)
	understood := err == nil && n >= 0
	if said == "all" {
		n, understood = -1, true
	}
	if !understood {
		r.Events.Eventf(c, nil, corev1.EventTypeWarning, "ApprovalNotUnderstood", "Approve",
			"%s must be a number or all; nothing was approved. Set it again.", v1alpha1.ApproveDeletesAnnotation)
	}
	before := c.DeepCopy()
	delete(c.Annotations, v1alpha1.ApproveDeletesAnnotation)
	if err := r.Client.Patch(ctx, c, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("take away the annotation %s: %w", v1alpha1.ApproveDeletesAnnotation, err)
	}
	r.state(c.Name).version = c.ResourceVersion
	if understood {
		approved, held := brake.Approve(n)
		r.Events.Eventf(c, nil, corev1.EventTypeNormal, "DeletionsApproved", "Approve", "Approved %d of %d held deletions.", approved, held)
	}
	return nil
}
