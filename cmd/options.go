package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

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

// podNamespaceVariable holds the Pod's namespace, by the downward API.
const podNamespaceVariable = "POD_NAMESPACE"

// options is the command line.
type options struct {
	metricsAddress  string
	metricsSecure   bool
	metricsCertPath string
	metricsCertName string
	metricsCertKey  string
	enableHTTP2     bool

	probeAddress            string
	leaderElect             bool
	operatorNamespace       string
	maxConcurrentReconciles int
	version                 bool
	zap                     zap.Options
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
	fs.BoolVar(&o.leaderElect, "leader-elect", false,
		"Work only while holding the Lease "+leaderElectionID+" in the operator's namespace.")
	fs.StringVar(&o.operatorNamespace, "operator-namespace", cmp.Or(getenv(podNamespaceVariable), defaultOperatorNamespace),
		"The `namespace` of the Secrets with API keys, of the record of the quota and of the Lease. Default: $"+
			podNamespaceVariable+", else "+defaultOperatorNamespace+".")
	fs.IntVar(&o.maxConcurrentReconciles, "max-concurrent-reconciles", controller.DefaultMaxConcurrentReconciles,
		"How many objects of one kind are worked on at a time. The rate of calls does not depend on it.")
	fs.BoolVar(&o.version, "version", false, "Print the version and exit.")
	config.RegisterFlags(fs)
	o.zap.BindFlags(fs)
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if err := o.validate(fs.Args()); err != nil {
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
	case o.maxConcurrentReconciles < 1:
		return fmt.Errorf("--max-concurrent-reconciles is %d, and must be at least 1", o.maxConcurrentReconciles)
	}
	return nil
}
