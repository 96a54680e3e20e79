package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/plugin/cluster"
	"github.com/console-access/console-access-operator/internal/plugin/terminal"
)

type syncFlags struct {
	refs    refFlags
	wait    bool
	timeout time.Duration
}

const (
	// waitPause is how often objects are looked at while they are waited for.
	waitPause = 500 * time.Millisecond
	// writeGrace is how long a write is waited for that may be under way. Where
	// drift is ignored none will come.
	writeGrace = 10 * time.Second
)

func (a *app) syncCommand() *cobra.Command {
	f := &syncFlags{}
	cmd := &cobra.Command{
		Use:   "sync " + refUsage,
		Short: "Compare objects with the console now",
		Long: `Asks the operator to compare objects with the console now, rather than when the drift
interval has passed. A Team or UserRole is read by itself; for a connection users and
teams are listed anew, which serves all objects that use it. It takes its turn in the
rate limit like everything else.

With --wait the command ends when that was done, with exit code 1 if an object is not
Ready then.`,
		Example: `  kubectl console-access sync team growth
  kubectl console-access sync cconn/default --wait
  kubectl console-access sync userroles --all -n growth --wait --timeout 10m`,
		ValidArgsFunction: a.completeRefs,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.sync(cmd.Context(), f, args) },
	}
	f.refs.add(cmd)
	cmd.Flags().BoolVar(&f.wait, "wait", false, "wait until it was done")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 5*time.Minute, "how long to wait")
	return cmd
}

func (a *app) sync(ctx context.Context, f *syncFlags, args []string) error {
	c, err := a.cluster.Connect()
	if err != nil {
		return err
	}
	objects, err := f.refs.find(ctx, c, args)
	if err != nil {
		return err
	}
	check := check{asked: time.Now()}
	check.value = check.asked.UTC().Format(time.RFC3339Nano)
	bad := 0
	for i, obj := range objects {
		if objects[i], err = a.request(ctx, c, check, obj); err != nil {
			return err
		}
		if objects[i] == nil {
			bad++
		} else if !f.wait {
			fmt.Fprintln(a.Out, refName(obj), "will be compared")
		}
	}
	if f.wait {
		ctx, cancel := context.WithTimeout(ctx, f.timeout)
		defer cancel()
		notReady, err := a.waitSynced(ctx, c, objects, check)
		if err != nil {
			return err
		}
		bad += notReady
	}
	if bad > 0 {
		return exit(exitError)
	}
	return nil
}

// A check is one that a person asked for: when, and with which value of the annotation.
type check struct {
	asked time.Time
	value string
}

// request asks for a check of an object, and returns it, or nil when it is not
// compared any more.
func (a *app) request(ctx context.Context, c *cluster.Cluster, check check, obj client.Object) (client.Object, error) {
	switch {
	case ending(obj):
		a.sayEnding(obj)
		return nil, nil
	case suspended(obj):
		return nil, fmt.Errorf("%s is suspended, so nothing is compared: resume it with kubectl console-access resume %[1]s", refName(obj))
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{v1alpha1.ReconcileRequestedAtAnnotation: check.value}},
	})
	if err != nil {
		return nil, fmt.Errorf("encode the annotation: %w", err)
	}
	if err := c.Patch(ctx, obj, client.RawPatch(types.MergePatchType, patch)); err != nil {
		return nil, cluster.Explain("ask for a check of "+refName(obj), err)
	}
	return obj, nil
}

// ending reports whether an object is being deleted, so that it is not compared
// any more. A connection is while objects use it.
func ending(obj client.Object) bool {
	_, used := obj.(*v1alpha1.ConsoleConnection)
	used = used && slices.Contains(obj.GetFinalizers(), v1alpha1.Finalizer)
	return !obj.GetDeletionTimestamp().IsZero() && !used
}

func (a *app) sayEnding(obj client.Object) {
	fmt.Fprintf(a.Out, "%s is being deleted, so it is not compared. It says: %s\n", refName(obj), readiness(obj).Message)
}

