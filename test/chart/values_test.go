package chart

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

const (
	deployment = "Deployment controller-manager"
	pod        = "spec.template.spec."
	manager    = pod + "containers.0."
)

// effects are values, each with the object that shows it, where, and what is
// there then; nothing: it is not there any more.
var effects = []struct {
	value      string
	object, at string
	want       any
	besides    string
}{
	{value: "image.repository=r.example.com/o", object: deployment, at: manager + "image", want: "r.example.com/o:latest"},
	{value: "image.tag=20261125", object: deployment, at: manager + "image", want: "controller:20261125"},
	{value: "image.tag=v9", object: deployment, at: manager + "image", want: "controller:v9"},
	{
		value: "image.digest=sha256:" + sixtyFour, object: deployment, at: manager + "image",
		want: "controller@sha256:" + sixtyFour,
	},
	{value: "image.pullPolicy=Always", object: deployment, at: manager + "imagePullPolicy", want: "Always"},
	{value: "imagePullSecrets[0].name=pull", object: deployment, at: pod + "imagePullSecrets.0.name", want: "pull"},
	{value: "fullnameOverride=other", object: "Deployment other-controller-manager", at: "spec.replicas", want: float64(1)},
	{value: "commonLabels.team=access", object: "ClusterRole manager-role", at: "metadata.labels.team", want: "access"},
	{value: "replicas=2", object: deployment, at: "spec.replicas", want: float64(2)},
	{value: "leaderElection.enabled=false", object: "Role leader-election-role"},
	{value: "leaderElection.leaseDuration=30s", object: deployment, at: manager + "args.2", want: "--leader-elect-lease-duration=30s"},
	{value: "leaderElection.renewDeadline=9s", object: deployment, at: manager + "args.2", want: "--leader-elect-renew-deadline=9s"},
	{value: "leaderElection.retryPeriod=1s", object: deployment, at: manager + "args.2", want: "--leader-elect-retry-period=1s"},
	{value: "maxConcurrentReconciles=4", object: deployment, at: manager + "args.3", want: "--max-concurrent-reconciles=4"},
	{value: "logging.level=debug", object: deployment, at: manager + "args.3", want: "--zap-log-level=debug"},
	{value: "logging.encoder=console", object: deployment, at: manager + "args.3", want: "--zap-encoder=console"},
	{value: "extraArgs={--enable-http2}", object: deployment, at: manager + "args.3", want: "--enable-http2"},
	{value: "extraEnv[0].name=NO_PROXY", object: deployment, at: manager + "env.1.name", want: "NO_PROXY"},
	{value: "resources.limits.memory=1Gi", object: deployment, at: manager + "resources.limits.memory", want: "1Gi"},
	{value: "podAnnotations.a=b", object: deployment, at: "spec.template.metadata.annotations.a", want: "b"},
	{value: "podLabels.a=b", object: deployment, at: "spec.template.metadata.labels.a", want: "b"},
	{value: "priorityClassName=high", object: deployment, at: pod + "priorityClassName", want: "high"},
	{value: "nodeSelector.a=b", object: deployment, at: pod + "nodeSelector.a", want: "b"},
	{value: "tolerations[0].key=a", object: deployment, at: pod + "tolerations.0.key", want: "a"},
	{value: "affinity.nodeAffinity.a=b", object: deployment, at: pod + "affinity.nodeAffinity.a", want: "b"},
	{
		value: "topologySpreadConstraints[0].topologyKey=zone", object: deployment,
		at: pod + "topologySpreadConstraints.0.topologyKey", want: "zone",
	},
	{value: "podDisruptionBudget.enabled=true", object: "PodDisruptionBudget controller-manager", at: "spec.maxUnavailable", want: float64(1)},
	{
		value: "podDisruptionBudget.maxUnavailable=50%", besides: "podDisruptionBudget.enabled=true",
		object: "PodDisruptionBudget controller-manager", at: "spec.maxUnavailable", want: "50%",
	},
	{value: "serviceAccount.create=false", object: "ServiceAccount controller-manager"},
	{value: "serviceAccount.name=own", object: "ClusterRoleBinding manager-rolebinding", at: "subjects.0.name", want: "own"},
	{value: "serviceAccount.annotations.a=b", object: "ServiceAccount controller-manager", at: "metadata.annotations.a", want: "b"},
	{value: "rbac.create=false", object: "ClusterRole manager-role"},
	{value: "rbac.accessRoles.create=false", object: "ClusterRole team-viewer-role"},
	{
		value: "rbac.accessRoles.aggregate=false", object: "ClusterRole team-viewer-role",
		at: "metadata.labels.rbac\\.authorization\\.k8s\\.io/aggregate-to-view",
	},
	{value: "crds.enabled=false", object: "CustomResourceDefinition teams.console-access.dev"},
	{
		value: "crds.keep=false", object: "CustomResourceDefinition teams.console-access.dev",
		at: "metadata.annotations.helm\\.sh/resource-policy",
	},
	{value: "metrics.enabled=false", object: "Service controller-manager-metrics-service"},
	{value: "metrics.certificateSecretName=tls", object: deployment, at: manager + "args.1", want: "--metrics-cert-path=/certificate"},
	{
		value: "metrics.service.annotations.a=b", object: "Service controller-manager-metrics-service",
		at: "metadata.annotations.a", want: "b",
	},
	{
		value: "serviceMonitor.enabled=true", object: "ServiceMonitor controller-manager-metrics-monitor",
		at: "spec.endpoints.0.tlsConfig.insecureSkipVerify", want: true,
	},
	{
		value: "serviceMonitor.labels.a=b", besides: "serviceMonitor.enabled=true",
		object: "ServiceMonitor controller-manager-metrics-monitor", at: "metadata.labels.a", want: "b",
	},
	{
		value: "serviceMonitor.interval=15s", besides: "serviceMonitor.enabled=true",
		object: "ServiceMonitor controller-manager-metrics-monitor", at: "spec.endpoints.0.interval", want: "15s",
	},
	{
		value: "serviceMonitor.scrapeTimeout=5s", besides: "serviceMonitor.enabled=true",
		object: "ServiceMonitor controller-manager-metrics-monitor", at: "spec.endpoints.0.scrapeTimeout", want: "5s",
	},
	{
		value: "serviceMonitor.tlsConfig.serverName=own", besides: "serviceMonitor.enabled=true",
		object: "ServiceMonitor controller-manager-metrics-monitor", at: "spec.endpoints.0.tlsConfig",
		want: map[string]any{"serverName": "own"},
	},
	{
		value: "prometheusRule.enabled=true", object: "PrometheusRule controller-manager-alerts",
		at: "spec.groups.0.name", want: "console-access-operator",
	},
	{
		value: "prometheusRule.labels.a=b", besides: "prometheusRule.enabled=true",
		object: "PrometheusRule controller-manager-alerts", at: "metadata.labels.a", want: "b",
	},
	{value: "dashboard.enabled=true", object: "ConfigMap dashboard", at: "metadata.labels.grafana_dashboard", want: "1"},
	{value: "dashboard.labels.a=b", besides: "dashboard.enabled=true", object: "ConfigMap dashboard", at: "metadata.labels.a", want: "b"},
	{
		value: "dashboard.annotations.a=b", besides: "dashboard.enabled=true",
		object: "ConfigMap dashboard", at: "metadata.annotations.a", want: "b",
	},
	{
		value: "networkPolicy.enabled=true", object: "NetworkPolicy allow-metrics-traffic",
		at: "spec.ingress.0.from.0.namespaceSelector.matchLabels.metrics", want: "enabled",
	},
	{
		value: "networkPolicy.metricsFrom[0].podSelector.matchLabels.a=b", besides: "networkPolicy.enabled=true",
		object: "NetworkPolicy allow-metrics-traffic", at: "spec.ingress.0.from.0.podSelector.matchLabels.a", want: "b",
	},
	{
		value: "networkPolicy.egress[0].ports[0].port=443", besides: "networkPolicy.enabled=true",
		object: "NetworkPolicy allow-metrics-traffic", at: "spec.policyTypes.1", want: "Egress",
	},
	{value: "global.a=b", object: deployment, at: "spec.replicas", want: float64(1)},
}

