package connection

import (
	"context"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"k8s.io/apimachinery/pkg/types"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
)

// A cache that lags shows the connection as it was. It is not made Ready a
// second time because of that, nor is a check made twice that was asked for.
func TestLaggingCache(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		if err := b.sim.SetBehavior(func(s *consolesim.Behavior) { s.Latency = 500 * time.Millisecond }); err != nil {
			t.Fatal(err)
		}
		current := b.Client.(client.WithWatch)
		var seen *v1alpha1.ConsoleConnection
		b.Client = interceptor.NewClient(current, interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, options ...client.GetOption) error {
			shown, ok := obj.(*v1alpha1.ConsoleConnection)
			if !ok || seen == nil {
				return c.Get(ctx, key, obj, options...)
			}
			seen.DeepCopyInto(shown)
			return nil
		}})
		lag := func(lags bool) {
			seen = nil
			if lags {
				seen = b.get(t)
			}
		}
		ready := func() metav1.Condition {
			t.Helper()
			c := &v1alpha1.ConsoleConnection{}
			if err := current.Get(t.Context(), types.NamespacedName{Name: "default"}, c); err != nil {
				t.Fatal(err)
			}
			return *meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ReadyCondition)
		}
		once := func() ctrl.Result {
			t.Helper()
			result, err := b.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Name: "default"}})
			if err != nil {
				t.Fatal(err)
			}
			return result
		}
		once()
		if c := ready(); c.Status != metav1.ConditionFalse {
			t.Fatalf("while it is read: %+v", c)
		}
		time.Sleep(time.Second)
		lag(true)
		once()
		was := ready()
		if was.Status != metav1.ConditionTrue {
			t.Fatalf("once it was read: %+v", was)
		}
		time.Sleep(3 * time.Second)
		if result := once(); result.RequeueAfter <= 0 || result.RequeueAfter > time.Second {
			t.Errorf("looked at again after %v, want as soon as the cache may have caught up", result.RequeueAfter)
		}
		if got := ready(); !got.LastTransitionTime.Equal(&was.LastTransitionTime) {
			t.Errorf("Ready since %v, want since %v", got.LastTransitionTime, was.LastTransitionTime)
		}
		lag(false)
		b.edit(t, func(c *v1alpha1.ConsoleConnection) {
			c.Annotations = map[string]string{v1alpha1.ReconcileRequestedAtAnnotation: "now"}
		})
		before := b.sim.Count(consolesim.ListUsers)
		lag(true)
		for range 10 {
			once()
			time.Sleep(time.Second)
		}
		lag(false)
		once()
		if n := b.sim.Count(consolesim.ListUsers) - before; n != 1 {
			t.Errorf("%d listings for one request, want 1", n)
		}
		if handled := b.get(t).Status.LastHandledReconcileAt; handled != "now" {
			t.Errorf("handled %q", handled)
		}
	})
}
