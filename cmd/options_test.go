package main

import (
	"errors"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/console-access/console-access-operator/internal/controller"
)

func TestParseFlags(t *testing.T) {
	defaults := options{
		metricsAddress:          "0",
		metricsSecure:           true,
		metricsCertName:         "tls.crt",
		metricsCertKey:          "tls.key",
		probeAddress:            ":8081",
		pprofAddress:            "0",
		leaseDuration:           15 * time.Second,
		renewDeadline:           10 * time.Second,
		retryPeriod:             2 * time.Second,
		operatorNamespace:       "console-access-system",
		maxConcurrentReconciles: controller.DefaultMaxConcurrentReconciles,
	}
	with := func(change func(*options)) options {
		o := defaults
		change(&o)
		return o
	}
	inPod := map[string]string{"POD_NAMESPACE": "elsewhere", "POD_NAME": "manager-0"}
	clock := map[string]string{"CONSOLE_ACCESS_CLOCK_OFFSET": "-2s"}
	tests := []struct {
		name string
		args []string
		env  map[string]string
		want options
	}{
		{"defaults", nil, nil, defaults},
		{"the pod's namespace and name", nil, inPod, with(func(o *options) { o.operatorNamespace, o.podName = "elsewhere", "manager-0" })},
		{"a quick change of leader", []string{"--leader-elect-lease-duration=1s", "--leader-elect-renew-deadline=700ms", "--leader-elect-retry-period=200ms"}, nil,
			with(func(o *options) {
				o.leaseDuration, o.renewDeadline, o.retryPeriod = time.Second, 700*time.Millisecond, 200*time.Millisecond
			})},
		{"a clock that is off", nil, clock, with(func(o *options) { o.clockOffset = -2 * time.Second })},
		{"the flag beats the pod", []string{"--operator-namespace=here"}, inPod, with(func(o *options) { o.operatorNamespace, o.podName = "here", "manager-0" })},
		{"as deployed", []string{"--metrics-bind-address=:8443", "--leader-elect", "--health-probe-bind-address=:9000"}, nil,
			with(func(o *options) { o.metricsAddress, o.leaderElect, o.probeAddress = ":8443", true, ":9000" })},
		{"metrics in the clear", []string{"--metrics-secure=false", "--enable-http2"}, nil,
			with(func(o *options) { o.metricsSecure, o.enableHTTP2 = false, true })},
		{"own certificate", []string{"--metrics-cert-path=/c", "--metrics-cert-name=a", "--metrics-cert-key=b"}, nil,
			with(func(o *options) { o.metricsCertPath, o.metricsCertName, o.metricsCertKey = "/c", "a", "b" })},
		{"profiles", []string{"--pprof-bind-address=[::1]:6060"}, nil, with(func(o *options) { o.pprofAddress = "[::1]:6060" })},
		{"version", []string{"--version"}, nil, with(func(o *options) { o.version = true })},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseFlags(tt.args, func(name string) string { return tt.env[name] }, t.Output())
			if err != nil {
				t.Fatal(err)
			}
			got.zap = zap.Options{}
			if !reflect.DeepEqual(*got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", *got, tt.want)
			}
		})
	}
}

func TestWrongFlagsAreExplained(t *testing.T) {
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"unknown flag", []string{"--no-such-flag"}, "no-such-flag"},
		{"argument", []string{"start"}, `unexpected argument "start"`},
		{"no namespace", []string{"--operator-namespace="}, "--operator-namespace must name a namespace"},
		{"no workers", []string{"--max-concurrent-reconciles=0"}, "must be at least 1"},
		{"profiles for everybody", []string{"--pprof-bind-address=:6060"}, "must be a loopback address with a port"},
		{"profiles on an address", []string{"--pprof-bind-address=10.0.0.1:6060"}, "must be a loopback address with a port"},
		{"a lease too short", []string{"--leader-elect-lease-duration=10s"}, "longer than the renew deadline, 10s"},
		{"a deadline too short", []string{"--leader-elect-renew-deadline=2s"}, "more than 1.2 times the retry period, 2s"},
		{"no time between tries", []string{"--leader-elect-retry-period=0"}, "more than 1.2 times the retry period, 0s"},
		{"help", []string{"--help"}, "-operator-namespace namespace"},
		{"no duration", nil, "$CONSOLE_ACCESS_CLOCK_OFFSET: time: invalid duration"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var stderr strings.Builder
			getenv := func(name string) string {
				if name == "CONSOLE_ACCESS_CLOCK_OFFSET" && tt.name == "no duration" {
					return "soon"
				}
				return ""
			}
			_, err := parseFlags(tt.args, getenv, &stderr)
			if err == nil {
				t.Fatal("accepted")
			}
			if errors.Is(err, flag.ErrHelp) != (tt.name == "help") {
				t.Errorf("got error %v", err)
			}
			if !strings.Contains(stderr.String(), tt.want) {
				t.Errorf("said %q, want %q in it", &stderr, tt.want)
			}
		})
	}
}

func TestIdentity(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for podName, want := range map[string]string{"manager-0": "manager-0", "": host} {
		o := options{podName: podName}
		if got, err := o.identity(); got != want || err != nil {
			t.Errorf("Pod %q: got %q, %v, want %q", podName, got, err, want)
		}
	}
}

func TestVersion(t *testing.T) {
	defer func(v string) { version = v }(version)
	version = "v1.2.3"
	var out strings.Builder
	printVersion(&out)
	if want := "console-access-operator v1.2.3 (go1."; !strings.HasPrefix(out.String(), want) {
		t.Errorf("got %q, want it to begin with %q", &out, want)
	}
}
