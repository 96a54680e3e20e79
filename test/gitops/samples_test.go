package gitops

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
)

// set sets a field of an object.
func set(t testing.TB, obj *unstructured.Unstructured, value any, fields ...string) {
	t.Helper()
	if err := unstructured.SetNestedField(obj.Object, value, fields...); err != nil {
		t.Fatal(err)
	}
}

// typed returns an object of the operator's types that has the same name, to be
// read.
func typed(obj *unstructured.Unstructured) client.Object {
	about := metav1.ObjectMeta{Namespace: obj.GetNamespace(), Name: obj.GetName()}
	switch obj.GetKind() {
	case "ConsoleConnection":
		return &v1alpha1.ConsoleConnection{ObjectMeta: about}
	case "Team":
		return &v1alpha1.Team{ObjectMeta: about}
	}
	return &v1alpha1.UserRole{ObjectMeta: about}
}

// allTyped is typed for each.
func allTyped(objects []*unstructured.Unstructured) []client.Object {
	all := make([]client.Object, len(objects))
	for i, obj := range objects {
		all[i] = typed(obj)
	}
	return all
}

// named returns the object of a kind and name.
func named(t *testing.T, objects []*unstructured.Unstructured, kind, name string) *unstructured.Unstructured {
	t.Helper()
	for _, obj := range objects {
		if obj.GetKind() == kind && obj.GetName() == name {
			return obj
		}
	}
	t.Fatalf("there is no %s %s among the samples", kind, name)
	return nil
}
