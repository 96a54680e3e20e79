package managerproc

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// Build builds the manager as it is now, as bin/NAME, with the race detector if
// that is wanted, and returns its path. Several may build the same at once.
func Build(name string, race bool) (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find go.mod: %w", err)
	}
	mod := strings.TrimSpace(string(out))
	if mod == "" {
		return "", errors.New("there is no go.mod above the test's directory")
	}
	root := filepath.Dir(mod)
	path := filepath.Join(root, "bin", name)
	args := []string{"build", "-trimpath", "-ldflags=-s -w"}
	if race {
		path += "-race"
		args = []string{"build", "-trimpath", "-race"}
	}
	build := exec.Command("go", append(args, "-o", path, "./cmd")...)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the manager: %w\n%s", err, out)
	}
	return path, nil
}
