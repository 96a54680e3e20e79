package gitops

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/test/harness"
)

// TestKustomizeController: Flux's own controller applies, waits, fails and prunes
// as the documentation says.
func TestKustomizeController(t *testing.T) {
	e := harness.Shared(t, harness.Options{Unconnected: true})
	f := startFlux(e)
	objects := e.Samples(e.Namespace)
	creation := e.Hold(http.MethodPost, "/console/v1/users/teams")

	f.commit("first", objects)
	f.create()
	creation.Wait(e)
	f.waitCondition("Healthy", "Unknown", "Progressing", "Running health checks for revision first")
	f.waitCondition("Ready", "Unknown", "Progressing", "")
	creation.Release()
	f.waitCondition("Ready", "True", "ReconciliationSucceeded", "first")
	e.WaitReady(allTyped(objects)...)

	protected := named(t, objects, "UserRole", "alan").DeepCopy()
	protected.SetName("ada")
	set(t, protected, "ada@example.com", "spec", "email")
	f.commit("second", append(objects, protected))
	f.waitCondition("Ready", "False", "HealthCheckFailed", "failed early due to stalled resources: [UserRole/"+e.Namespace+"/ada status: 'Failed']")
	e.WaitMessage(typed(protected), v1alpha1.ReasonProtectedUser, "protects ada@example.com")

	growth := named(t, objects, "Team", "growth")
	f.commit("third", without(objects, growth))
	f.waitCondition("Ready", "True", "ReconciliationSucceeded", "third")
	e.WaitGone(typed(growth), typed(protected))
	if teams := e.Sim.TeamsNamed("Growth"); len(teams) > 0 {
		t.Errorf("the team was pruned, and is in the console: %+v", teams)
	}

	e.Delete(f.kustomization)
	e.WaitUntil("wait for the end of the Kustomization", func() bool { return !e.Refresh(f.kustomization) })
	for _, obj := range allTyped(objects) {
		if e.Refresh(obj) {
			t.Errorf("%T %s outlived its Kustomization", obj, obj.GetName())
		}
	}
}

// blocks are the pieces of YAML in the documentation.
var blocks = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// TestDocumentedFlux: Flux accepts the objects in the documentation.
func TestDocumentedFlux(t *testing.T) {
	e := harness.Shared(t, harness.Options{Unconnected: true})
	installFlux(e)
	text, err := os.ReadFile(filepath.Join(root, "docs", "gitops.md"))
	if err != nil {
		t.Fatal(err)
	}
	strict := client.WithFieldValidation(e.Client(), metav1.FieldValidationStrict)
	kinds := map[string]int{}
	for _, block := range blocks.FindAllSubmatch(text, -1) {
		for _, obj := range harness.Decode(t, block[1]) {
			if !strings.HasSuffix(obj.GroupVersionKind().Group, ".toolkit.fluxcd.io") {
				continue
			}
			kinds[obj.GetKind()]++
			obj.SetNamespace(e.Namespace)
			if err := strict.Create(t.Context(), obj, client.DryRunAll); err != nil {
				t.Errorf("%s %s: %v", obj.GetKind(), obj.GetName(), err)
			}
		}
	}
	if kinds["GitRepository"] == 0 || kinds["Kustomization"] == 0 {
		t.Errorf("docs/gitops.md has of Flux only %v", kinds)
	}
}

// without is all objects but one.
func without(objects []*unstructured.Unstructured, left *unstructured.Unstructured) []*unstructured.Unstructured {
	var rest []*unstructured.Unstructured
	for _, obj := range objects {
		if obj != left {
			rest = append(rest, obj)
		}
	}
	return rest
}

// flux is Flux's kustomize-controller with a source of the test's own: what
// source-controller would fetch from git is served here.
type flux struct {
	*harness.Env
	source, kustomization *unstructured.Unstructured
	address               string

	mu        sync.Mutex
	artifacts map[string][]byte
}

// startFlux starts bin/kustomize-controller, which ends with the test.
func startFlux(e *harness.Env) *flux {
	e.T.Helper()
	f := &flux{Env: e, artifacts: map[string][]byte{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		artifact, ok := f.artifacts[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(artifact)
	}))
	e.T.Cleanup(server.Close)
	f.address = server.URL
	f.source = fluxObject(e, "source.toolkit.fluxcd.io", "GitRepository", map[string]any{
		"interval": "1h", "url": "https://git.example.com/platform/access.git",
	})
	f.kustomization = fluxObject(e, "kustomize.toolkit.fluxcd.io", "Kustomization", map[string]any{
		"interval": "1h", "retryInterval": "1h", "timeout": "2m", "prune": true, "wait": true, "path": "./",
		"deletionPolicy": "WaitForTermination",
		"sourceRef":      map[string]any{"kind": "GitRepository", "name": "access"},
	})
	installFlux(e)
	if err := e.Client().Create(e.T.Context(), f.source); err != nil {
		e.T.Fatalf("create the source: %v", err)
	}
	f.run()
	return f
}

