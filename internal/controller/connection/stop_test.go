package connection

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
)

// TestStoppingProcessSaysNothing: whenever a process is stopped while it reads,
// what its end makes of the reading is written into no status, and the next one
// finds the connection Ready.
func TestStoppingProcessSaysNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		if err := b.sim.SetBehavior(func(s *consolesim.Behavior) { s.Latency = 500 * time.Millisecond }); err != nil {
			t.Fatal(err)
		}
		b.reconcile(t)
		want := *meta.FindStatusCondition(b.get(t).Status.Conditions, v1alpha1.ReadyCondition)
		for after := range 15 {
			stop := time.Duration(after) * 100 * time.Millisecond
			b.Reconciler = b.begin()
			once := func(ctx context.Context) {
				t.Helper()
				if _, err := b.Reconcile(ctx, ctrl.Request{NamespacedName: types.NamespacedName{Name: "default"}}); err != nil && ctx.Err() == nil {
					t.Fatal(err)
				}
			}
			once(t.Context())
			time.Sleep(stop)
			patches := b.patches
			b.Close()
			synctest.Wait()
			ended, end := context.WithCancel(t.Context())
			end()
			for _, ctx := range []context.Context{t.Context(), ended} {
				once(ctx)
				time.Sleep(time.Second)
			}
			if b.patches != patches {
				t.Errorf("stopped after %v, it wrote %d statuses", stop, b.patches-patches)
			}
			if got := *meta.FindStatusCondition(b.get(t).Status.Conditions, v1alpha1.ReadyCondition); got != want {
				t.Errorf("stopped after %v, the connection says %+v", stop, got)
			}
		}
	})
}
