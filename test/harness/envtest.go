package harness

import (
	"context"
	"errors"
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/console-access/console-access-operator/api/v1alpha1"
)

// existing reports whether tests run in the cluster of the current kubeconfig.
func existing() bool { return os.Getenv("USE_EXISTING_CLUSTER") == "true" }

// assets reports whether there are a kube-apiserver and an etcd to start.
func assets() bool { return os.Getenv("KUBEBUILDER_ASSETS") != "" }

// connectExisting connects to the cluster of the current kubeconfig.
func connectExisting(_, crds string) (*rest.Config, func() error, error) {
	return startEnvtest(crds, true)
}

// startKube starts kube-apiserver and etcd.
func startKube(_, crds string) (*rest.Config, func() error, error) {
	kubeconfig, stop, err := startEnvtest(crds, false)
	if err != nil {
		return nil, nil, err
	}
	mgr, err := namespaceController(kubeconfig)
	if err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	return kubeconfig, func() error {
		cancel()
		return errors.Join(<-ended, stop())
	}, nil
}

func startEnvtest(crds string, existing bool) (*rest.Config, func() error, error) {
	env := &envtest.Environment{
		UseExistingCluster: &existing,
		CRDDirectoryPaths:  []string{crds}, ErrorIfCRDPathMissing: true,
		ControlPlaneStartTimeout: startTimeout, ControlPlaneStopTimeout: startTimeout,
	}
	kubeconfig, err := env.Start()
	if err != nil {
		return nil, nil, errors.Join(err, env.Stop())
	}
	return kubeconfig, env.Stop, nil
}

// namespaceController does what tests need of the namespace controller, which
// is not part of kube-apiserver: it deletes the Teams and UserRoles of each
// namespace that is being deleted. The namespace itself stays.
func namespaceController(kubeconfig *rest.Config) (ctrl.Manager, error) {
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	skip := true
	mgr, err := ctrl.NewManager(kubeconfig, ctrl.Options{
		Scheme: scheme, Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
		Controller: config.Controller{SkipNameValidation: &skip},
	})
	if err != nil {
		return nil, err
	}
	empty := func(ctx context.Context, r ctrl.Request) (ctrl.Result, error) {
		var ns corev1.Namespace
		if err := mgr.GetClient().Get(ctx, r.NamespacedName, &ns); err != nil || ns.DeletionTimestamp.IsZero() {
			return ctrl.Result{}, client.IgnoreNotFound(err)
		}
		for _, kind := range []client.Object{&v1alpha1.Team{}, &v1alpha1.UserRole{}} {
			// A definition may be gone, too.
			if err := mgr.GetClient().DeleteAllOf(ctx, kind, client.InNamespace(ns.Name)); err != nil && !apierrors.IsNotFound(err) {
				return ctrl.Result{}, fmt.Errorf("delete the %T of namespace %s: %w", kind, ns.Name, err)
			}
		}
		return ctrl.Result{}, nil
	}
	return mgr, ctrl.NewControllerManagedBy(mgr).For(&corev1.Namespace{}).Complete(reconcile.Func(empty))
}
