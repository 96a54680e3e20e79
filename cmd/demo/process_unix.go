//go:build unix && !linux

package main

import "syscall"

// processAttributes keep the terminal's Ctrl-C from the programs, which are
// stopped in order instead.
func processAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
