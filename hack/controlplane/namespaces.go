package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage"
	storeerr "k8s.io/apiserver/pkg/storage/errors"
	"k8s.io/apiserver/pkg/util/dryrun"
)

func prepareNamespace(obj runtime.Object) {
	ns := obj.(*corev1.Namespace)
	ns.Spec.Finalizers = []corev1.FinalizerName{corev1.FinalizerKubernetes}
	ns.Status = corev1.NamespaceStatus{Phase: corev1.NamespaceActive}
	labelNamespace(ns)
}

// prepareNamespaceUpdate keeps what only the finalize subresource and the
// server change.
func prepareNamespaceUpdate(obj, old runtime.Object) {
	ns, oldNS := obj.(*corev1.Namespace), old.(*corev1.Namespace)
	ns.Spec.Finalizers = oldNS.Spec.Finalizers
	ns.Status = oldNS.Status
	labelNamespace(ns)
}

func labelNamespace(ns *corev1.Namespace) {
	if ns.Name == "" {
		return
	}
	if ns.Labels == nil {
		ns.Labels = map[string]string{}
	}
	ns.Labels[corev1.LabelMetadataName] = ns.Name
}

// namespaceAttrs returns what label and field selectors match a namespace by.
func namespaceAttrs(obj runtime.Object) (labels.Set, fields.Set, error) {
	ns, ok := obj.(*corev1.Namespace)
	if !ok {
		return nil, nil, fmt.Errorf("%T is no namespace", obj)
	}
	// "name" is what older clients select by.
	set := fields.Set{"status.phase": string(ns.Status.Phase), "name": ns.Name}
	return ns.Labels, generic.AddObjectMetaFieldsSet(set, &ns.ObjectMeta, false), nil
}

// namespaceStore is what of a store is served for namespaces: a collection of
// them cannot be deleted, as in Kubernetes.
type namespaceStore interface {
	rest.Storage
	rest.Scoper
	rest.SingularNameProvider
	rest.Getter
	rest.Lister
	rest.CreaterUpdater
	rest.Watcher
}

// namespaceREST serves namespaces. Deleting one marks it as terminating; it
// goes when its finalizers are gone, see namespaceCleaner.
type namespaceREST struct {
	namespaceStore
	store *registry.Store
}

// ShortNames implements rest.ShortNamesProvider.
func (r *namespaceREST) ShortNames() []string { return namespaces.shortNames }

// newNamespaceREST returns the storage of namespaces and of their finalize subresource.
func newNamespaceREST(store *registry.Store) (*namespaceREST, *finalizeREST) {
	store.ShouldDeleteDuringUpdate = func(ctx context.Context, key string, obj, existing runtime.Object) bool {
		return len(obj.(*corev1.Namespace).Spec.Finalizers) == 0 && registry.ShouldDeleteDuringUpdate(ctx, key, obj, existing)
	}
	finalizeStore := *store
	finalize := store.UpdateStrategy.(strategy)
	finalize.prepareUpdate = func(obj, old runtime.Object) { obj.(*corev1.Namespace).Status = old.(*corev1.Namespace).Status }
	finalizeStore.UpdateStrategy = finalize
	return &namespaceREST{store, store}, &finalizeREST{&finalizeStore}
}

// Delete implements rest.GracefulDeleter.
func (r *namespaceREST) Delete(ctx context.Context, name string, validate rest.ValidateObjectFunc, options *metav1.DeleteOptions) (runtime.Object, bool, error) {
	obj, err := r.store.Get(ctx, name, &metav1.GetOptions{})
	if err != nil {
		return nil, false, err
	}
	ns := obj.(*corev1.Namespace)
	if options == nil {
		options = metav1.NewDeleteOptions(0)
	}
	if options.Preconditions == nil {
		options.Preconditions = &metav1.Preconditions{}
	}
	if options.Preconditions.UID == nil {
		options.Preconditions.UID = &ns.UID
	}
	switch {
	case ns.DeletionTimestamp.IsZero():
		ns, err = r.terminate(ctx, name, validate, options)
		return ns, false, err
	case len(ns.Spec.Finalizers) > 0:
		return ns, false, nil
	}
	return r.store.Delete(ctx, name, validate, options)
}

func (r *namespaceREST) terminate(ctx context.Context, name string, validate rest.ValidateObjectFunc, options *metav1.DeleteOptions) (*corev1.Namespace, error) {
	key, err := r.store.KeyFunc(ctx, name)
	if err != nil {
		return nil, err
	}
	out := &corev1.Namespace{}
	preconditions := &storage.Preconditions{UID: options.Preconditions.UID, ResourceVersion: options.Preconditions.ResourceVersion}
	err = r.store.Storage.GuaranteedUpdate(ctx, key, out, false, preconditions, storage.SimpleUpdate(func(existing runtime.Object) (runtime.Object, error) {
		if validate != nil {
			if err := validate(ctx, existing); err != nil {
				return nil, err
			}
		}
		ns := existing.(*corev1.Namespace)
		if ns.DeletionTimestamp.IsZero() {
			now := metav1.NewTime(time.Now())
			ns.DeletionTimestamp = &now
		}
		ns.Status.Phase = corev1.NamespaceTerminating
		return ns, nil
	}), dryrun.IsDryRun(options.DryRun), nil)
	if err != nil {
		err = storeerr.InterpretGetError(err, namespaces.name, name)
		return nil, storeerr.InterpretUpdateError(err, namespaces.name, name)
	}
	return out, nil
}

// finalizeREST serves namespaces/finalize, which changes spec.finalizers.
type finalizeREST struct {
	store *registry.Store
}

// New implements rest.Storage.
func (r *finalizeREST) New() runtime.Object { return r.store.New() }

// Destroy implements rest.Storage; the store is destroyed with the resource's.
func (r *finalizeREST) Destroy() {}

// Update implements rest.Updater.
func (r *finalizeREST) Update(
	ctx context.Context, name string, info rest.UpdatedObjectInfo, validateCreate rest.ValidateObjectFunc,
	validateUpdate rest.ValidateObjectUpdateFunc, _ bool, options *metav1.UpdateOptions,
) (runtime.Object, bool, error) {
	return r.store.Update(ctx, name, info, validateCreate, validateUpdate, false, options)
}
