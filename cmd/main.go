// Command manager is the operator: it keeps the teams and roles of product
// consoles as Team and UserRole objects say.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/controller"
	"github.com/console-access/console-access-operator/internal/controller/connection"
	"github.com/console-access/console-access-operator/internal/metrics"
	"github.com/console-access/console-access-operator/internal/metricsauth"
)

// leaderElectionID names the Lease that only one replica holds.
const leaderElectionID = "console-access-operator.console-access.dev"

// gracefulShutdown is how long calls under way may take to end. A Pod's
// terminationGracePeriodSeconds must be longer.
const gracefulShutdown = 50 * time.Second

// syncCheck bounds one look at the caches. A probe gives up after its own
// timeoutSeconds.
const syncCheck = time.Second

func main() {
	o, err := parseFlags(os.Args[1:], os.Getenv, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		os.Exit(2)
	case o.version:
		printVersion(os.Stdout)
		return
	}
	log := zap.New(zap.UseFlagOptions(&o.zap))
	ctrl.SetLogger(log)
	klog.SetLogger(log)
	if err := run(ctrl.SetupSignalHandler(), o); err != nil {
		ctrl.Log.WithName("setup").Error(err, "The manager cannot go on")
		os.Exit(1)
	}
}

func run(ctx context.Context, o *options) error {
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find the Kubernetes API (in a Pod, or by --kubeconfig, $KUBECONFIG or ~/.kube/config): %w", err)
	}
	config.UserAgent = "console-access-operator/" + buildVersion()

	options := o.managerOptions()
	// What renews the Lease waits for nothing else.
	options.LeaderElectionConfig = rest.CopyConfig(config)
	controller.CapRequests(config)
	mgr, err := ctrl.NewManager(config, options)
	if err != nil {
		return fmt.Errorf("make the manager: %w", err)
	}
	if err := watchFromTheStart(ctx, mgr.GetCache()); err != nil {
		return err
	}
	identity, err := o.identity()
	if err != nil {
		return err
	}
	counts := metrics.New(ctrlmetrics.Registry)
	err = controller.Setup(ctx, mgr, controller.Options{
		OperatorNamespace:       o.operatorNamespace,
		Identity:                identity,
		Exclusive:               o.leaderElect,
		Clock:                   o.clock,
		MaxConcurrentReconciles: o.maxConcurrentReconciles,
		Metrics:                 counts,
		Dial:                    dial(counts),
	})
	if err != nil {
		return fmt.Errorf("set up the controllers: %w", err)
	}
	if err := mgr.AddHealthzCheck("healthz", healthz.Ping); err != nil {
		return fmt.Errorf("add the liveness check: %w", err)
	}
	if err := mgr.AddReadyzCheck("caches", cachesSynced(mgr.GetCache())); err != nil {
		return fmt.Errorf("add the readiness check: %w", err)
	}
	ctrl.Log.WithName("setup").Info("Starting the manager", "version", buildVersion(), "operatorNamespace", o.operatorNamespace)
	if err := mgr.Start(ctx); err != nil {
		return fmt.Errorf("run the manager: %w", err)
	}
	return nil
}

func (o *options) managerOptions() ctrl.Options {
	shutdown := gracefulShutdown
	return ctrl.Options{
		Scheme:                        newScheme(),
		Metrics:                       o.metricsOptions(),
		HealthProbeBindAddress:        o.probeAddress,
		PprofBindAddress:              o.pprofAddress,
		LeaderElection:                o.leaderElect,
		LeaderElectionID:              leaderElectionID,
		LeaderElectionNamespace:       o.operatorNamespace,
		LeaderElectionReleaseOnCancel: true, // the process ends when Start returns
		LeaseDuration:                 &o.leaseDuration,
		RenewDeadline:                 &o.renewDeadline,
		RetryPeriod:                   &o.retryPeriod,
		GracefulShutdownTimeout:       &shutdown,
		Cache: cache.Options{
			DefaultTransform: cache.TransformStripManagedFields(),
			// The operator may not read Secrets elsewhere, so it must not ask.
			ByObject: map[client.Object]cache.ByObject{
				&corev1.Secret{}: connection.CacheSecrets(o.operatorNamespace),
			},
		},
	}
}

func (o *options) metricsOptions() metricsserver.Options {
	m := metricsserver.Options{
		BindAddress:   o.metricsAddress,
		SecureServing: o.metricsSecure,
		CertDir:       o.metricsCertPath,
		CertName:      o.metricsCertName,
		KeyName:       o.metricsCertKey,
	}
	if o.metricsSecure {
		m.FilterProvider = metricsauth.FilterProvider
	}
	if !o.enableHTTP2 {
		m.TLSOpts = append(m.TLSOpts, func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} })
	}
	return m
}

// newScheme knows only the kinds that the operator reads or writes.
func newScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme} {
		utilruntime.Must(add(scheme))
	}
	return scheme
}

// watchFromTheStart makes the cache hold what the controllers will ask for also
// while another replica leads: this one is then ready to take over at once, and
// readiness says something about it.
func watchFromTheStart(ctx context.Context, c cache.Cache) error {
	kinds := []client.Object{
		&v1alpha1.ConsoleConnection{}, &v1alpha1.Team{}, &v1alpha1.UserRole{}, &corev1.Namespace{}, connection.SecretMetadata(),
	}
	for _, kind := range kinds {
		if _, err := c.GetInformer(ctx, kind); err != nil {
			return fmt.Errorf("watch %T (are the CustomResourceDefinitions installed? make install): %w", kind, err)
		}
	}
	return nil
}

// cachesSynced fails until every cache has been filled.
func cachesSynced(c cache.Cache) healthz.Checker {
	return func(r *http.Request) error {
		ctx, cancel := context.WithTimeout(r.Context(), syncCheck)
		defer cancel()
		if !c.WaitForCacheSync(ctx) {
			return errors.New("the caches are not filled yet: the Kubernetes API is slow, or does not let the operator list something (see its log)")
		}
		return nil
	}
}

func printVersion(w io.Writer) {
	fmt.Fprintf(w, "console-access-operator %s (%s)\n", buildVersion(), goVersion())
}
