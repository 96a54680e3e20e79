package chart

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/action"
	helmchart "helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// The kinds of the chart that the control plane serves, and those that it does
// not, which are only decoded strictly (TestObjectsAreValid).
var (
	served   = []string{"ConfigMap", "CustomResourceDefinition"}
	unserved = []string{
		"ClusterRole", "ClusterRoleBinding", "Deployment", "NetworkPolicy", "PodDisruptionBudget", "PrometheusRule", "Role", "RoleBinding",
		"Service", "ServiceAccount", "ServiceMonitor",
	}
)

var errStillThere = errors.New("it is still there")

func load(t *testing.T) *helmchart.Chart {
	t.Helper()
	chart, err := loader.Load(directory)
	if err != nil {
		t.Fatal(err)
	}
	return chart
}

// former is the chart as an earlier version may have been: Teams lack a field.
func former(t *testing.T) *helmchart.Chart {
	t.Helper()
	chart := load(t)
	for _, template := range chart.Templates {
		if strings.HasSuffix(template.Name, "_teams.yaml") {
			template.Data = []byte(strings.ReplaceAll(string(template.Data), "requireGateTemplates:", "requireTemplates:"))
		}
	}
	return chart
}

// A life is that of a release in a cluster.
type life struct {
	*cluster
	sieve *sieve
}

func (l *life) install(chart *helmchart.Chart, takeOwnership bool, values ...string) error {
	return l.installAs(release, chart, takeOwnership, values...)
}

func (l *life) installAs(name string, chart *helmchart.Chart, takeOwnership bool, values ...string) error {
	install := action.NewInstall(l.helm())
	install.ReleaseName, install.Namespace, install.PostRenderer = name, namespace, l.sieve
	install.TakeOwnership = takeOwnership
	_, err := install.RunWithContext(l.t.Context(), chart, set(l.t, values...))
	return err
}

func (l *life) upgrade(values ...string) {
	l.t.Helper()
	upgrade := action.NewUpgrade(l.helm())
	upgrade.Namespace, upgrade.PostRenderer, upgrade.MaxHistory = namespace, l.sieve, 5
	if _, err := upgrade.RunWithContext(l.t.Context(), release, load(l.t), set(l.t, values...)); err != nil {
		l.t.Fatalf("upgrade: %v", err)
	}
}

func (l *life) uninstall() {
	l.t.Helper()
	if _, err := action.NewUninstall(l.helm()).Run(release); err != nil {
		l.t.Fatalf("uninstall: %v", err)
	}
}

func (l *life) hasDashboard() bool {
	l.t.Helper()
	_, err := l.dynamic.Resource(configMaps).Namespace(namespace).Get(l.t.Context(), release+"-dashboard", metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		l.t.Fatal(err)
	}
	return err == nil
}

// team applies a Team, as soon as Teams are served.
func (l *life) team() *unstructured.Unstructured {
	l.t.Helper()
	team := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "console-access.dev/v1alpha1", "kind": "Team",
		"metadata": map[string]any{"name": "growth", "namespace": namespace},
		"spec":     map[string]any{"description": "Sign-up"},
	}}
	var made *unstructured.Unstructured
	l.eventually("apply a Team", func() (err error) {
		made, err = l.apply(team)
		return err
	})
	return made
}

// TestReleaseInCluster: a release takes over what kustomize installed, upgrades
// the CRDs, changes nothing when there is nothing to change, and leaves CRDs and
// objects when it is uninstalled, so that it can come back.
func TestReleaseInCluster(t *testing.T) {
	c := startCluster(t)
	l := &life{cluster: c, sieve: &sieve{cluster: c}}
	for _, object := range kustomized(t, false) {
		if slices.Contains([]string{"Namespace", "CustomResourceDefinition"}, object.GetKind()) {
			if _, err := c.apply(object); err != nil {
				t.Fatalf("apply what kustomize makes: %v", err)
			}
		}
	}
	team := l.team()
	if err := l.install(former(t), false, image...); err == nil || !strings.Contains(err.Error(), "invalid ownership metadata") {
		t.Fatalf("a release took what is not its own: %v", err)
	}
	if err := l.install(former(t), true, image...); err != nil {
		t.Fatalf("install: %v", err)
	}
	if crd := c.definition(); !knows(crd, "requireTemplates") || knows(crd, "requireGateTemplates") {
		t.Fatal("the former CRD was not installed")
	}
	l.upgrade(options...)
	if !slices.Equal(l.sieve.applied, served) || !slices.Equal(l.sieve.withheld, unserved) {
		t.Errorf("the API server serves %v and not %v: say so in this test", l.sieve.applied, l.sieve.withheld)
	}
	crd := c.definition()
	if knows(crd, "requireTemplates") || !knows(crd, "requireGateTemplates") {
		t.Error("the CRD was not upgraded")
	}
	if !l.hasDashboard() {
		t.Error("there is no dashboard after the upgrade")
	}
	l.upgrade(options...)
	if again := c.definition(); again.GetResourceVersion() != crd.GetResourceVersion() {
		t.Error("an upgrade that changes nothing wrote the CRD")
	}
	l.uninstall()
	if l.hasDashboard() {
		t.Error("the dashboard outlived the release")
	}
	if c.definition().GetDeletionTimestamp() != nil {
		t.Fatal("the CRDs did not outlive the release")
	}
	if kept := l.team(); kept.GetUID() != team.GetUID() {
		t.Error("the Team did not outlive the release")
	}
	hand := "kubectl annotate --overwrite crd consoleconnections.console-access.dev teams.console-access.dev userroles.console-access.dev " +
		"meta.helm.sh/release-name=other meta.helm.sh/release-namespace=" + namespace
	if err := l.installAs("other", load(t), false, image...); err == nil || !strings.Contains(err.Error(), hand) {
		t.Errorf("an installation under another name is answered %v, want %q", err, hand)
	}
	if err := l.install(load(t), false, image...); err != nil {
		t.Fatalf("install again: %v", err)
	}
	l.upgrade(append([]string{"crds.keep=false"}, image...)...)
	l.uninstall()
	l.eventually("wait for the end of the CRDs", func() error {
		_, err := c.dynamic.Resource(definitions).Get(t.Context(), "teams.console-access.dev", metav1.GetOptions{})
		if err == nil {
			return errStillThere
		}
		if !apierrors.IsNotFound(err) {
			t.Fatal(err)
		}
		return nil
	})
}
