package gatewayapi

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"github.com/vishvananda/netlink"
)

const inside = "SILVERBACK_GATEWAYAPI_INSIDE"

// The addresses inside: all of them are this machine's.
const (
	podNetwork = "10.244.0.0/16"
	// GatewayAddress is where the gateway listens, and what Gateways have as their address.
	GatewayAddress = "10.243.0.1"
	outNetwork     = "10.243.0.0/24"
)

// OwnNetwork runs this program again in a network of its own. Ran is false in that run.
func OwnNetwork() (code int, ran bool, err error) {
	if os.Getenv(inside) != "" {
		return 0, false, setUp()
	}
	runtime.LockOSThread()                          // whose death is the parent's
	cmd := exec.Command(os.Args[0], os.Args[1:]...) //nolint:gosec,noctx // the test itself; it ends as it wants
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if os.Getuid() != 0 { // as root of a user namespace it may set up its network and listen on low ports
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), true, nil
	}
	if err != nil {
		return 1, true, fmt.Errorf("a network of its own: %w", err)
	}
	return 0, true, nil
}

// setUp makes every address of the networks local.
func setUp() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("set up the network: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("set up the network: %w", err)
	}
	for _, text := range []string{podNetwork, outNetwork} {
		_, network, err := net.ParseCIDR(text)
		if err != nil {
			return err
		}
		route := &netlink.Route{LinkIndex: lo.Attrs().Index, Dst: network, Scope: netlink.SCOPE_HOST, Type: syscall.RTN_LOCAL,
			Table: syscall.RT_TABLE_LOCAL}
		if err := netlink.RouteAdd(route); err != nil {
			return fmt.Errorf("make %s local: %w", text, err)
		}
	}
	return nil
}
