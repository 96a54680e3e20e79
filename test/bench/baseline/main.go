// Command baseline is what the operator is measured against: a reconciler for
// Teams and UserRoles as kubebuilder's book would have it. Each object is read
// from the console, compared, and written if it differs; each is read again at
// every resync and every restart; all calls wait for a token bucket per
// documented limit; a refused call is retried by the work queue's backoff.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
)

// workers is how many objects of a kind are worked on at a time, as under the
// operator.
const workers = 16

func main() {
	c := consoleClient{key: os.Getenv("CONSOLE_API_KEY")}
	flag.StringVar(&c.endpoint, "endpoint", "", "The console's `address`.")
	resync := flag.Duration("resync", 10*time.Minute, "The time after which an object is read again.")
	maxBackoff := flag.Duration("max-backoff", 1000*time.Second, "The longest pause after failures in a row.")
	flag.Func("window", "A limit, as `REQUESTS/PER`; repeatable.", func(text string) error {
		w, err := consolesim.ParseWindow(text)
		c.limiters = append(c.limiters, rate.NewLimiter(rate.Limit(float64(w.Requests)/w.Per.Seconds()), w.Requests))
		return err
	})
	flag.Parse()
	ctrl.SetLogger(zap.New())
	if err := run(&c, *resync, *maxBackoff); err != nil {
		fmt.Fprintln(os.Stderr, "baseline:", err)
		os.Exit(1)
	}
}

func run(c *consoleClient, resync, maxBackoff time.Duration) error {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return err
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find the Kubernetes API: %w", err)
	}
	mgr, err := ctrl.NewManager(config, ctrl.Options{Scheme: scheme, Metrics: metricsserver.Options{BindAddress: "0"}})
	if err != nil {
		return fmt.Errorf("make the manager: %w", err)
	}
	options := func() controller.Options {
		return controller.Options{
			MaxConcurrentReconciles: workers,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](5*time.Millisecond, maxBackoff),
		}
	}
	changed := builder.WithPredicates(predicate.GenerationChangedPredicate{})
	users := &reconciler[*v1alpha1.UserRole]{Client: mgr.GetClient(), resync: resync, empty: func() *v1alpha1.UserRole { return &v1alpha1.UserRole{} },
		sync: c.syncUser}
	teams := &reconciler[*v1alpha1.Team]{Client: mgr.GetClient(), resync: resync, empty: func() *v1alpha1.Team { return &v1alpha1.Team{} },
		sync: c.syncTeam}
	err = errors.Join(
		ctrl.NewControllerManagedBy(mgr).For(&v1alpha1.UserRole{}, changed).WithOptions(options()).Complete(users),
		ctrl.NewControllerManagedBy(mgr).For(&v1alpha1.Team{}, changed).WithOptions(options()).Complete(teams),
	)
	if err != nil {
		return fmt.Errorf("set up the controllers: %w", err)
	}
	return mgr.Start(ctrl.SetupSignalHandler())
}