// waitSynced waits until each object was compared, and returns how many are not
// Ready. Those that are nil are not waited for.
func (a *app) waitSynced(ctx context.Context, c *cluster.Cluster, objects []client.Object, check check) (bad int, err error) {
	live := terminal.NewLive(a.Err)
	defer live.Clear()
	for i, obj := range objects {
		if obj == nil {
			continue
		}
		live.Show("Waiting for %s (%d of %d)", refName(obj), i+1, len(objects))
		err := check.wait(ctx, c, obj)
		live.Clear()
		switch ready := readiness(obj); {
		case errors.Is(err, context.DeadlineExceeded):
			return bad, fmt.Errorf("%s was not compared in time; it says %s: %s: is the operator running? "+
				"See kubectl console-access status, or wait longer with --timeout", refName(obj), ready.Reason, ready.Message)
		case apierrors.IsNotFound(err):
			bad++
			fmt.Fprintln(a.Out, refName(obj), "was deleted meanwhile")
		case err != nil:
			return bad, cluster.Explain("wait for "+refName(obj), err)
		case ending(obj):
			bad++
			a.sayEnding(obj)
		case ready.Status != metav1.ConditionTrue:
			bad++
			fmt.Fprintf(a.Out, "%s is not Ready: %s: %s\n", refName(obj), ready.Reason, ready.Message)
		default:
			fmt.Fprintln(a.Out, refName(obj), "is in sync")
		}
	}
	return bad, nil
}

// wait returns when an object was compared, or is not compared any more.
func (check check) wait(ctx context.Context, c *cluster.Cluster, obj client.Object) error {
	var handled time.Time
	return wait.PollUntilContextCancel(ctx, waitPause, true, func(ctx context.Context) (bool, error) {
		if err := c.Get(ctx, client.ObjectKeyFromObject(obj), obj); err != nil {
			return false, err
		}
		switch {
		case ending(obj):
			return true, nil
		case !compared(obj, check):
			return false, nil
		case handled.IsZero():
			handled = time.Now()
		}
		return !writing(obj) || time.Since(handled) > writeGrace, nil
	})
}

// readiness is the object's Ready condition.
func readiness(obj client.Object) metav1.Condition {
	var conditions []metav1.Condition
	switch obj := obj.(type) {
	case v1alpha1.AccessObject:
		conditions = obj.Sync().Conditions
	case *v1alpha1.ConsoleConnection:
		conditions = obj.Status.Conditions
	}
	if ready := meta.FindStatusCondition(conditions, v1alpha1.ReadyCondition); ready != nil {
		return *ready
	}
	return metav1.Condition{Reason: "NotSeenYet", Message: "The operator has not looked at it yet."}
}

// compared reports whether the request of that value was dealt with.
func compared(obj client.Object, check check) bool {
	ready := readiness(obj)
	if ready.ObservedGeneration != obj.GetGeneration() {
		return false
	}
	switch obj := obj.(type) {
	case *v1alpha1.Team:
		return obj.Status.LastHandledReconcileAt == check.value || stalled(obj.Sync())
	case *v1alpha1.UserRole:
		return obj.Status.LastHandledReconcileAt == check.value || stalled(obj.Sync())
	case *v1alpha1.ConsoleConnection:
		// Times in a status have no fractions of a second.
		since := check.asked.Truncate(time.Second)
		read := func(at *metav1.Time) bool { return at != nil && !at.Time.Before(since) }
		done := obj.Status.LastHandledReconcileAt == check.value && read(obj.Status.UsersReadAt) && read(obj.Status.TeamsReadAt)
		return done || stalled(&obj.Status.SyncStatus)
	}
	return true
}

// writing reports whether a status may be that of right before a write: it then
// tells what was found in the console, and still says Ready.
func writing(obj client.Object) bool {
	role, ok := obj.(*v1alpha1.UserRole)
	return ok && readiness(obj).Status == metav1.ConditionTrue && !console.SameRole(role.Status.Role, string(role.Spec.Role))
}

func stalled(status *v1alpha1.SyncStatus) bool {
	return meta.IsStatusConditionTrue(status.Conditions, v1alpha1.StalledCondition)
}
