package harness

import (
	"path/filepath"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// Upgrading gives the test an environment with an API server of its own that
// has the definitions of a former version: crds is their directory within the
// module. It marks the test as parallel. [Env.Operator] does not run; the test
// starts it after [Env.Upgrade].
func Upgrading(t *testing.T, crds string, o Options) *Env {
	t.Helper()
	t.Parallel()
	e := notStarted(t, ownCluster(t, crds), o)
	t.Cleanup(e.Operator.Stop)
	return e
}

// Upgrade replaces the definitions by the current ones. Shortly after, the API
// server goes by them.
func (e *Env) Upgrade() {
	e.T.Helper()
	root, err := repositoryRoot()
	if err == nil {
		_, err = envtest.InstallCRDs(e.Config(), envtest.CRDInstallOptions{
			Paths: []string{filepath.Join(root, filepath.FromSlash(currentCRDs))}, ErrorIfPathMissing: true,
		})
	}
	if err != nil {
		e.T.Fatalf("install the current definitions: %v", err)
	}
}

// ownCluster starts an API server that ends with the test.
func ownCluster(t *testing.T, crds string) *cluster {
	t.Helper()
	c, err := startOwnCluster(crds)
	if err != nil {
		t.Fatalf("start the API server: %v", err)
	}
	t.Cleanup(func() {
		if err := c.stop(); err != nil {
			t.Errorf("stop the API server: %v", err)
		}
	})
	return c
}
