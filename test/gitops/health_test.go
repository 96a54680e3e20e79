package gitops

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/controller/condition"
)

// compute judges an object as Flux does.
func compute(t *testing.T, obj *unstructured.Unstructured) *status.Result {
	t.Helper()
	result, err := status.Compute(obj)
	if err != nil {
		t.Fatalf("compute the status: %v", err)
	}
	return result
}

// want fails the test unless Argo CD and Flux make that of an object. The
// message is that of Argo CD; Flux tells none for what is as it should be.
func want(t *testing.T, obj *unstructured.Unstructured, o outcome, message string) {
	t.Helper()
	if got := bothWays(t, obj); got.Status != o.argo || got.Message != message {
		t.Errorf("Argo CD: %s: %s\nwant %s: %s", got.Status, got.Message, o.argo, message)
	}
	if got := compute(t, obj); got.Status != o.kstatus {
		t.Errorf("kstatus: %s: %s\nwant %s", got.Status, got.Message, o.kstatus)
	}
}

func TestHealth(t *testing.T) {
	for v, o := range expected {
		for _, kind := range kinds {
			t.Run(fmt.Sprintf("%s/%s/%d", v.reason, kind, v.state), func(t *testing.T) {
				obj := record(kind, v)
				want(t, obj, o, message(v))
				if got := compute(t, obj); o.kstatus != status.CurrentStatus && got.Message != message(v) {
					t.Errorf("kstatus does not tell why: %s", got.Message)
				}
				want(t, record(kind, v, edited), progressing, "The operator has not looked at it yet.")
				wantDeleting(t, v, o, kind)
			})
		}
	}
}

// wantDeleting: kstatus knows of a deletion only that it is one; Argo CD tells
// from 3.6 on what holds it.
func wantDeleting(t *testing.T, v verdict, o outcome, kind string) {
	t.Helper()
	unseen := "It is being deleted; the operator has not looked at it since."
	o.kstatus = status.TerminatingStatus
	told := message(v)
	if o.argo == healthy.argo {
		o.argo, told = progressing.argo, unseen
	}
	obj := record(kind, v, deleting)
	want(t, obj, o, told)
	if got := bothWays(t, obj).DeletionMessage; got != told {
		t.Errorf("the message of the deletion is %q", got)
	}
	obj = record(kind, v, edited, deleting)
	want(t, obj, outcome{progressing.argo, status.TerminatingStatus}, unseen)
}

// TestHealthOfNew: what the operator has not looked at is not as it should be,
// whether or not the API server has made it a status.
func TestHealthOfNew(t *testing.T) {
	for _, kind := range kinds {
		obj, sync := newObject(kind)
		sync.ObservedGeneration = -1
		want(t, unstructuredOf(kind, obj), progressing, "The operator has not looked at it yet.")
		bare := unstructuredOf(kind, obj)
		unstructured.RemoveNestedField(bare.Object, "status")
		if got := bothWays(t, bare); got.Status != progressing.argo {
			t.Errorf("a %s without a status: %+v", kind, got)
		}
	}
}

// TestHealthOfALateConnection: that its checks are late does not make a
// connection that works a failure.
func TestHealthOfALateConnection(t *testing.T) {
	synced := verdict{v1alpha1.ReasonSynced, condition.Ready}
	for _, late := range []metav1.Condition{
		{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonWithinQuota},
		{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonQuotaTooSmall},
	} {
		obj := record("ConsoleConnection", synced, func(obj client.Object) {
			late.Type = v1alpha1.OnTimeCondition
			meta.SetStatusCondition(&obj.(*v1alpha1.ConsoleConnection).Status.Conditions, late)
		})
		want(t, obj, healthy, message(synced))
	}
}

// argocdCM is the part of the documentation that is to be pasted into argocd-cm.
var argocdCM = regexp.MustCompile("(?s)```yaml\n(apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: argocd-cm\n.*?)```")

// TestDocumentedHealthChecks: the ConfigMap in the documentation holds the health
// checks that are tested here.
func TestDocumentedHealthChecks(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "gitops.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := argocdCM.FindSubmatch(text)
	if found == nil {
		t.Fatal("docs/gitops.md has no ConfigMap argocd-cm")
	}
	var snippet corev1.ConfigMap
	if err := yaml.UnmarshalStrict(found[1], &snippet); err != nil {
		t.Fatal(err)
	}
	for _, kind := range kinds {
		if snippet.Data[key(kind)] != script(t, kind) {
			t.Errorf("docs/gitops.md: the health check of %s is not that of config/argocd/health.lua", kind)
		}
	}
	if len(snippet.Data) != len(kinds) {
		t.Errorf("docs/gitops.md: %d keys in argocd-cm, want %d", len(snippet.Data), len(kinds))
	}
}

// key is the key of a kind's health check in argocd-cm.
func key(kind string) string {
	return "resource.customizations.health." + v1alpha1.GroupVersion.Group + "_" + kind
}

// TestComponent: the kustomize component has the health check of every kind.
func TestComponent(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "config", "argocd", "kustomization.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var component struct {
		ConfigMapGenerator []struct {
			Name  string
			Files []string
		}
	}
	if err := yaml.Unmarshal(text, &component); err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, kind := range kinds {
		files = append(files, key(kind)+"=health.lua")
	}
	if g := component.ConfigMapGenerator; len(g) != 1 || g[0].Name != "argocd-cm" || !slices.Equal(g[0].Files, files) {
		t.Errorf("the component is %+v, want argocd-cm of %q", g, files)
	}
}
