package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/procfs"
)

// stopTimeout bounds the graceful end of a process.
const stopTimeout = 60 * time.Second

// A process is a program under test.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string // its file
	done chan error
}

// startProcess starts a program that logs into a file.
func startProcess(name, log string, cmd *exec.Cmd) (*process, error) {
	file, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	cmd.Stdout, cmd.Stderr = file, file
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the %s: %w", name, err)
	}
	p := &process{name: name, cmd: cmd, log: log, done: make(chan error, 1)}
	go func() { p.done <- cmd.Wait() }()
	return p, nil
}

// stop ends the process as Kubernetes ends a Pod, and waits for its end.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop the %s: %w", p.name, err)
	}
	select {
	case err := <-p.done:
		p.done <- nil // for a second stop
		if err != nil {
			return fmt.Errorf("the %s did not end well: %w\n%s", p.name, err, p.tail())
		}
		return nil
	case <-time.After(stopTimeout):
		_ = p.cmd.Process.Kill()
		return fmt.Errorf("the %s still ran %v after it was told to stop", p.name, stopTimeout)
	}
}

// said waits until the log holds a text n times.
func (p *process) said(ctx context.Context, text string, n int) error {
	return poll(ctx, 50*time.Millisecond, func() (bool, error) {
		if err := p.alive(); err != nil {
			return false, err
		}
		log, err := os.ReadFile(p.log)
		return bytes.Count(log, []byte(text)) >= n, err
	})
}

// alive returns an error when the process has ended by itself.
func (p *process) alive() error {
	select {
	case err := <-p.done:
		p.done <- err
		return fmt.Errorf("the %s ended: %w\n%s", p.name, err, p.tail())
	default:
		return nil
	}
}

// tail is the end of the log.
func (p *process) tail() string {
	log, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}

// A usage is what a process has used, as /proc tells.
type usage struct {
	cpu       time.Duration
	rss, peak uint64 // bytes
}

func (p *process) usage() (usage, error) { return usageOf(p.cmd.Process.Pid) }

func usageOf(pid int) (usage, error) {
	proc, err := procfs.NewProc(pid)
	if err != nil {
		return usage{}, err
	}
	stat, statErr := proc.Stat()
	status, statusErr := proc.NewStatus()
	if err := errors.Join(statErr, statusErr); err != nil {
		return usage{}, fmt.Errorf("read what process %d uses: %w", pid, err)
	}
	return usage{cpu: time.Duration(stat.CPUTime() * float64(time.Second)), rss: status.VmRSS, peak: status.VmHWM}, nil
}

// poll asks until it is answered true.
func poll(ctx context.Context, pause time.Duration, ask func() (bool, error)) error {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		ok, err := ask()
		if ok || err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
