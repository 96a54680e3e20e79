package chart

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"
)

const (
	patience  = 2 * time.Minute
	pollPause = 100 * time.Millisecond
)

// A cluster is an API server without the CRDs, as Helm and kubectl see it.
type cluster struct {
	t       *testing.T
	getter  *genericclioptions.ConfigFlags
	dynamic dynamic.Interface
}

// startCluster starts bin/controlplane, which ends with the test.
func startCluster(t *testing.T) *cluster {
	t.Helper()
	binary, err := filepath.Abs(filepath.Join(root, "bin", "controlplane"))
	if err == nil {
		_, err = os.Stat(binary)
	}
	if err != nil {
		t.Fatalf("bin/controlplane is missing; run make test-chart: %v", err)
	}
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	cmd := exec.Command(binary, "--kubeconfig", kubeconfig, "--exit-on-stdin-eof")
	said := &bytes.Buffer{}
	cmd.Stderr = said
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		kill := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Logf("the control plane ended: %v\n%s", err, said)
		}
	})
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatalf("the control plane did not start: %v", err)
	}
	c := &cluster{t: t, getter: genericclioptions.NewConfigFlags(false)}
	place := namespace
	c.getter.KubeConfig, c.getter.Namespace = &kubeconfig, &place
	config, err := c.getter.ToRESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	if c.dynamic, err = dynamic.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	return c
}

// resource is where objects of a kind are; false: they are not served.
func (c *cluster) resource(object *unstructured.Unstructured) (dynamic.ResourceInterface, bool) {
	c.t.Helper()
	mapper, err := c.getter.ToRESTMapper()
	if err != nil {
		c.t.Fatal(err)
	}
	kind := object.GroupVersionKind()
	mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if meta.IsNoMatchError(err) {
		return nil, false
	}
	if err != nil {
		c.t.Fatalf("find out where a %s is: %v", kind.Kind, err)
	}
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		return c.dynamic.Resource(mapping.Resource).Namespace(object.GetNamespace()), true
	}
	return c.dynamic.Resource(mapping.Resource), true
}

// apply applies an object as kubectl apply --server-side does.
func (c *cluster) apply(object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	at, served := c.resource(object)
	if !served {
		c.t.Fatalf("%s is not served", object.GetKind())
	}
	return at.Apply(c.t.Context(), object.GetName(), object, metav1.ApplyOptions{FieldManager: "kubectl", Force: true})
}

// eventually waits until something is done.
func (c *cluster) eventually(what string, do func() error) {
	c.t.Helper()
	deadline := time.After(patience)
	ticker := time.NewTicker(pollPause)
	defer ticker.Stop()
	for {
		err := do()
		if err == nil {
			return
		}
		select {
		case <-ticker.C:
		case <-deadline:
			c.t.Fatalf("%s: not after %v: %v", what, patience, err)
		}
	}
}

// helm is what Helm's actions work with: releases are Secrets in the cluster.
func (c *cluster) helm() *action.Configuration {
	c.t.Helper()
	configuration := &action.Configuration{}
	if err := configuration.Init(c.getter, namespace, "secret", func(string, ...any) {}); err != nil {
		c.t.Fatal(err)
	}
	return configuration
}

// A sieve lets Helm apply what the API server serves, and notes what it does not.
type sieve struct {
	cluster           *cluster
	applied, withheld []string
}

// Run implements postrender.PostRenderer.
func (s *sieve) Run(manifests *bytes.Buffer) (*bytes.Buffer, error) {
	out := &bytes.Buffer{}
	s.applied, s.withheld = nil, nil
	for _, object := range objects(s.cluster.t, manifests.String()) {
		_, served := s.cluster.resource(object)
		if !served {
			s.withheld = append(s.withheld, object.GetKind())
			continue
		}
		s.applied = append(s.applied, object.GetKind())
		text, err := yaml.Marshal(object.Object)
		if err != nil {
			return nil, err
		}
		out.WriteString("---\n")
		out.Write(text)
	}
	for _, kinds := range []*[]string{&s.applied, &s.withheld} {
		slices.Sort(*kinds)
		*kinds = slices.Compact(*kinds)
	}
	return out, nil
}

var (
	definitions = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	configMaps  = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
)

// definition reads the CRD of Teams.
func (c *cluster) definition() *unstructured.Unstructured {
	c.t.Helper()
	crd, err := c.dynamic.Resource(definitions).Get(c.t.Context(), "teams.console-access.dev", metav1.GetOptions{})
	if err != nil {
		c.t.Fatal(err)
	}
	return crd
}

// knows reports whether the CRD of Teams has a field.
func knows(crd *unstructured.Unstructured, field string) bool {
	text, err := crd.MarshalJSON()
	return err == nil && strings.Contains(string(text), `"`+field+`":{`)
}
