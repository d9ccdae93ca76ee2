//go:build !linux

package process

import "syscall"

// attributes are none where a process cannot be tied to its parent.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
