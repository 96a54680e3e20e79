// Package chaos is the fault campaign: a random program of applies, edits,
// renames, deletions, key rotations and edits by hand, while two managers, real
// processes with clocks that differ, are killed at random instants, and the API
// server and the console fail in every way that is known. At the end everything
// is allowed to settle, and test/chaos/audit compares cluster and console.
//
//	go test ./test/chaos -v -for 5m -seed 7
//
// All is drawn from the seed: the program, the faults, the victims. What the
// processes are doing at each instant depends on the machine.
package chaos

import (
	"flag"
	"os"
	"testing"
	"time"

	"github.com/console-access/console-access-operator/test/harness"
)

var (
	lasts = flag.Duration("for", 40*time.Second, "how long the campaign lasts, without the time to settle")
	seed  = flag.Uint64("seed", 0, "draws the same campaign again; 0: another one")
	teams = flag.Int("teams", 40, "how many Teams are alive at a time")
	roles = flag.Int("roles", 120, "how many UserRoles are alive at a time")
	built = flag.String("manager", "", "a manager that is built already; empty: as it is now")
	keep  = flag.String("keep", "", "a directory to keep the managers' logs in")
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
