// Package chart proves what the Helm chart installs, with Helm's own code: that
// every value does what it says, that the objects are those of config/default,
// are what the Kubernetes API takes, and survive the life of a release. It is a
// module of its own, so that nothing else depends on Helm.
package chart

import (
	"path/filepath"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/strvals"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

const (
	root      = "../.."
	namespace = "console-access-system"
	release   = "console-access"
	// oldestKubernetes is what Chart.yaml asks for.
	oldestKubernetes = "v1.29.0"
)

var directory = filepath.Join(root, "charts", "console-access-operator")

// image is what no installation can do without.
var image = []string{"image.repository=controller,image.tag=latest"}

var (
	// shared are the options that there are with kustomize, too.
	shared = append([]string{"networkPolicy.enabled=true,serviceMonitor.enabled=true,prometheusRule.enabled=true,dashboard.enabled=true"}, image...)
	// options are all objects that the chart can make.
	options = append([]string{"podDisruptionBudget.enabled=true"}, shared...)
)

// set makes values of lines as for helm --set.
func set(t *testing.T, lines ...string) map[string]any {
	t.Helper()
	values := map[string]any{}
	for _, line := range lines {
		if err := strvals.ParseInto(line, values); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	return values
}

// template renders the chart as helm template does.
func template(t *testing.T, name string, values map[string]any) (string, error) {
	t.Helper()
	chart, err := loader.Load(directory)
	if err != nil {
		t.Fatal(err)
	}
	install := action.NewInstall(&action.Configuration{Log: func(string, ...any) {}})
	install.ReleaseName, install.Namespace = name, namespace
	install.DryRun, install.ClientOnly, install.IncludeCRDs = true, true, true
	if install.KubeVersion, err = chartutil.ParseKubeVersion(oldestKubernetes); err != nil {
		t.Fatal(err)
	}
	made, err := install.Run(chart, values)
	if err != nil {
		return "", err
	}
	return made.Manifest, nil
}

// render returns the objects that the chart makes of values.
func render(t *testing.T, values map[string]any) []*unstructured.Unstructured {
	t.Helper()
	manifest, err := template(t, release, values)
	if err != nil {
		t.Fatal(err)
	}
	return objects(t, manifest)
}

func objects(t *testing.T, manifest string) []*unstructured.Unstructured {
	t.Helper()
	var all []*unstructured.Unstructured
	for _, document := range documents(manifest) {
		object := &unstructured.Unstructured{}
		if err := yaml.UnmarshalStrict([]byte(document), &object.Object); err != nil {
			t.Fatalf("%v\n%s", err, document)
		}
		all = append(all, object)
	}
	return all
}

// documents are those of a manifest that hold something.
func documents(manifest string) []string {
	var all []string
	for document := range strings.SplitSeq("\n"+manifest, "\n---\n") {
		for line := range strings.Lines(document) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				all = append(all, document)
				break
			}
		}
	}
	return all
}

// find returns the one object of a kind and name.
func find(t *testing.T, all []*unstructured.Unstructured, kind, name string) *unstructured.Unstructured {
	t.Helper()
	for _, object := range all {
		if object.GetKind() == kind && object.GetName() == name {
			return object
		}
	}
	t.Fatalf("there is no %s %s", kind, name)
	return nil
}

// kinds knows all kinds of the chart.
func kinds(t *testing.T) *runtime.Scheme {
	t.Helper()
	known := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, apiextensionsv1.AddToScheme, monitoringv1.AddToScheme} {
		if err := add(known); err != nil {
			t.Fatal(err)
		}
	}
	return known
}

// decode makes an object one of its Go type; a field that this does not have
// fails the test.
func decode(t *testing.T, object *unstructured.Unstructured) runtime.Object {
	t.Helper()
	text, err := object.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	typed, _, err := serializer.NewCodecFactory(kinds(t), serializer.EnableStrict).UniversalDeserializer().Decode(text, nil, nil)
	if err != nil {
		t.Fatalf("%s %s: %v", object.GetKind(), object.GetName(), err)
	}
	return typed
}
