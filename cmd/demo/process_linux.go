package main

import "syscall"

// processAttributes keep the terminal's Ctrl-C from the programs, which are
// stopped in order instead, and end them with the demo even when it is killed.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
