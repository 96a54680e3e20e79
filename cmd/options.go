package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"k8s.io/client-go/tools/leaderelection"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/console-access/console-access-operator/internal/controller"
)

// version is set at link time; see buildVersion.
var version string

// buildVersion is the version set at link time, else the module's, else "dev".
func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "(devel)" {
		return cmp.Or(info.Main.Version, "dev")
	}
	return "dev"
}

func goVersion() string { return runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH }

// defaultOperatorNamespace is where the operator lives when nobody says so.
const defaultOperatorNamespace = "console-access-system"

// The Pod's namespace and name, by the downward API.
const (
	podNamespaceVariable = "POD_NAMESPACE"
	podNameVariable      = "POD_NAME"
)

// clockOffsetVariable is for tests only: a duration, such as -2s, by which this
// process's wall clock is to be off wherever it is compared with that of
// another replica.
const clockOffsetVariable = "CONSOLE_ACCESS_CLOCK_OFFSET"

// options is the command line.
type options struct {
	metricsAddress  string
	metricsSecure   bool
	metricsCertPath string
	metricsCertName string
	metricsCertKey  string
	enableHTTP2     bool

	probeAddress            string
	pprofAddress            string
	leaderElect             bool
	leaseDuration           time.Duration
	renewDeadline           time.Duration
	retryPeriod             time.Duration
	operatorNamespace       string
	maxConcurrentReconciles int
	version                 bool
	zap                     zap.Options

	podName     string
	clockOffset time.Duration
}

// parseFlags reads the command line. What is wrong with it is written to
// stderr.
func parseFlags(args []string, getenv func(string) string, stderr io.Writer) (*options, error) {
	o := &options{}
	fs := flag.NewFlagSet("manager", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.metricsAddress, "metrics-bind-address", "0", "The `address` to serve metrics on, such as :8443; 0 serves none.")
	fs.BoolVar(&o.metricsSecure, "metrics-secure", true,
		"Serve metrics over https, and only to callers that the Kubernetes API lets get /metrics.")
	fs.StringVar(&o.metricsCertPath, "metrics-cert-path", "",
		"The `directory` with the metrics server's certificate; without it, one is made at start.")
	fs.StringVar(&o.metricsCertName, "metrics-cert-name", "tls.crt", "The `file` name of the metrics server's certificate.")
	fs.StringVar(&o.metricsCertKey, "metrics-cert-key", "tls.key", "The `file` name of the metrics server's key.")
	fs.BoolVar(&o.enableHTTP2, "enable-http2", false, "Let the metrics server speak HTTP/2.")
	fs.StringVar(&o.probeAddress, "health-probe-bind-address", ":8081", "The `address` to answer /healthz and /readyz on; 0 for none.")
	fs.StringVar(&o.pprofAddress, "pprof-bind-address", "0",
		"The `address` to serve profiles on, such as 127.0.0.1:6060; 0 serves none. Anybody who reaches it may read them, "+
			"and a heap holds the API key: never more than a loopback address.")
	fs.BoolVar(&o.leaderElect, "leader-elect", false,
		"Work only while holding the Lease "+leaderElectionID+" in the operator's namespace.")
	fs.DurationVar(&o.leaseDuration, "leader-elect-lease-duration", 15*time.Second,
		"How long after the last sign of life of the leader another replica takes over.")
	fs.DurationVar(&o.renewDeadline, "leader-elect-renew-deadline", 10*time.Second,
		"How long the leader goes on, and then exits, when it cannot renew the Lease. Less than the lease duration.")
	fs.DurationVar(&o.retryPeriod, "leader-elect-retry-period", 2*time.Second,
		"How often the leader renews the Lease and others look at it. Clearly less than the renew deadline.")
	fs.StringVar(&o.operatorNamespace, "operator-namespace", cmp.Or(getenv(podNamespaceVariable), defaultOperatorNamespace),
		"The `namespace` of the Secrets with API keys, of the record of the quota and of the Lease. Default: $"+
			podNamespaceVariable+", else "+defaultOperatorNamespace+".")
	fs.IntVar(&o.maxConcurrentReconciles, "max-concurrent-reconciles", controller.DefaultMaxConcurrentReconciles,
		"How many objects of one kind are worked on at a time, those whose call to a console is under way included. "+
			"With fewer, consoles that are slow or hang leave fewer for the others.")
	fs.BoolVar(&o.version, "version", false, "Print the version and exit.")
	config.RegisterFlags(fs)
	o.zap.BindFlags(fs)
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	o.podName = getenv(podNameVariable)
	if err := errors.Join(o.validate(fs.Args()), o.readClockOffset(getenv)); err != nil {
		fmt.Fprintf(stderr, "manager: %v; see --help\n", err)
		return nil, err
	}
	return o, nil
}

func (o *options) validate(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case o.operatorNamespace == "":
		return errors.New("--operator-namespace must name a namespace")
	case !loopback(o.pprofAddress):
		return fmt.Errorf("--pprof-bind-address is %q, and must be a loopback address with a port, or 0", o.pprofAddress)
	case o.maxConcurrentReconciles < 1:
		return fmt.Errorf("--max-concurrent-reconciles is %d, and must be at least 1", o.maxConcurrentReconciles)
	case o.leaseDuration < time.Second || o.leaseDuration <= o.renewDeadline:
		return fmt.Errorf("--leader-elect-lease-duration is %v, and must be at least 1s and longer than the renew deadline, %v",
			o.leaseDuration, o.renewDeadline)
	case o.retryPeriod <= 0 || float64(o.renewDeadline) <= leaderelection.JitterFactor*float64(o.retryPeriod):
		return fmt.Errorf("--leader-elect-renew-deadline is %v, and must be more than %v times the retry period, %v",
			o.renewDeadline, leaderelection.JitterFactor, o.retryPeriod)
	}
	return nil
}

// loopback reports whether an address to serve on is reached from this host, or
// from inside this Pod, only; or is none.
func loopback(address string) bool {
	if address == "" || address == "0" {
		return true
	}
	host, _, err := net.SplitHostPort(address)
	ip, parsed := netip.ParseAddr(host)
	return err == nil && (host == "localhost" || parsed == nil && ip.IsLoopback())
}

func (o *options) readClockOffset(getenv func(string) string) (err error) {
	text := getenv(clockOffsetVariable)
	if text == "" {
		return nil
	}
	if o.clockOffset, err = time.ParseDuration(text); err != nil {
		return fmt.Errorf("$%s: %w", clockOffsetVariable, err)
	}
	return nil
}

// identity names this process among the replicas: by the Pod's name, which is
// as a rule that of its host.
func (o *options) identity() (string, error) {
	if o.podName != "" {
		return o.podName, nil
	}
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("name this process by its host (or set $%s): %w", podNameVariable, err)
	}
	return host, nil
}

// clock is the wall clock.
func (o *options) clock() time.Time { return time.Now().Add(o.clockOffset) }