const sixtyFour = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// look finds an object by kind and name without the release's, and what is at a
// path in it; nil if it is not there.
func look(t *testing.T, values map[string]any, object, path string) any {
	t.Helper()
	kind, name, _ := strings.Cut(object, " ")
	manifest, err := template(t, release, values)
	if err != nil {
		t.Fatal(err)
	}
	for _, document := range documents(manifest) {
		// Reading the CRDs each time takes long.
		if !strings.Contains(document, "\nkind: "+kind+"\n") {
			continue
		}
		made := objects(t, document)[0]
		if strings.TrimPrefix(made.GetName(), release+"-") != name {
			continue
		}
		if path == "" {
			return made.Object
		}
		text, err := made.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		var at any
		if err := json.Unmarshal(text, &at); err != nil {
			t.Fatal(err)
		}
		return follow(at, path)
	}
	return nil
}

// follow goes down a path of names and indices.
func follow(at any, path string) any {
	for step := range strings.SplitSeq(strings.ReplaceAll(path, `\.`, "\x00"), ".") {
		step = strings.ReplaceAll(step, "\x00", ".")
		switch here := at.(type) {
		case map[string]any:
			at = here[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(here) {
				return nil
			}
			at = here[i]
		default:
			return nil
		}
	}
	return at
}

// TestValuesHaveEffect: every value that there is changes what it says.
func TestValuesHaveEffect(t *testing.T) {
	tested := map[string]bool{}
	for _, tt := range effects {
		path, _, _ := strings.Cut(tt.value, "=")
		tested[path] = true
		t.Run(path, func(t *testing.T) {
			base := append([]string{}, image...)
			if tt.besides != "" {
				base = append(base, tt.besides)
			}
			before := look(t, set(t, base...), tt.object, tt.at)
			after := look(t, set(t, append(base, tt.value)...), tt.object, tt.at)
			if !reflect.DeepEqual(after, tt.want) {
				t.Errorf("%s of %s is %v, want %v", tt.at, tt.object, after, tt.want)
			}
			if path != "global.a" && reflect.DeepEqual(before, after) {
				t.Errorf("%s of %s was %v before", tt.at, tt.object, before)
			}
		})
	}
	for _, leaf := range leaves(t) {
		found := tested[leaf]
		for path := range tested {
			found = found || strings.HasPrefix(path, leaf+".") || strings.HasPrefix(path, leaf+"[")
		}
		if !found {
			t.Errorf("no test sets %s", leaf)
		}
	}
}

// leaves are the paths of all values in the schema.
func leaves(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(directory, "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	var all []string
	var walk func(schema map[string]any, path string)
	walk = func(schema map[string]any, path string) {
		properties, ok := schema["properties"].(map[string]any)
		if !ok {
			all = append(all, path)
			return
		}
		if schema["additionalProperties"] != false {
			t.Errorf("%s of the schema admits any property", path)
		}
		for name, property := range properties {
			walk(property.(map[string]any), strings.TrimPrefix(path+"."+name, "."))
		}
	}
	walk(schema, "")
	return all
}

// TestWrongValuesAreRefused: what cannot be meant is refused, in words that say
// what is wrong.
func TestWrongValuesAreRefused(t *testing.T) {
	tests := []struct {
		name   string
		values []string
		want   string
	}{
		{"no image", nil, "image.repository is not set: set it to where make docker-push put the image"},
		{"misspelt", append([]string{"replica=2"}, image...), "additional properties 'replica' not allowed"},
		{"misspelt below", append([]string{"crds.kept=true"}, image...), "additional properties 'kept' not allowed"},
		{"text for a number", append([]string{"replicas=two"}, image...), "at '/replicas': got string, want integer"},
		{"negative", append([]string{"replicas=-1"}, image...), "at '/replicas'"},
		{"text for a switch", append([]string{"crds.keep=perhaps"}, image...), "at '/crds/keep': got string, want boolean"},
		{"no duration", append([]string{"leaderElection.leaseDuration=15"}, image...), "at '/leaderElection/leaseDuration'"},
		{"no digest", append([]string{"image.digest=latest"}, image...), "at '/image/digest'"},
		{"no pull policy", append([]string{"image.pullPolicy=Sometimes"}, image...), "at '/image/pullPolicy'"},
		{"no flag", append([]string{"extraArgs={debug}"}, image...), "at '/extraArgs/0'"},
		{"a budget of nothing", append([]string{"podDisruptionBudget.maxUnavailable=0"}, image...), "at '/podDisruptionBudget/maxUnavailable'"},
		{"too long a name", append([]string{"fullnameOverride=abcdefghijklmnopqrstuvwxyzabc"}, image...), "at '/fullnameOverride'"},
		{
			"several at once", append([]string{"replicas=2,leaderElection.enabled=false"}, image...),
			"replicas is more than 1 and leaderElection.enabled is false",
		},
		{
			"nothing to scrape", append([]string{"serviceMonitor.enabled=true,metrics.enabled=false"}, image...),
			"serviceMonitor.enabled is true and metrics.enabled is false",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := template(t, release, set(t, tt.values...))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestLongReleaseName: Helm lets a release have 53 characters; the longest name
// that is made of it still is one.
func TestLongReleaseName(t *testing.T) {
	manifest, err := template(t, strings.Repeat("abcdefghi-", 5)+"abc", set(t, options...))
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects(t, manifest) {
		for _, problem := range problems(object) {
			t.Errorf("%s %s: %s", object.GetKind(), object.GetName(), problem)
		}
	}
}
