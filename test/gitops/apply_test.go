package gitops

import (
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/polling"
	"github.com/fluxcd/cli-utils/pkg/kstatus/polling/clusterreader"
	"github.com/fluxcd/cli-utils/pkg/kstatus/polling/engine"
	"github.com/fluxcd/pkg/ssa"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/test/harness"
)

// patience is how long anything that is to happen may take.
const patience = 2 * time.Minute

// newManager returns what kustomize-controller applies, waits and prunes with.
func newManager(e *harness.Env) *ssa.ResourceManager {
	poller := polling.NewStatusPoller(e.Client(), e.Client().RESTMapper(), polling.Options{
		ClusterReaderFactory: engine.ClusterReaderFactoryFunc(clusterreader.NewDirectClusterReader),
	})
	return ssa.NewResourceManager(e.Client(), poller, ssa.Owner{Field: "kustomize-controller", Group: "kustomize.toolkit.fluxcd.io"})
}

// apply applies objects as kustomize-controller does, and returns what became of
// each.
func apply(e *harness.Env, m *ssa.ResourceManager, objects []*unstructured.Unstructured) *ssa.ChangeSet {
	e.T.Helper()
	m.SetOwnerLabels(objects, "access", e.Namespace)
	changes, err := m.ApplyAllStaged(e.T.Context(), objects, ssa.DefaultApplyOptions())
	if err != nil {
		e.T.Fatalf("apply: %v", err)
	}
	return changes
}

// waitFor waits for health as kustomize-controller does with spec.wait.
func waitFor(m *ssa.ResourceManager, objects []*unstructured.Unstructured, timeout time.Duration) error {
	return m.Wait(objects, ssa.WaitOptions{Interval: 100 * time.Millisecond, Timeout: timeout, FailFast: true})
}

// prune deletes objects, and waits for their end, as kustomize-controller does.
func prune(e *harness.Env, m *ssa.ResourceManager, objects ...*unstructured.Unstructured) {
	e.T.Helper()
	if _, err := m.DeleteAll(e.T.Context(), objects, ssa.DefaultDeleteOptions()); err != nil {
		e.T.Fatalf("prune: %v", err)
	}
	if err := m.WaitForTermination(objects, ssa.WaitOptions{Interval: 100 * time.Millisecond, Timeout: patience}); err != nil {
		e.Fatalf("wait for the end of what is pruned: %v", err)
	}
}

// TestApply: what is applied counts as ready when the operator says so and no
// sooner, stays as it was applied, and is gone from the console when pruned.
func TestApply(t *testing.T) {
	e := harness.Stopped(t, harness.Options{Unconnected: true})
	objects, m := e.Samples(e.Namespace), newManager(e)
	apply(e, m, objects)
	// The operator does not run yet: nothing is ready for want of a status.
	for _, obj := range objects {
		want(t, e.Live(obj), progressing, "The operator has not looked at it yet.")
	}
	if err := waitFor(m, objects, time.Second); err == nil || !strings.HasPrefix(err.Error(), "timeout waiting for") {
		t.Errorf("without the operator: %v; want a time-out", err)
	}
	e.Operator.Start(t)
	t.Cleanup(e.Operator.Stop)
	if err := waitFor(m, objects, patience); err != nil {
		t.Fatalf("with the operator: %v", err)
	}
	for _, obj := range allTyped(objects) {
		if e.Refresh(obj); harness.Ready(obj).Status != metav1.ConditionTrue {
			t.Errorf("%T %s counts as ready, but is not", obj, obj.GetName())
		}
	}
	for _, change := range apply(e, m, objects).Entries {
		if change.Action != ssa.UnchangedAction {
			t.Errorf("applied again, %s is %s", change.Subject, change.Action)
		}
	}

	growth, platform := named(t, objects, "Team", "growth"), named(t, objects, "Team", "platform")
	prune(e, m, growth, platform)
	if teams := e.Sim.TeamsNamed("Growth"); len(teams) > 0 {
		t.Errorf("the team was pruned, and is in the console: %+v", teams)
	}
	e.TeamNamed("platform") // whose deletionPolicy is Orphan
}

// TestApplyOfAFailure: what cannot become Ready fails at once, not at the
// time-out, and tells why.
func TestApplyOfAFailure(t *testing.T) {
	e := harness.Shared(t, harness.Options{Unconnected: true})
	objects, m := e.Samples(e.Namespace), newManager(e)
	protected := named(t, objects, "UserRole", "alan").DeepCopy()
	protected.SetName("ada")
	set(t, protected, "ada@example.com", "spec", "email")
	set(t, protected, "Read Only", "spec", "role")
	objects = append(objects, protected)
	apply(e, m, objects)
	err := waitFor(m, objects, patience)
	if want := "failed early due to stalled resources: [UserRole/" + e.Namespace + "/ada status: 'Failed']"; err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
	e.WaitMessage(typed(protected), v1alpha1.ReasonProtectedUser, "protects ada@example.com")
	result, live := compute(t, e.Live(protected)), harness.Ready(refreshed(e, protected))
	if result.Message != live.Message {
		t.Errorf("kstatus says %q, the object %q", result.Message, live.Message)
	}
}

// refreshed reads an object of the operator's types.
func refreshed(e *harness.Env, obj *unstructured.Unstructured) (read v1alpha1.AccessObject) {
	e.T.Helper()
	read = typed(obj).(v1alpha1.AccessObject)
	e.Refresh(read)
	return read
}
