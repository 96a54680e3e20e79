// Package managerproc runs the manager as processes of its own, which can be
// killed at any instant.
package managerproc

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Options say how a replica is run.
type Options struct {
	// Name is that of the replica, and of its log.
	Name string
	// Binary is the manager; see [Build].
	Binary string
	// Kubeconfig and Namespace are what --kubeconfig and --operator-namespace say.
	Kubeconfig, Namespace string
	// ClockOffset is how far its wall clock is off.
	ClockOffset time.Duration
	// Lease, Renew and Retry are the terms of the leader election.
	Lease, Renew, Retry time.Duration
	// LogDir is where what all its processes wrote is kept, in one file.
	LogDir string
	// Env is set beside what this process has.
	Env []string
}

// A Manager is one replica: one process after the other. It is not safe for
// concurrent use; the processes only send it events.
type Manager struct {
	Name string
	// Running is true until the process at hand has been killed or has ended.
	Running bool
	// Leads says that it has become the leader and still runs.
	Leads bool

	binary    string
	args, env []string
	log       string
	events    chan<- Event
	process   int // number of the process at hand
	cmd       *exec.Cmd
}

// An Event tells that a process has become the leader, or has ended.
type Event struct {
	Manager *Manager
	Ended   bool
	// Last is what the process wrote last, after how it ended.
	Last string

	process int
}

// Current reports whether the event is about the process at hand, and not one
// that a later one has replaced.
func (e Event) Current() bool { return e.process == e.Manager.process }

// New returns a replica that is not running yet. It sends what happens to
// events, which must be received.
func New(o Options, events chan<- Event) *Manager {
	return &Manager{
		Name: o.Name, binary: o.Binary, events: events, log: filepath.Join(o.LogDir, o.Name+".log"),
		args: []string{
			"--kubeconfig=" + o.Kubeconfig, "--operator-namespace=" + o.Namespace, "--health-probe-bind-address=0",
			"--leader-elect", "--leader-elect-lease-duration=" + o.Lease.String(),
			"--leader-elect-renew-deadline=" + o.Renew.String(), "--leader-elect-retry-period=" + o.Retry.String(),
		},
		env: append(append(os.Environ(), "POD_NAME="+o.Name, "CONSOLE_ACCESS_CLOCK_OFFSET="+o.ClockOffset.String()), o.Env...),
	}
}

// Start starts the next process.
func (m *Manager) Start() error {
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
		return errors.Join(fmt.Errorf("start %s: %w", m.Name, err), log.Close())
	}
	m.process++
	m.cmd, m.Running, m.Leads = cmd, true, false
	go m.follow(m.process, cmd, stderr, log)
	return nil
}

// follow copies what a process says, and tells what becomes of it.
func (m *Manager) follow(process int, cmd *exec.Cmd, stderr io.Reader, log io.WriteCloser) {
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	e := Event{Manager: m, process: process}
	for lines.Scan() {
		e.Last = lines.Text()
		fmt.Fprintln(log, e.Last)
		if strings.Contains(e.Last, "uccessfully acquired lease") {
			m.events <- e
		}
	}
	if err := cmd.Wait(); err != nil {
		e.Last = err.Error() + ": " + e.Last
	}
	_ = log.Close()
	e.Ended = true
	m.events <- e
}

// Kill ends the process by SIGKILL. What was under way then is on its own.
func (m *Manager) Kill() error {
	m.Running, m.Leads = false, false
	if err := m.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: %w", m.Name, err)
	}
	return nil
}

// Freeze stops the process where it is, as a node does that runs out of memory,
// until [Manager.Thaw]. It does not know that time has passed.
func (m *Manager) Freeze() error { return m.signal(syscall.SIGSTOP) }

// Thaw lets a frozen process go on.
func (m *Manager) Thaw() error { return m.signal(syscall.SIGCONT) }

func (m *Manager) signal(s syscall.Signal) error {
	if err := m.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %s %v: %w", m.Name, s, err)
	}
	return nil
}

// End kills the replicas for good and waits for their ends on the channel that
// they send to.
func End(events <-chan Event, managers ...*Manager) {
	running := 0
	for _, m := range managers {
		if m != nil && m.process > 0 {
			running++
			_ = m.cmd.Process.Kill()
		}
	}
	for running > 0 {
		if e := <-events; e.Ended && e.Current() {
			running--
		}
	}
}

// Logged returns the lines of the log that have one of the texts in them.
func (m *Manager) Logged(texts ...string) (lines []string, err error) {
	log, err := os.Open(m.log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	all := bufio.NewScanner(log)
	all.Buffer(nil, 1<<20)
	for all.Scan() {
		for _, text := range texts {
			if strings.Contains(all.Text(), text) {
				lines = append(lines, all.Text())
				break
			}
		}
	}
	return lines, all.Err()
}
