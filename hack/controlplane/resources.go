package main

import (
	"fmt"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/names"
)

// resource describes a built-in resource kept in etcd.
type resource struct {
	name       schema.GroupResource
	shortNames []string
	newFunc    func() runtime.Object
	newList    func() runtime.Object
	strategy   strategy
	attrs      storage.AttrFunc
	ttl        uint64 // seconds; 0: kept for good
}

var (
	namespaces = resource{
		name: corev1.Resource("namespaces"), shortNames: []string{"ns"},
		newFunc:  func() runtime.Object { return &corev1.Namespace{} },
		newList:  func() runtime.Object { return &corev1.NamespaceList{} },
		attrs:    namespaceAttrs,
		strategy: strategy{validateName: validation.ValidateNamespaceName, prepare: prepareNamespace, prepareUpdate: prepareNamespaceUpdate},
	}
	secrets = resource{
		name:    corev1.Resource("secrets"),
		newFunc: func() runtime.Object { return &corev1.Secret{} },
		newList: func() runtime.Object { return &corev1.SecretList{} },
		attrs:   secretAttrs,
		strategy: strategy{
			namespaced: true, prepare: prepareSecret, prepareUpdate: func(obj, _ runtime.Object) { prepareSecret(obj) },
			validate: validateSecret, validateUpdate: validateSecretUpdate,
		},
	}
	configMaps = resource{
		name: corev1.Resource("configmaps"), shortNames: []string{"cm"},
		newFunc:  func() runtime.Object { return &corev1.ConfigMap{} },
		newList:  func() runtime.Object { return &corev1.ConfigMapList{} },
		strategy: strategy{namespaced: true, validate: validateConfigMap, validateUpdate: validateConfigMapUpdate},
	}
	events = resource{
		name: corev1.Resource("events"), shortNames: []string{"ev"},
		newFunc:  func() runtime.Object { return &corev1.Event{} },
		newList:  func() runtime.Object { return &corev1.EventList{} },
		attrs:    eventAttrs,
		strategy: strategy{namespaced: true, createOnUpdate: true, validate: validateEvent},
		ttl:      uint64(eventTTL.Seconds()),
	}
	leases = resource{
		name:     coordinationv1.Resource("leases"),
		newFunc:  func() runtime.Object { return &coordinationv1.Lease{} },
		newList:  func() runtime.Object { return &coordinationv1.LeaseList{} },
		strategy: strategy{namespaced: true, createOnUpdate: true, validate: validateLease},
	}
)

// resourceREST is the storage of a resource without subresources.
type resourceREST struct {
	*registry.Store
	shortNames []string
}

// ShortNames implements rest.ShortNamesProvider.
func (r resourceREST) ShortNames() []string { return r.shortNames }

func (r resource) store(getter generic.RESTOptionsGetter) (*registry.Store, error) {
	s := r.strategy
	s.ObjectTyper, s.NameGenerator = scheme, names.SimpleNameGenerator
	if s.validateName == nil {
		s.validateName = validation.NameIsDNSSubdomain
	}
	store := &registry.Store{
		NewFunc:                   r.newFunc,
		NewListFunc:               r.newList,
		DefaultQualifiedResource:  r.name,
		SingularQualifiedResource: schema.GroupResource{Group: r.name.Group, Resource: strings.TrimSuffix(r.name.Resource, "s")},
		CreateStrategy:            s,
		UpdateStrategy:            s,
		DeleteStrategy:            s,
		TableConvertor:            tables[r.name.Resource],
	}
	if r.ttl > 0 {
		store.TTLFunc = func(runtime.Object, uint64, bool) (uint64, error) { return r.ttl, nil }
	}
	if err := store.CompleteWithOptions(&generic.StoreOptions{RESTOptions: getter, AttrFunc: r.attrs}); err != nil {
		return nil, fmt.Errorf("set up the storage of %s: %w", r.name, err)
	}
	return store, nil
}

// installResources adds the built-in resources to the server.
func installResources(server *genericapiserver.GenericAPIServer, getter generic.RESTOptionsGetter, tokens authenticator.Token) error {
	core := map[string]rest.Storage{}
	for _, r := range []resource{secrets, configMaps, events} {
		store, err := r.store(getter)
		if err != nil {
			return err
		}
		core[r.name.Resource] = resourceREST{store, r.shortNames}
	}
	namespaceStore, err := namespaces.store(getter)
	if err != nil {
		return err
	}
	core["namespaces"], core["namespaces/finalize"] = newNamespaceREST(namespaceStore)
	leaseStore, err := leases.store(getter)
	if err != nil {
		return err
	}

	legacy := apiGroup(corev1.SchemeGroupVersion, core)
	if err := server.InstallLegacyAPIGroup(genericapiserver.DefaultLegacyAPIPrefix, legacy); err != nil {
		return fmt.Errorf("install the core API: %w", err)
	}
	groups := []*genericapiserver.APIGroupInfo{
		apiGroup(coordinationv1.SchemeGroupVersion, map[string]rest.Storage{"leases": resourceREST{leaseStore, nil}}),
		apiGroup(eventsv1.SchemeGroupVersion, map[string]rest.Storage{"events": core["events"]}),
		apiGroup(authenticationv1.SchemeGroupVersion, map[string]rest.Storage{"tokenreviews": newTokenReviews(tokens)}),
		apiGroup(authorizationv1.SchemeGroupVersion, map[string]rest.Storage{
			"subjectaccessreviews":     newSubjectAccessReviews(),
			"selfsubjectaccessreviews": newSelfSubjectAccessReviews(),
		}),
	}
	if err := server.InstallAPIGroups(groups...); err != nil {
		return fmt.Errorf("install the API groups: %w", err)
	}
	return nil
}

func apiGroup(gv schema.GroupVersion, storage map[string]rest.Storage) *genericapiserver.APIGroupInfo {
	info := genericapiserver.NewDefaultAPIGroupInfo(gv.Group, scheme, parameterCodec, codecs)
	info.VersionedResourcesStorageMap[gv.Version] = storage
	return &info
}
