//go:build !linux

package gatewayapi

import "errors"

// GatewayAddress is where the gateway listens, and what Gateways have as their address.
const GatewayAddress = "127.0.0.1"

// OwnNetwork fails: only Linux gives a process a network of its own.
func OwnNetwork() (code int, ran bool, err error) {
	return 1, true, errors.New("the suite needs Linux")
}
