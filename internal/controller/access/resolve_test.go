package access

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/controller/condition"
)

// TestNamespaceReachesTheCacheLater: a Team in a new namespace may reach the cache
// before the namespace. It is not refused for that, and is looked at again.
func TestNamespaceReachesTheCacheLater(t *testing.T) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, corev1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	connection := &v1alpha1.ConsoleConnection{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
	connection.Spec.AllowedNamespaces = v1alpha1.AllowedNamespaces{
		From: v1alpha1.NamespacesFromSelector, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"stage": "live"}},
	}
	b := newDesk(t, nil)
	b.Client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(b.read(t)).WithStatusSubresource(&v1alpha1.Team{}).
		WithIndex(&v1alpha1.Team{}, ClaimIndex, Indices[ClaimIndex]).Build()
	admit := func() (*condition.Verdict, error) {
		s := b.open(t)
		s.Connection = connection
		return s.Admit(t.Context(), TeamRules, func(v1alpha1.AccessObject) (bool, error) { return false, nil })
	}
	v, err := admit()
	if err != nil || v == nil || v.State != condition.Working || v.RetryAfter <= 0 {
		t.Fatalf("before the namespace is there: %+v, %v; want that it is looked at again", v, err)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name.Namespace, Labels: map[string]string{"stage": "live"}}}
	if err := b.Client.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	if v, err := admit(); v != nil || err != nil {
		t.Errorf("when it is there: %+v, %v; want it admitted", v, err)
	}
	namespace.Labels = nil
	if err := b.Client.Update(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	if v, err := admit(); err != nil || v == nil || v.Reason != v1alpha1.ReasonNamespaceNotAllowed {
		t.Errorf("without the label: %+v, %v; want it refused", v, err)
	}
	for initial, want := range map[bool]bool{true: false, false: true} {
		if got := labelsChanged().Create(event.CreateEvent{Object: namespace, IsInInitialList: initial}); got != want {
			t.Errorf("a namespace that comes, with the first listing %v, has its objects looked at: %v", initial, got)
		}
	}
}
