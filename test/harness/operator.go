package harness

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/console/statsig"
	"github.com/console-access/console-access-operator/internal/controller"
	"github.com/console-access/console-access-operator/internal/controller/connection"
	"github.com/console-access/console-access-operator/internal/metrics"
)

// operatorLabel names, on each object, the operator it is for.
const operatorLabel = "test.console-access.dev/operator"

// stopTimeout bounds the graceful stop of a manager.
const stopTimeout = 20 * time.Second

// An Operator is a manager in this process, as cmd makes it, with its own
// namespace. It is stopped and started like a Pod that is replaced: what it
// has only in memory is lost.
type Operator struct {
	// Namespace is where its Secrets and the records of its quotas are.
	Namespace string
	// Log is what it has logged, over all its starts.
	Log *Log
	// Metrics are its own, over all its starts.
	Metrics *prometheus.Registry

	cluster *cluster
	// kubernetes may fail the operator's requests to the API server.
	kubernetes func(*http.Request) error
	// manager changes the options of the manager.
	manager func(namespace string, options *ctrl.Options)
	// verbose has it log all that it can.
	verbose bool
	counts  *metrics.Metrics
	starts  int
	cancel  context.CancelFunc
	ended   chan error
}

func newOperator(c *cluster) (*Operator, error) {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "operator-"}}
	if err := c.client.Create(context.Background(), ns); err != nil {
		return nil, fmt.Errorf("create the operator's namespace: %w", err)
	}
	registry := prometheus.NewRegistry()
	return &Operator{Namespace: ns.Name, Log: &Log{}, Metrics: registry, counts: metrics.New(registry), cluster: c}, nil
}

// Running reports whether the operator runs.
func (o *Operator) Running() bool { return o.cancel != nil }

// Start starts the operator and waits until its caches are synced.
func (o *Operator) Start(t testing.TB) {
	t.Helper()
	if err := o.start(); err != nil {
		t.Fatalf("start the operator: %v", err)
	}
}

func (o *Operator) start() error {
	if o.Running() {
		return errors.New("it runs already")
	}
	mgr, err := o.newManager()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	o.starts++
	err = controller.Setup(ctx, mgr, controller.Options{
		OperatorNamespace: o.Namespace,
		Identity:          fmt.Sprintf("%s-%d", o.Namespace, o.starts),
		Metrics:           o.counts,
		Dial:              dial(o.counts),
	})
	if err != nil {
		cancel()
		return err
	}
	o.cancel, o.ended = cancel, make(chan error, 1)
	ended := o.ended
	go func() { ended <- mgr.Start(ctx) }()
	synced, done := context.WithTimeout(ctx, startTimeout)
	defer done()
	if !mgr.GetCache().WaitForCacheSync(synced) {
		return errors.Join(errors.New("its caches did not sync"), o.stop())
	}
	return nil
}

// Values returns those of one of the operator's counters or gauges by a label.
func (o *Operator) Values(t testing.TB, name, label string) map[string]float64 {
	t.Helper()
	families, err := o.Metrics.Gather()
	if err != nil {
		t.Fatalf("gather the metrics: %v", err)
	}
	out := map[string]float64{}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == label {
					out[l.GetValue()] += m.GetCounter().GetValue() + m.GetGauge().GetValue()
				}
			}
		}
	}
	return out
}

// Stop stops the operator and waits for its end.
func (o *Operator) Stop() {
	if err := o.stop(); err != nil {
		panic(fmt.Sprintf("the operator did not stop well: %v", err))
	}
}

func (o *Operator) stop() error {
	if !o.Running() {
		return nil
	}
	o.cancel()
	o.cancel = nil
	select {
	case err := <-o.ended:
		return err
	case <-time.After(stopTimeout):
		return fmt.Errorf("it still ran %v after it was told to stop", stopTimeout)
	}
}

func (o *Operator) newManager() (ctrl.Manager, error) {
	skip := true
	ours := cache.ByObject{Label: labels.SelectorFromSet(labels.Set{operatorLabel: o.Namespace})}
	graceful := stopTimeout / 2
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	kubeconfig := rest.CopyConfig(o.cluster.config)
	kubeconfig.UserAgent = "console-access-operator/test"
	if o.kubernetes != nil {
		kubeconfig.Wrap(func(next http.RoundTripper) http.RoundTripper { return failing{o.kubernetes, next} })
	}
	controller.CapRequests(kubeconfig)
	options := ctrl.Options{
		Scheme:                  scheme,
		Logger:                  newLogger(o.Log, o.verbose),
		Metrics:                 metricsserver.Options{BindAddress: "0"},
		HealthProbeBindAddress:  "0",
		GracefulShutdownTimeout: &graceful,
		Controller:              config.Controller{SkipNameValidation: &skip},
		Cache: cache.Options{
			DefaultTransform: cache.TransformStripManagedFields(),
			ByObject: map[client.Object]cache.ByObject{
				&corev1.Secret{}:              connection.CacheSecrets(o.Namespace),
				&v1alpha1.ConsoleConnection{}: ours,
				&v1alpha1.Team{}:              ours,
				&v1alpha1.UserRole{}:          ours,
			},
		},
	}
	if o.manager != nil {
		o.manager(o.Namespace, &options)
	}
	return ctrl.NewManager(kubeconfig, options)
}

// failing is a way to the API server on which requests can be lost.
type failing struct {
	fail func(*http.Request) error
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (f failing) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := f.fail(r); err != nil {
		return nil, err
	}
	return f.next.RoundTrip(r)
}

// dial makes the client for a console as cmd does.
func dial(counts *metrics.Metrics) connection.Dial {
	return func(target connection.Target) (console.API, error) {
		return statsig.New(statsig.Config{
			Endpoint: target.Endpoint, APIKey: target.APIKey, CABundle: target.CABundle,
			Limiter: target.Limiter, Version: "test", Observer: counts.Called,
		})
	}
}
