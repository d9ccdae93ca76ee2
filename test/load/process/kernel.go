package process

import (
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// cpuOf reads the CPU clock of a process, which counts nanoseconds where /proc counts hundredths of a second.
func cpuOf(pid int) (time.Duration, error) {
	const cpuClockOfProcess = 2 // CPUCLOCK_SCHED; the rest of the id is the complement of the process id
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|cpuClockOfProcess), &t); err != nil {
		return 0, fmt.Errorf("read CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// RaiseFiles lets this process, and those that it starts, open as many files as the system allows, and returns how many that is.
func RaiseFiles() (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("read limit of open files: %w", err)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("raise limit of open files: %w", err)
	}
	return int(limit.Cur), nil
}
