package gitops

import (
	"os"
	"testing"

	"github.com/console-access/console-access-operator/test/harness"
)

// root is the operator's repository.
const root = "../.."

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
