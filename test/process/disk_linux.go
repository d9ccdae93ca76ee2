package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
)

const ownMounts = "CHAOS_OWN_MOUNTS"

// OwnMounts runs the test binary again where it may mount file systems that end with it: in a user and a mount namespace of its own. Ran
// is false in that run, and where the system allows no namespaces; then the tests are to be run here.
func OwnMounts() (code int, ran bool) {
	if os.Getenv(ownMounts) != "" {
		return 0, false
	}
	runtime.LockOSThread()                          // whose death is the parent's
	cmd := exec.Command(os.Args[0], os.Args[1:]...) //nolint:gosec,noctx // the test itself; it ends as it wants
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), ownMounts+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Pdeathsig:   syscall.SIGKILL,
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	if err := cmd.Start(); err != nil {
		return 0, false
	}
	err := cmd.Wait()
	if exit, is := errors.AsType[*exec.ExitError](err); is {
		return max(1, exit.ExitCode()), true
	}
	return 0, true
}

// smallDisk mounts a file system of so many bytes on a folder, in a run by OwnMounts.
func smallDisk(folder string, size int64) error {
	if os.Getenv(ownMounts) == "" {
		return errors.New("a process may have no mounts of its own here")
	}
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", size)); err != nil {
		return fmt.Errorf("mount a small disk: %w", err)
	}
	return nil
}

func unmount(folder string) { _ = syscall.Unmount(folder, syscall.MNT_DETACH) }

// fill writes a file until its disk is full.
func fill(path string) error {
	f, err := os.Create(path) //nolint:gosec // made by the test
	if err != nil {
		return fmt.Errorf("fill a disk: %w", err)
	}
	defer func() { _ = f.Close() }()
	for piece := strings.Repeat("x", 1<<16); len(piece) > 0; {
		if _, err = f.WriteString(piece); err != nil {
			piece = piece[:len(piece)/2]
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("fill a disk: %w", err)
	}
	return nil
}
