package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
)

// fieldManager is in whose name the demo applies objects.
const fieldManager = "console-access-demo"

// A cluster is the Kubernetes API, as a user of it.
type cluster struct{ client client.Client }

func connect(kubeconfig string) (*cluster, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig: %w", err)
	}
	config.QPS = -1 // the server is ours
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("register the kinds: %w", err)
		}
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("make a Kubernetes client: %w", err)
	}
	return &cluster{c}, nil
}

// createNamespace makes a namespace, as an installation has it before the samples
// are applied.
func (c *cluster) createNamespace(ctx context.Context, name string) error {
	err := c.client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create the namespace %s: %w", name, err)
	}
	return nil
}

// unused returns an error when the server that a kubeconfig names answers: then
// another demo uses the file. One that nobody serves any more is of no account.
func unused(ctx context.Context, kubeconfig string) error {
	if _, err := os.Stat(kubeconfig); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	config, err := clientcmd.LoadFromFile(kubeconfig)
	if err != nil {
		return fmt.Errorf("%s is in the way: %w. Remove it", kubeconfig, err)
	}
	for _, server := range config.Clusters {
		address, err := url.Parse(server.Server)
		if err != nil {
			continue
		}
		connection, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", address.Host)
		if err == nil {
			_ = connection.Close()
			return fmt.Errorf("another demo is running: the server of %s answers. Stop that one first", kubeconfig)
		}
	}
	return nil
}

// apply applies objects by server-side apply, in order.
func (c *cluster) apply(ctx context.Context, objects ...*unstructured.Unstructured) error {
	for _, object := range objects {
		applied, err := applicable(object)
		if err != nil {
			return err
		}
		err = c.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(applied), client.FieldOwner(fieldManager), client.ForceOwnership)
		if err != nil {
			return fmt.Errorf("apply %s: %w", nameOf(object), err)
		}
	}
	return nil
}

// newObject returns an empty object of the kind of a manifest, or nil when that
// is not one of the operator's kinds.
func newObject(manifest *unstructured.Unstructured) client.Object {
	switch manifest.GetKind() {
	case "ConsoleConnection":
		return &v1alpha1.ConsoleConnection{}
	case "Team":
		return &v1alpha1.Team{}
	case "UserRole":
		return &v1alpha1.UserRole{}
	}
	return nil
}

// get reads the object of a manifest.
func (c *cluster) get(ctx context.Context, manifest *unstructured.Unstructured) (client.Object, error) {
	object := newObject(manifest)
	key := client.ObjectKeyFromObject(manifest)
	if key.Namespace == "" && manifest.GetKind() != "ConsoleConnection" {
		key.Namespace = metav1.NamespaceDefault
	}
	if err := c.client.Get(ctx, key, object); err != nil {
		return nil, fmt.Errorf("read %s: %w", nameOf(manifest), err)
	}
	return object, nil
}

// readiness returns the Ready condition of an object as far as it speaks of the
// object as it is now, and an empty one otherwise.
func readiness(object client.Object) metav1.Condition {
	var status *v1alpha1.SyncStatus
	switch o := object.(type) {
	case *v1alpha1.ConsoleConnection:
		status = &o.Status.SyncStatus
	case v1alpha1.AccessObject:
		status = o.Sync()
	default:
		return metav1.Condition{}
	}
	ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ReadyCondition)
	if ready == nil || ready.ObservedGeneration != object.GetGeneration() {
		return metav1.Condition{}
	}
	return *ready
}

// requestCheck asks for a comparison with the console now, rather than when the
// drift interval has passed.
func (c *cluster) requestCheck(ctx context.Context, manifest *unstructured.Unstructured) error {
	object, err := c.get(ctx, manifest)
	if err != nil {
		return err
	}
	before := object.DeepCopyObject().(client.Object)
	annotations := object.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[v1alpha1.ReconcileRequestedAtAnnotation] = time.Now().Format(time.RFC3339Nano)
	object.SetAnnotations(annotations)
	if err := c.client.Patch(ctx, object, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("annotate %s: %w", nameOf(manifest), err)
	}
	return nil
}

// events returns what the operator told of an object for a reason.
func (c *cluster) events(ctx context.Context, about client.Object, reason string) ([]corev1.Event, error) {
	list := &corev1.EventList{}
	if err := c.client.List(ctx, list, client.InNamespace(about.GetNamespace())); err != nil {
		return nil, fmt.Errorf("list events: %w", err)
	}
	var out []corev1.Event
	for _, event := range list.Items {
		if event.InvolvedObject.UID == about.GetUID() && event.Reason == reason {
			out = append(out, event)
		}
	}
	return out, nil
}

// delete deletes the object of a manifest; that it is gone already is success.
func (c *cluster) delete(ctx context.Context, manifest *unstructured.Unstructured) error {
	object, err := c.get(ctx, manifest)
	if err == nil {
		err = c.client.Delete(ctx, object)
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete %s: %w", nameOf(manifest), err)
	}
	return nil
}
