package main

import (
	"os/exec"
	"syscall"
)

// apart keeps Ctrl-C on a terminal from reaching a process, and a demo that is killed from leaving it behind.
func apart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
