package app

import (
	"github.com/silverback-gateway/silverback/client"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// Client returns the client of the services that the flags name. It lives until Close and does not connect before the first call.
func (a *App) Client() (*client.Client, error) {
	if a.client != nil {
		return a.client, nil
	}
	var err error
	a.client, err = client.Dial(client.Config{
		Registry: a.Flags.Registry, Translator: a.Flags.Translator, Distributor: a.Flags.Distributor, TLS: a.Flags.TLS,
	})
	return a.client, err
}

// RegistryClient returns a client of the registry.
func (a *App) RegistryClient() (registryv1.RegistryServiceClient, error) {
	c, err := a.Client()
	if err != nil {
		return nil, err
	}
	return c.Registry(), nil
}

// TranslatorClient returns a client of the translator.
func (a *App) TranslatorClient() (translatorv1.TranslatorServiceClient, error) {
	c, err := a.Client()
	if err != nil {
		return nil, err
	}
	return c.Translator(), nil
}

// RolloutClient returns a client of the distributor.
func (a *App) RolloutClient() (distributorv1.RolloutServiceClient, error) {
	c, err := a.Client()
	if err != nil {
		return nil, err
	}
	return c.Rollouts(), nil
}

// Close ends the connections.
func (a *App) Close() {
	if a.client != nil {
		a.client.Close()
		a.client = nil
	}
}
