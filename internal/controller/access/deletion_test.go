package access

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/console-access/console-access-operator/api/v1alpha1"
)

// TestDeletions: the guard counts what is to be deleted in the console, and not
// what is let go without any change there.
func TestDeletions(t *testing.T) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, corev1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	connection := &v1alpha1.ConsoleConnection{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
	connection.Spec.AllowedNamespaces = v1alpha1.AllowedNamespaces{
		From: v1alpha1.NamespacesFromSelector, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"console": "yes"}},
	}
	builder := fake.NewClientBuilder().WithScheme(scheme).WithIndex(&v1alpha1.Team{}, ConnectionIndex, Indices[ConnectionIndex])
	for namespace, label := range map[string]string{"a": "yes", "b": "no"} {
		builder = builder.WithObjects(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace, Labels: map[string]string{"console": label}}})
	}
	deleted := func(namespace, name string, change func(*v1alpha1.Team)) {
		team := has(aged(namespace, name, 1), "")
		now := metav1.Now()
		team.DeletionTimestamp, team.Finalizers = &now, []string{v1alpha1.Finalizer}
		if change != nil {
			change(team)
		}
		builder = builder.WithObjects(team)
	}
	deleted("a", "goes", nil)
	deleted("a", "orphaned", func(t *v1alpha1.Team) { t.Spec.DeletionPolicy = v1alpha1.TeamOrphan })
	deleted("b", "not-admitted", nil)
	deleted("c", "namespace-unknown", nil)
	deleted("a", "handed-over", func(t *v1alpha1.Team) { t.Spec.Name = "parsers" })
	successor := aged("a", "successor", 1)
	successor.Spec.Name, successor.Spec.AdoptionPolicy = "parsers", v1alpha1.AdoptionAdopt
	builder = builder.WithObjects(successor, connection).WithIndex(&v1alpha1.Team{}, ClaimIndex, Indices[ClaimIndex])
	found, err := (&Desk{Client: builder.Build(), Links: &Registry{}}).Deletions(t.Context(), connection)
	var got []string
	for _, d := range found {
		got = append(got, d.Key)
	}
	slices.Sort(got)
	if want := []string{"Team/a/goes", "Team/c/namespace-unknown"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("to be deleted are %v, %v; want %v", got, err, want)
	}
}
