package main

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	noopoteltrace "go.opentelemetry.io/otel/trace/noop"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensionsserver "k8s.io/apiextensions-apiserver/pkg/apiserver"
	crdoptions "k8s.io/apiextensions-apiserver/pkg/cmd/server/options"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/request/bearertoken"
	"k8s.io/apiserver/pkg/authentication/token/tokenfile"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	"k8s.io/apiserver/pkg/endpoints/discovery/aggregated"
	openapinamer "k8s.io/apiserver/pkg/endpoints/openapi"
	"k8s.io/apiserver/pkg/registry/generic"
	genericapiserver "k8s.io/apiserver/pkg/server"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/apiserver/pkg/util/compatibility"
	"k8s.io/apiserver/pkg/util/openapi"
	"k8s.io/apiserver/pkg/util/webhook"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
)

// drainTimeout bounds how long a stopping server waits for open watches.
const drainTimeout = 200 * time.Millisecond

// newAPIServer assembles the server: the one of custom resource definitions,
// with the built-in resources installed into it.
func newAPIServer(serving *genericapiserver.SecureServingInfo, loopback *rest.Config, endpoint, token string) (*genericapiserver.GenericAPIServer, error) {
	client, err := kubernetes.NewForConfig(loopback)
	if err != nil {
		return nil, fmt.Errorf("make the loopback client: %w", err)
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	nsLifecycle, err := namespaceAdmission(client, factory)
	if err != nil {
		return nil, err
	}
	tokens := tokenfile.New(map[string]*user.DefaultInfo{token: adminUser})

	config := genericapiserver.NewRecommendedConfig(apiextensionsserver.Codecs)
	config.SecureServing = serving
	config.LoopbackClientConfig = loopback
	config.ExternalAddress = serving.Listener.Addr().String()
	config.Authentication.Authenticator = bearertoken.New(authenticator.WrapAudienceAgnosticToken(nil, tokens))
	config.Authorization.Authorizer = authorizerfactory.NewPrivilegedGroups(user.SystemPrivilegedGroup)
	config.AdmissionControl = admission.NewChainHandler(nsLifecycle)
	config.SharedInformerFactory = factory
	config.EffectiveVersion = kubernetesVersion{compatibility.DefaultBuildEffectiveVersion()}
	config.MergedResourceConfig = apiextensionsserver.DefaultAPIResourceConfigSource()
	config.EnableProfiling = false
	config.ShutdownWatchTerminationGracePeriod = drainTimeout
	namer := openapinamer.NewDefinitionNamer(apiextensionsserver.Scheme, clientscheme.Scheme)
	getDefinitions := openapi.GetOpenAPIDefinitionsWithoutDisabledFeatures(openAPIDefinitions)
	config.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(getDefinitions, namer)
	config.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(getDefinitions, namer)
	crdCodec := apiextensionsserver.Codecs.LegacyCodec(apiextensionsv1.SchemeGroupVersion)
	crdEtcd := etcdOptions(endpoint, crdCodec, config)
	config.RESTOptionsGetter = restOptions(crdEtcd)

	crdServer, err := (&apiextensionsserver.Config{
		GenericConfig: config,
		ExtraConfig: apiextensionsserver.ExtraConfig{
			CRDRESTOptionsGetter: crdoptions.NewCRDRESTOptionsGetter(*crdEtcd, nil, config.StorageObjectCountTracker),
			MasterCount:          1,
			ServiceResolver:      noServices{},
			AuthResolverWrapper:  webhook.NewDefaultAuthenticationInfoResolverWrapper(nil, nil, loopback, noopoteltrace.NewTracerProvider()),
		},
	}).Complete().New(genericapiserver.NewEmptyDelegate())
	if err != nil {
		return nil, fmt.Errorf("make the server of custom resource definitions: %w", err)
	}
	server := crdServer.GenericAPIServer
	server.ShutdownTimeout = drainTimeout
	coreCodec := codecs.LegacyCodec(corev1.SchemeGroupVersion, coordinationv1.SchemeGroupVersion)
	if err := installResources(server, restOptions(etcdOptions(endpoint, coreCodec, config)), tokens); err != nil {
		return nil, err
	}
	// The CRD server leaves the root of discovery to the server in front of it.
	discovery := aggregated.WrapAggregatedDiscoveryToHandler(server.DiscoveryGroupManager, server.AggregatedDiscoveryGroupManager, nil)
	server.Handler.GoRestfulContainer.Add(discovery.GenerateWebService(genericapiserver.APIGroupPrefix, metav1.APIGroupList{}))

	metadataClient, err := metadata.NewForConfig(loopback)
	if err != nil {
		return nil, fmt.Errorf("make the loopback client: %w", err)
	}
	cleaner := &namespaceCleaner{client: client, metadata: metadataClient, namespaces: factory.Core().V1().Namespaces()}
	err = server.AddPostStartHook("clean-namespaces", func(hook genericapiserver.PostStartHookContext) error {
		go func() {
			if err := cleaner.run(hook); err != nil {
				panic(err)
			}
		}()
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("add the namespace cleaner: %w", err)
	}
	return server, nil
}

// namespaceAdmission refuses new objects in namespaces that do not exist or
// are being deleted.
func namespaceAdmission(client kubernetes.Interface, factory informers.SharedInformerFactory) (*lifecycle.Lifecycle, error) {
	plugin, err := lifecycle.NewLifecycle(sets.New(metav1.NamespaceDefault, metav1.NamespaceSystem))
	if err != nil {
		return nil, fmt.Errorf("make the namespace admission: %w", err)
	}
	plugin.SetExternalKubeClientSet(client)
	plugin.SetExternalKubeInformerFactory(factory)
	return plugin, nil
}

func etcdOptions(endpoint string, codec runtime.Codec, config *genericapiserver.RecommendedConfig) *genericoptions.EtcdOptions {
	options := genericoptions.NewEtcdOptions(storagebackend.NewDefaultConfig("/registry", codec))
	options.StorageConfig.Transport.ServerList = []string{endpoint}
	options.StorageConfig.StorageObjectCountTracker = config.StorageObjectCountTracker
	options.WatchCacheSizes = []string{"events#0"} // as in Kubernetes: they are written more than read
	return options
}

func restOptions(options *genericoptions.EtcdOptions) generic.RESTOptionsGetter {
	return options.CreateRESTOptionsGetter(&genericoptions.SimpleStorageFactory{StorageConfig: options.StorageConfig}, nil)
}

// noServices is the resolver of a cluster without Services.
type noServices struct{}

// ResolveEndpoint implements webhook.ServiceResolver.
func (noServices) ResolveEndpoint(namespace, name string, _ int32) (*url.URL, error) {
	return nil, fmt.Errorf("conversion webhook service %s/%s: %w", namespace, name,
		errors.New("this server has no Services, name the webhook by its URL"))
}
