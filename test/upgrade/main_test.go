// Package upgrade proves that what a former version of the operator left in a
// cluster goes on working: its definitions, its objects and their statuses.
// testdata holds them; its README.md says where they come from.
package upgrade

import (
	"os"
	"testing"

	"github.com/console-access/console-access-operator/test/harness"
)

// former is the directory of the former version's definitions in the module.
const former = "test/upgrade/testdata/61c8cd5/crds"

// current is the directory of the definitions now.
const current = "config/crd/bases"

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
