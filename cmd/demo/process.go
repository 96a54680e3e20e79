package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// stopGrace is how long the programs may take to end.
const stopGrace = 10 * time.Second

// tailLines is how much of each log is shown when something failed.
const tailLines = 15

// A process is one of the programs that the demo runs.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string        // the file with all that it printed
	hold io.Closer     // ends its standard input
	done chan struct{} // closed when it has ended
	err  error         // how it ended; set before done is closed
}

// fleet is all programs of the demo, in the order in which they were started.
type fleet struct {
	bin, logs string
	// lost is told of a program that ended by itself.
	lost context.CancelCauseFunc
	// grace is how long a program may take to end when it is told to.
	grace     time.Duration
	processes []*process
}

// start runs a program. It must be called on the thread that lives as long as
// the demo, for some systems end a child with the thread that started it.
func (f *fleet) start(name string, args ...string) (*process, error) {
	p := &process{name: name, log: filepath.Join(f.logs, name+".log"), done: make(chan struct{})}
	out, err := os.Create(p.log)
	if err != nil {
		return nil, fmt.Errorf("make a log for %s: %w", name, err)
	}
	defer func() { _ = out.Close() }()
	p.cmd = exec.Command(filepath.Join(f.bin, name), args...) //nolint:noctx // stop ends it in order; the end of a context would kill it
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = processAttributes()
	if p.hold, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	f.processes = append(f.processes, p)
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
		f.lost(&lostError{p})
	}()
	return p, nil
}

// lostError tells that a program ended although nobody told it to.
type lostError struct{ process *process }

func (e *lostError) Error() string {
	how := "status 0"
	if e.process.err != nil {
		how = e.process.err.Error()
	}
	return e.process.name + " ended by itself (" + how + ")"
}

// stop ends all programs, the last one first, and waits until they are gone.
// One that does not end in time is killed, and named in the error.
func (f *fleet) stop() error {
	var stubborn []string
	for i := len(f.processes) - 1; i >= 0; i-- {
		p := f.processes[i]
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		_ = p.hold.Close()
		select {
		case <-p.done:
		case <-time.After(f.grace):
			_ = p.cmd.Process.Kill()
			<-p.done
			stubborn = append(stubborn, p.name)
		}
	}
	if len(stubborn) > 0 {
		return fmt.Errorf("%s did not end within %s and had to be killed", strings.Join(stubborn, ", "), f.grace)
	}
	return nil
}

// match finds a pattern in what the program has printed so far.
func (p *process) match(pattern *regexp.Regexp) ([]string, error) {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return nil, fmt.Errorf("read the log of %s: %w", p.name, err)
	}
	return pattern.FindStringSubmatch(string(text)), nil
}

// tail returns the last lines that the program printed.
func (p *process) tail() []string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return []string{err.Error()}
	}
	trimmed := strings.TrimSpace(string(text))
	if trimmed == "" {
		return []string{"(nothing)"}
	}
	lines := strings.Split(trimmed, "\n")
	return lines[max(0, len(lines)-tailLines):]
}
