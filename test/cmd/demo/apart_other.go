//go:build !linux

package main

import (
	"os/exec"
	"syscall"
)

// apart keeps Ctrl-C on a terminal from reaching a process.
func apart(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
