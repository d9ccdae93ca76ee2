package app

import (
	"fmt"
	"net"

	"google.golang.org/grpc"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

const distributor = "distributor"

// RegistryClient returns a client of the registry. It does not connect before the first call.
func (a *App) RegistryClient() (registryv1.RegistryServiceClient, error) {
	conn, err := a.dial("registry", a.Flags.Registry)
	if err != nil {
		return nil, err
	}
	return registryv1.NewRegistryServiceClient(conn), nil
}

// TranslatorClient returns a client of the translator. It does not connect before the first call.
func (a *App) TranslatorClient() (translatorv1.TranslatorServiceClient, error) {
	conn, err := a.dial("translator", a.Flags.Translator)
	if err != nil {
		return nil, err
	}
	return translatorv1.NewTranslatorServiceClient(conn), nil
}

// RolloutClient returns a client of the distributor. It does not connect before the first call.
func (a *App) RolloutClient() (distributorv1.RolloutServiceClient, error) {
	conn, err := a.dial(distributor, a.Flags.Distributor)
	if err != nil {
		return nil, err
	}
	return distributorv1.NewRolloutServiceClient(conn), nil
}

// NextDistributor has the next call of a rollout client go to another replica of the distributor. It ends the calls that run.
func (a *App) NextDistributor() error {
	if s := a.services[distributor]; s != nil {
		return s.elsewhere()
	}
	return nil
}

// dial opens a connection to the replicas of a service; it lives until Close.
func (a *App) dial(name string, addresses []string) (grpc.ClientConnInterface, error) {
	if s, ok := a.services[name]; ok {
		return s, nil
	}
	for _, address := range addresses {
		if _, port, err := net.SplitHostPort(address); err != nil || port == "" {
			return nil, fmt.Errorf("--%s %q: want host:port", name, address)
		}
	}
	conn, err := connect(addresses, a.Flags)
	if err != nil {
		return nil, fmt.Errorf("connect to the %s: %w", name, err)
	}
	if a.services == nil {
		a.services = map[string]*service{}
	}
	s := &service{name: name, addresses: addresses, flags: a.Flags, conn: conn}
	a.services[name] = s
	return s, nil
}

// Close ends the connections.
func (a *App) Close() {
	for _, s := range a.services {
		_ = s.conn.Close()
	}
	a.services = nil
}
