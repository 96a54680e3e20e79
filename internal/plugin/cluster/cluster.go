// Package cluster is the Kubernetes API as the plugin uses it.
package cluster

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
)

// fieldOwner is in whose name the plugin changes objects.
const fieldOwner = "kubectl-console_access"

// Flags are kubectl's own.
type Flags struct {
	Kubeconfig, Context, Namespace string
}

func (f Flags) config() clientcmd.ClientConfig {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = f.Kubeconfig
	overrides := &clientcmd.ConfigOverrides{CurrentContext: f.Context}
	overrides.Context.Namespace = f.Namespace
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides)
}

// A Cluster is an open way to the Kubernetes API.
type Cluster struct {
	client.Client
	// Namespace is that of --namespace or of the kubeconfig's context.
	Namespace string
}

// Connect reads the kubeconfig. Nothing is sent yet.
func (f Flags) Connect() (*Cluster, error) {
	config, err := f.config().ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("find the cluster (by --kubeconfig and --context, $KUBECONFIG or ~/.kube/config): %w", err)
	}
	config.UserAgent = fieldOwner
	config.QPS = -1 // the API server has its own priority and fairness
	namespace, _, err := f.config().Namespace()
	if err != nil {
		return nil, fmt.Errorf("find the namespace in the kubeconfig: %w", err)
	}
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
	return &Cluster{Client: client.WithFieldOwner(c, fieldOwner), Namespace: namespace}, nil
}

// Explain says what can be done about a failed call to Kubernetes.
func Explain(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case meta.IsNoMatchError(err):
		return fmt.Errorf("%s: the cluster does not know the operator's kinds: install them with make install, or choose another cluster with --context", doing)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%s: %w: ask for a role that permits it (docs/operations.md lists them)", doing, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// Connection reads a ConsoleConnection.
func (c *Cluster) Connection(ctx context.Context, name string) (*v1alpha1.ConsoleConnection, error) {
	connection := &v1alpha1.ConsoleConnection{}
	err := c.Get(ctx, types.NamespacedName{Name: name}, connection)
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("there is no ConsoleConnection %q in the cluster: see kubectl get consoleconnections for those that there are", name)
	}
	return connection, Explain(fmt.Sprintf("read ConsoleConnection %q", name), err)
}

// Objects lists the Teams and UserRoles of a namespace, or of all for "".
func (c *Cluster) Objects(ctx context.Context, namespace string) (teams []v1alpha1.Team, roles []v1alpha1.UserRole, err error) {
	teamList, roleList := &v1alpha1.TeamList{}, &v1alpha1.UserRoleList{}
	if err := c.List(ctx, teamList, client.InNamespace(namespace)); err != nil {
		return nil, nil, Explain("list Teams", err)
	}
	if err := c.List(ctx, roleList, client.InNamespace(namespace)); err != nil {
		return nil, nil, Explain("list UserRoles", err)
	}
	return teamList.Items, roleList.Items, nil
}
