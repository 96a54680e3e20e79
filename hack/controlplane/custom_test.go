package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

var widgets = schema.GroupVersionResource{Group: "controlplane.test", Version: "v1", Resource: "widgets"}

func newDynamic(t *testing.T, config *rest.Config) dynamic.Interface {
	t.Helper()
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func widget(name string, spec map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "controlplane.test/v1", "kind": "Widget",
		"metadata": map[string]any{"name": name},
		"spec":     spec,
	}}
}

func TestCustomResource(t *testing.T) {
	config := sharedServer(t)
	client := newDynamic(t, config).Resource(widgets).Namespace(newNamespace(t, newClient(t, config)))
	created, err := client.Create(t.Context(), widget("a", map[string]any{"owner": "ann"}), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if size, _, _ := unstructured.NestedInt64(created.Object, "spec", "size"); size != 3 {
		t.Errorf("size %d, want the default 3", size)
	}
	_, err = client.Patch(t.Context(), "a", types.MergePatchType, []byte(`{"spec":{"owner":"bob"}}`), metav1.PatchOptions{})
	if err == nil || !strings.Contains(err.Error(), "owner is immutable") {
		t.Errorf("changing the owner gave %v, want the message of the transition rule", err)
	}
	patch := []byte(`{"spec":{"size":9},"status":{"phase":"Done"}}`)
	updated, err := client.Patch(t.Context(), "a", types.MergePatchType, patch, metav1.PatchOptions{}, "status")
	if err != nil {
		t.Fatal(err)
	}
	size, _, _ := unstructured.NestedInt64(updated.Object, "spec", "size")
	phase, _, _ := unstructured.NestedString(updated.Object, "status", "phase")
	if size != 3 || phase != "Done" || updated.GetGeneration() != 1 {
		t.Errorf("size %d, phase %q, generation %d after a patch of the status; want 3, Done, 1", size, phase, updated.GetGeneration())
	}
}

func TestServerSideApplyOfCustomResource(t *testing.T) {
	config := sharedServer(t)
	client := newDynamic(t, config).Resource(widgets).Namespace(newNamespace(t, newClient(t, config)))
	apply := func(manager string, spec map[string]any) (*unstructured.Unstructured, error) {
		return client.Apply(t.Context(), "a", widget("a", spec), metav1.ApplyOptions{FieldManager: manager})
	}
	if _, err := apply("one", map[string]any{"size": int64(1), "labels": []any{"x"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := apply("two", map[string]any{"size": int64(2)}); !apierrors.IsConflict(err) {
		t.Errorf("applying a field of another manager gave %v, want a conflict", err)
	}
	merged, err := apply("two", map[string]any{"labels": []any{"y"}})
	if err != nil {
		t.Fatal(err)
	}
	if labels, _, _ := unstructured.NestedStringSlice(merged.Object, "spec", "labels"); len(labels) != 2 {
		t.Errorf("labels %v, want those of both managers", labels)
	}
}

func TestNamespaceDeletion(t *testing.T) {
	config := sharedServer(t)
	core := newClient(t, config)
	ns := newNamespace(t, core)
	client := newDynamic(t, config).Resource(widgets).Namespace(ns)
	held := widget("held", map[string]any{})
	held.SetFinalizers([]string{"controlplane.test/hold"})
	for _, object := range []*unstructured.Unstructured{held, widget("free", map[string]any{})} {
		if _, err := client.Create(t.Context(), object, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	settings := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "settings"}}
	if _, err := core.CoreV1().ConfigMaps(ns).Create(t.Context(), settings, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	namespaceWatch, err := core.CoreV1().Namespaces().Watch(t.Context(), watchOf(ns))
	if err != nil {
		t.Fatal(err)
	}
	defer namespaceWatch.Stop()
	settingsWatch, err := core.CoreV1().ConfigMaps(ns).Watch(t.Context(), watchOf(settings.Name))
	if err != nil {
		t.Fatal(err)
	}
	defer settingsWatch.Stop()

	if err := core.CoreV1().Namespaces().Delete(t.Context(), ns, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitDeleted(t, settingsWatch)
	_, err = core.CoreV1().ConfigMaps(ns).Create(t.Context(), settings, metav1.CreateOptions{})
	if !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		t.Errorf("creating an object in a terminating namespace gave %v, want it refused", err)
	}
	terminating, err := core.CoreV1().Namespaces().Get(t.Context(), ns, metav1.GetOptions{})
	if err != nil || terminating.Status.Phase != corev1.NamespaceTerminating {
		t.Fatalf("namespace in phase %q, error %v, while an object has a finalizer; want Terminating", terminating.Status.Phase, err)
	}
	if _, err := client.Patch(t.Context(), "held", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitDeleted(t, namespaceWatch)
	left, err := newDynamic(t, config).Resource(widgets).Namespace(ns).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(left.Items) != 0 {
		t.Errorf("%d objects left, error %v; want none", len(left.Items), err)
	}
}

// watchOf selects one object, for as long as a deletion may take at most.
func watchOf(name string) metav1.ListOptions {
	seconds := int64(30)
	return metav1.ListOptions{FieldSelector: "metadata.name=" + name, TimeoutSeconds: &seconds}
}

// awaitDeleted returns at the first deletion the watch reports.
func awaitDeleted(t *testing.T, w watch.Interface) {
	t.Helper()
	for event := range w.ResultChan() {
		switch event.Type {
		case watch.Deleted:
			return
		case watch.Error:
			t.Fatalf("watch: %v", apierrors.FromObject(event.Object))
		}
	}
	t.Fatal("the watch ended before the object was deleted")
}

// recentDelay is how long k8s.io/apiextensions-apiserver holds up the creation
// of objects whose definition was established a moment ago.
const recentDelay = 2 * time.Second

func TestDefinitionDeletion(t *testing.T) {
	config := sharedServer(t)
	const name = "gadgets.controlplane.test"
	crds, err := readCRDs(filepath.Join("testdata", "crds"))
	if err != nil {
		t.Fatal(err)
	}
	crds = slices.DeleteFunc(crds, func(crd *apiextensionsv1.CustomResourceDefinition) bool { return crd.Name != name })
	if err := installCRDs(t.Context(), config, crds); err != nil {
		t.Fatal(err)
	}
	gadgets := newDynamic(t, config).Resource(widgets.GroupVersion().WithResource("gadgets"))
	gadget := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "controlplane.test/v1", "kind": "Gadget", "metadata": map[string]any{"name": "g"},
	}}
	asked := time.Now()
	if _, err := gadgets.Create(t.Context(), gadget, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(asked); took >= recentDelay {
		t.Errorf("the first object of a definition took %v to create, want no delay", took)
	}
	extensions, err := clientset.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	definitions := extensions.ApiextensionsV1().CustomResourceDefinitions()
	w, err := definitions.Watch(t.Context(), watchOf(name))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	if err := definitions.Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitDeleted(t, w)
	if _, err := gadgets.Get(t.Context(), "g", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("reading an object of a deleted definition gave %v, want it not found", err)
	}
}
