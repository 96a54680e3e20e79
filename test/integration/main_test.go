// Package integration proves what the operator promises with everything real
// but the console, which is simulated: the Kubernetes API, the manager, HTTP.
package integration

import (
	"fmt"
	"os"
	"testing"

	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// none is an error if there were any requests.
func none(requests []consolesim.Request) error {
	if len(requests) > 0 {
		return fmt.Errorf("%d requests, the first: %s %s", len(requests), requests[0].Method, requests[0].Path)
	}
	return nil
}
