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
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
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

func TestMain(m *testing.M) {
	// The managers look after all objects of a cluster, so it has to be theirs.
	if err := os.Unsetenv("USE_EXISTING_CLUSTER"); err != nil {
		panic(err)
	}
	os.Exit(harness.Main(m))
}

// managerBinary builds the manager as it is now.
var managerBinary = sync.OnceValues(func() (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	name, args := "manager-crash", []string{"build", "-trimpath", "-ldflags=-s -w"}
	if *race {
		name, args = "manager-crash-race", []string{"build", "-trimpath", "-race"}
	}
	path := filepath.Join(root, "bin", name)
	build := exec.Command("go", append(args, "-o", path, "./cmd")...)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the manager: %w\n%s", err, out)
	}
	return path, nil
})

func moduleRoot() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find go.mod: %w", err)
	}
	mod := string(out)
	if len(mod) < 2 {
		return "", errors.New("there is no go.mod above the test's directory")
	}
	return filepath.Dir(mod[:len(mod)-1]), nil
}
