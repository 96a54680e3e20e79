// Package crash proves that the quota survives: two managers, real processes
// with clocks that differ, take turns as the leader and are killed at random
// instants while objects are being applied. The console counts every window.
//
//	go test ./test/crash -v -timeout 10m -kills 200 -roles 2000 -teams 100
//
// Without flags it is a small version of the same. With -seed, the value that
// a former run printed, the same instants and victims are drawn again; what the
// processes are doing then depends on the machine.
package crash

import (
	"flag"
	"os"
	"testing"

	"github.com/console-access/console-access-operator/test/harness"
)

var (
	kills = flag.Int("kills", 5, "how often a manager is killed")
	roles = flag.Int("roles", 60, "how many UserRoles are applied")
	teams = flag.Int("teams", 6, "how many Teams are applied")
	seed  = flag.Uint64("seed", 0, "draws the same instants again; 0: new ones")
	race  = flag.Bool("managers-race", false, "build the managers with the race detector")
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
