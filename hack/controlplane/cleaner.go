package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	coreinformers "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// cleanInterval is how often a namespace is looked at whose content is not gone yet.
const cleanInterval = 100 * time.Millisecond

// namespaceCleaner does what the namespace controller of Kubernetes does: it
// deletes all content of a terminating namespace, and lets the namespace go
// when nothing is left, which finalizers of the content may delay.
type namespaceCleaner struct {
	client     kubernetes.Interface
	metadata   metadata.Interface
	namespaces coreinformers.NamespaceInformer
}

// run returns when ctx is done.
func (c *namespaceCleaner) run(ctx context.Context) error {
	wake := make(chan struct{}, 1)
	notify := func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
	_, err := c.namespaces.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { notify() },
		UpdateFunc: func(any, any) { notify() },
	})
	if err != nil {
		return fmt.Errorf("watch namespaces: %w", err)
	}
	var retry <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-wake:
		case <-retry:
		}
		retry = nil
		pending, err := c.clean(ctx)
		if err != nil && ctx.Err() == nil {
			klog.ErrorS(err, "Cleaning terminating namespaces; it is tried again")
		}
		if pending || err != nil {
			retry = time.After(cleanInterval)
		}
	}
}

// clean makes one pass over the terminating namespaces and says whether any
// has content left.
func (c *namespaceCleaner) clean(ctx context.Context) (pending bool, err error) {
	all, err := c.namespaces.Lister().List(labels.Everything())
	if err != nil {
		return false, fmt.Errorf("list namespaces: %w", err)
	}
	var errs []error
	for _, ns := range all {
		if ns.DeletionTimestamp.IsZero() {
			continue
		}
		empty, err := c.empty(ctx, ns.Name)
		if err == nil && empty {
			err = c.finalize(ctx, ns)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("namespace %s: %w", ns.Name, err))
		}
		pending = pending || !empty
	}
	return pending, errors.Join(errs...)
}

// empty deletes the content of a namespace and says whether it is gone.
func (c *namespaceCleaner) empty(ctx context.Context, namespace string) (bool, error) {
	lists, err := discovery.ServerPreferredNamespacedResources(c.client.Discovery())
	if err != nil {
		return false, fmt.Errorf("discover resources: %w", err)
	}
	deletable := discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list", "deletecollection"}}, lists)
	resources, err := discovery.GroupVersionResources(deletable)
	if err != nil {
		return false, fmt.Errorf("discover resources: %w", err)
	}
	empty := true
	for gvr := range resources {
		left, err := c.deleteAll(ctx, gvr, namespace)
		if err != nil {
			return false, fmt.Errorf("delete %s: %w", gvr.GroupResource(), err)
		}
		empty = empty && left == 0
	}
	return empty, nil
}

// deleteAll deletes the objects of one resource and returns how many are left.
func (c *namespaceCleaner) deleteAll(ctx context.Context, gvr schema.GroupVersionResource, namespace string) (int, error) {
	client := c.metadata.Resource(gvr).Namespace(namespace)
	list, err := client.List(ctx, metav1.ListOptions{})
	if err != nil {
		return 0, ignoreGoneResource(err)
	}
	if len(list.Items) == 0 {
		return 0, nil
	}
	background := metav1.DeletePropagationBackground
	err = client.DeleteCollection(ctx, metav1.DeleteOptions{PropagationPolicy: &background}, metav1.ListOptions{})
	if err != nil {
		return len(list.Items), ignoreGoneResource(err)
	}
	list, err = client.List(ctx, metav1.ListOptions{})
	if err != nil {
		return 0, ignoreGoneResource(err)
	}
	return len(list.Items), nil
}

// ignoreGoneResource drops the error of a resource whose definition was
// deleted meanwhile.
func ignoreGoneResource(err error) error {
	if apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) {
		return nil
	}
	return err
}

func (c *namespaceCleaner) finalize(ctx context.Context, ns *corev1.Namespace) error {
	ns = ns.DeepCopy()
	ns.Spec.Finalizers = nil
	_, err := c.client.CoreV1().Namespaces().Finalize(ctx, ns, metav1.UpdateOptions{})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("finalize: %w", err)
	}
	return nil
}
