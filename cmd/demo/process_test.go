package main

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// newFleet returns a fleet whose programs are shell scripts, and the context
// that ends when one of them does.
func newFleet(t *testing.T, scripts map[string]string) (*fleet, context.Context) {
	t.Helper()
	ctx, lost := context.WithCancelCause(t.Context())
	f := &fleet{bin: t.TempDir(), logs: t.TempDir(), lost: lost, grace: time.Minute}
	for name, script := range scripts {
		writeFile(t, filepath.Join(f.bin, name), "#!/bin/sh\n"+script)
	}
	return f, ctx
}

func (f *fleet) mustStart(t *testing.T, name string, args ...string) *process {
	t.Helper()
	p, err := f.start(name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func gone(p *process) bool { return errors.Is(syscall.Kill(p.cmd.Process.Pid, 0), syscall.ESRCH) }

func TestStopEndsAll(t *testing.T) {
	f, _ := newFleet(t, map[string]string{"one": "exec cat", "two": "exec cat"})
	one, two := f.mustStart(t, "one"), f.mustStart(t, "two")
	if gone(one) || gone(two) {
		t.Fatal("a program is gone before it is stopped")
	}
	if err := f.stop(); err != nil {
		t.Error(err)
	}
	if !gone(one) || !gone(two) {
		t.Error("a program still runs after all were stopped")
	}
	if err := f.stop(); err != nil {
		t.Errorf("stopped again: %v", err)
	}
}

func TestStopKillsTheStubborn(t *testing.T) {
	f, _ := newFleet(t, map[string]string{"mule": "trap '' TERM\necho deaf\nwhile :; do :; done"})
	mule := f.mustStart(t, "mule")
	w := &walk{config: &config{timeout: time.Minute}, say: &reporter{out: t.Output()}}
	if _, err := w.awaitLine(t.Context(), mule, "deaf"); err != nil {
		t.Fatal(err)
	}
	f.grace = 20 * time.Millisecond
	if err := f.stop(); err == nil || !strings.Contains(err.Error(), "mule did not end") {
		t.Errorf("a program that does not listen: %v", err)
	}
	if !gone(mule) {
		t.Error("it still runs")
	}
}

func TestLostProgramIsTold(t *testing.T) {
	f, ctx := newFleet(t, map[string]string{"short": `for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do echo "$1 $i"; done
exit 3`})
	p := f.mustStart(t, "short", "line")
	<-ctx.Done()
	if cause := context.Cause(ctx); cause.Error() != "short ended by itself (exit status 3)" {
		t.Errorf("the cause is %v", cause)
	}
	if interrupted(ctx) {
		t.Error("a lost program counts as an interruption")
	}
	if tail := p.tail(); len(tail) != tailLines || tail[0] != "line 2" || !slices.Contains(tail, "line 16") {
		t.Errorf("the end of the log is %q", tail)
	}
	w := &walk{config: &config{timeout: time.Minute}, say: &reporter{out: t.Output()}}
	if _, err := w.awaitLine(ctx, p, "never printed"); err == nil || !strings.HasSuffix(err.Error(), "exit status 3)") {
		t.Errorf("waiting for a lost program ends with %v", err)
	}
}

func TestMissingProgram(t *testing.T) {
	f, _ := newFleet(t, nil)
	if _, err := f.start("none"); err == nil || !strings.Contains(err.Error(), "start none") {
		t.Errorf("a missing program: %v", err)
	}
}
