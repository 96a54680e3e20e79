// Package integration proves what the operator promises with everything real
// but the console, which is simulated: the Kubernetes API, the manager, HTTP.
package integration

import (
	"os"
	"testing"

	"github.com/console-access/console-access-operator/test/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
