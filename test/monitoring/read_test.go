// Package monitoring proves, with Prometheus' own code, that the alerts fire
// when they should, and that alerts and dashboard ask for metrics that a real
// manager has. It is a module of its own, so that nothing else depends on
// Prometheus.
package monitoring

import (
	"os"
	"path/filepath"
	"testing"
)

const root = "../.."

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return text
}
