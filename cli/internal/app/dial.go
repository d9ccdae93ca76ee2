package app

import (
	"github.com/silverback-gateway/silverback/client"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// Client returns the client of the services that the flags name. It lives until Close. Invalid flags make its calls fail.
func (a *App) Client() *client.Client {
	if a.client == nil {
		a.client, _ = client.Dial(client.Config{
			Registry: a.Flags.Registry, Translator: a.Flags.Translator, Distributor: a.Flags.Distributor, TLS: a.Flags.TLS,
		})
	}
	return a.client
}

// Registry returns a client of the registry.
func (a *App) Registry() registryv1.RegistryServiceClient { return a.Client().Registry() }

// Translator returns a client of the translator.
func (a *App) Translator() translatorv1.TranslatorServiceClient { return a.Client().Translator() }

// Rollouts returns a client of the distributor.
func (a *App) Rollouts() distributorv1.RolloutServiceClient { return a.Client().Rollouts() }

// Targets returns a client of the distributor for drained targets.
func (a *App) Targets() distributorv1.TargetServiceClient { return a.Client().Targets() }

// Close ends the connections.
func (a *App) Close() {
	if a.client != nil {
		a.client.Close()
		a.client = nil
	}
}
