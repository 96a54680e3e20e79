package crash

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A manager is one replica. Its fields are the campaign's; the processes only
// send it events.
type manager struct {
	name   string
	binary string
	args   []string
	env    []string
	// log is the file of what all its processes wrote.
	log    string
	events chan<- event

	process        int // number of the process at hand
	cmd            *exec.Cmd
	running, leads bool
}

// An event tells that a process has become the leader, or has ended.
type event struct {
	manager *manager
	process int
	ended   bool
	last    string // what it wrote last
}

// newManager returns a replica that is not running yet.
func newManager(t *testing.T, name, kubeconfig, namespace string, clockOffset time.Duration, events chan<- event) *manager {
	t.Helper()
	binary, err := managerBinary()
	if err != nil {
		t.Fatal(err)
	}
	return &manager{
		name: name, binary: binary, events: events, log: filepath.Join(t.TempDir(), name+".log"),
		args: []string{
			"--kubeconfig=" + kubeconfig, "--operator-namespace=" + namespace, "--health-probe-bind-address=0",
			"--leader-elect", "--leader-elect-lease-duration=2s", "--leader-elect-renew-deadline=1800ms",
			"--leader-elect-retry-period=100ms",
		},
		env: append(os.Environ(), "POD_NAME="+name, "CONSOLE_ACCESS_CLOCK_OFFSET="+clockOffset.String()),
	}
}

// start starts the next process.
func (m *manager) start() error {
	log, err := os.OpenFile(m.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	cmd := exec.Command(m.binary, m.args...)
	cmd.Env = m.env
	stderr, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return fmt.Errorf("start %s: %w", m.name, err)
	}
	m.process++
	m.cmd, m.running, m.leads = cmd, true, false
	go m.follow(m.process, cmd, stderr, log)
	return nil
}

// follow copies what a process says, and tells what becomes of it.
func (m *manager) follow(process int, cmd *exec.Cmd, stderr io.Reader, log io.WriteCloser) {
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	e := event{manager: m, process: process}
	for lines.Scan() {
		e.last = lines.Text()
		fmt.Fprintln(log, e.last)
		if strings.Contains(e.last, "uccessfully acquired lease") {
			m.events <- e
		}
	}
	if err := cmd.Wait(); err != nil {
		e.last = err.Error() + ": " + e.last
	}
	_ = log.Close()
	e.ended = true
	m.events <- e
}

// kill ends the process by SIGKILL. What was under way then is on its own.
func (m *manager) kill() error {
	m.running, m.leads = false, false
	if err := m.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: %w", m.name, err)
	}
	return nil
}

// logged returns the lines of the log that have one of the texts in them.
func (m *manager) logged(t *testing.T, texts ...string) (lines []string) {
	t.Helper()
	all, err := os.ReadFile(m.log)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(all)) {
		for _, text := range texts {
			if strings.Contains(line, text) {
				lines = append(lines, line)
				break
			}
		}
	}
	return lines
}