var installing sync.Mutex

// installFlux installs Flux's CRDs. The API server is that of all tests, and two
// that do so at once would both find that there are none yet.
func installFlux(e *harness.Env) {
	e.T.Helper()
	installing.Lock()
	defer installing.Unlock()
	crds := envtest.CRDInstallOptions{Paths: []string{filepath.Join(root, "bin", "flux-crds")}, ErrorIfPathMissing: true}
	if _, err := envtest.InstallCRDs(e.Config(), crds); err != nil {
		e.T.Fatalf("install Flux's CRDs, which make test-gitops puts into bin/flux-crds: %v", err)
	}
}

func fluxObject(e *harness.Env, group, kind string, spec map[string]any) *unstructured.Unstructured {
	obj := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	obj.SetGroupVersionKind(schema.GroupVersionKind{Group: group, Version: "v1", Kind: kind})
	obj.SetNamespace(e.Namespace)
	obj.SetName("access")
	return obj
}

// run starts the controller. Should this process be killed, the controller dies
// of what it writes next.
func (f *flux) run() {
	f.T.Helper()
	binary := filepath.Join(root, "bin", "kustomize-controller")
	if _, err := os.Stat(binary); err != nil {
		f.T.Fatal("bin/kustomize-controller is missing: run make test-gitops")
	}
	said := &bytes.Buffer{}
	cmd := exec.Command(binary, "--metrics-addr=0", "--health-addr=127.0.0.1:0", "--watch-all-namespaces=false")
	cmd.Env = append(os.Environ(), "KUBECONFIG="+f.Kubeconfig(), "RUNTIME_NAMESPACE="+f.Namespace, "TMPDIR="+f.T.TempDir())
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		f.T.Fatalf("start kustomize-controller: %v", err)
	}
	f.T.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		kill := time.AfterFunc(stopTimeout, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		_ = cmd.Wait()
		if f.T.Failed() {
			f.T.Logf("kustomize-controller said:\n%s", said)
		}
	})
}

// stopTimeout bounds the graceful stop of kustomize-controller.
const stopTimeout = 10 * time.Second

// commit makes objects the content of the source, as source-controller does with
// a commit.
func (f *flux) commit(revision string, objects []*unstructured.Unstructured) {
	f.T.Helper()
	artifact := packed(f.T, objects)
	path := "/" + revision + ".tar.gz"
	f.mu.Lock()
	f.artifacts[path] = artifact
	f.mu.Unlock()
	before, now := f.source.DeepCopy(), time.Now().UTC().Format(time.RFC3339)
	f.source.Object["status"] = map[string]any{
		"observedGeneration": f.source.GetGeneration(),
		"artifact": map[string]any{
			"url": f.address + path, "path": strings.TrimPrefix(path, "/"), "revision": revision,
			"digest":         fmt.Sprintf("sha256:%x", sha256.Sum256(artifact)),
			"lastUpdateTime": now,
		},
		"conditions": []any{map[string]any{
			"type": "Ready", "status": "True", "reason": "Succeeded", "message": "stored artifact",
			"lastTransitionTime": now, "observedGeneration": f.source.GetGeneration(),
		}},
	}
	if err := f.Client().Status().Patch(f.T.Context(), f.source, client.MergeFrom(before)); err != nil {
		f.T.Fatalf("commit %s: %v", revision, err)
	}
}

// packed is what source-controller makes of a directory of manifests.
func packed(t testing.TB, objects []*unstructured.Unstructured) []byte {
	t.Helper()
	var artifact bytes.Buffer
	compressed := gzip.NewWriter(&artifact)
	archive := tar.NewWriter(compressed)
	for _, obj := range objects {
		text, err := yaml.Marshal(obj.Object)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.ToLower(obj.GetKind()) + "-" + obj.GetName() + ".yaml"
		if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := compressed.Close(); err != nil {
		t.Fatal(err)
	}
	return artifact.Bytes()
}

// create creates the Kustomization.
func (f *flux) create() {
	f.T.Helper()
	if err := f.Client().Create(f.T.Context(), f.kustomization); err != nil {
		f.T.Fatalf("create the Kustomization: %v", err)
	}
}

// waitCondition waits until the Kustomization has a condition with a status and
// reason, and a message that contains a text.
func (f *flux) waitCondition(kind, status, reason, text string) {
	f.T.Helper()
	f.Eventually(fmt.Sprintf("wait for %s %s of the Kustomization", kind, status), func() error {
		f.Refresh(f.kustomization)
		conditions, _, _ := unstructured.NestedSlice(f.kustomization.Object, "status", "conditions")
		for _, c := range conditions {
			c, _ := c.(map[string]any)
			message, _ := c["message"].(string)
			if c["type"] == kind && c["status"] == status && c["reason"] == reason && strings.Contains(message, text) {
				return nil
			}
		}
		return fmt.Errorf("its conditions are %v", conditions)
	})
}
