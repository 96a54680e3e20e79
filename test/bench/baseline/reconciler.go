package main

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/console-access/console-access-operator/api/v1alpha1"
)

const finalizer = "console-access.dev/baseline"

// A reconciler is the plain reconciler of one kind.
type reconciler[T v1alpha1.AccessObject] struct {
	client.Client
	resync time.Duration
	empty  func() T
	// sync makes the console hold what the object says. It may set the status.
	sync func(context.Context, T) error
}

// Reconcile reads, compares and writes.
func (r *reconciler[T]) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	obj := r.empty()
	if err := r.Get(ctx, req.NamespacedName, obj); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !obj.GetDeletionTimestamp().IsZero() {
		if controllerutil.RemoveFinalizer(obj, finalizer) {
			return ctrl.Result{}, r.Update(ctx, obj)
		}
		return ctrl.Result{}, nil
	}
	if controllerutil.AddFinalizer(obj, finalizer) {
		if err := r.Update(ctx, obj); err != nil {
			return ctrl.Result{}, fmt.Errorf("set the finalizer: %w", err)
		}
	}
	before := obj.DeepCopyObject()
	failed := r.sync(ctx, obj)
	condition := metav1.Condition{
		Type: v1alpha1.ReadyCondition, Status: metav1.ConditionTrue, Reason: "Synced", Message: "In sync", ObservedGeneration: obj.GetGeneration(),
	}
	if failed != nil {
		condition.Status, condition.Reason, condition.Message = metav1.ConditionFalse, "Failed", failed.Error()
	}
	meta.SetStatusCondition(&obj.Sync().Conditions, condition)
	if !equality.Semantic.DeepEqual(before, runtime.Object(obj)) {
		if err := r.Status().Update(ctx, obj); err != nil {
			return ctrl.Result{}, fmt.Errorf("update the status: %w", err)
		}
	}
	return ctrl.Result{RequeueAfter: r.resync}, failed
}
