// Package client is the Go client of Silverback. A program dials the services, submits a source of a group, waits until every gateway of
// the group serves it, and watches rollouts. Everything else is a call of the generated clients that Registry, Translator and Rollouts
// return.
//
// Every failed call is an [*Error]: get it with errors.As. The other errors of [Client.Wait] are [*HaltedError], [*OverwrittenError],
// [*NotConvergedError] and [*UnverifiedError].
//
// The package reads no configuration files and needs no etcd. docs/client.md of the repository has a whole program.
package client

import (
	"errors"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// The messages that most programs need, under one import.
type (
	// A Document is one file of a submission.
	Document = translatorv1.Document
	// A SubmitRequest makes documents the content of a source of a group.
	SubmitRequest = translatorv1.SubmitConfigRequest
	// A SubmitResponse has the revision, what it changes and warnings.
	SubmitResponse = translatorv1.SubmitConfigResponse
	// A Revision is a position in the history of a group.
	Revision = translatorv1.Revision
	// A Rollout moves a group to a revision.
	Rollout = distributorv1.Rollout
	// An Event is something that happened to a group; its reason is one of those in docs/events.md.
	Event = distributorv1.Event
	// A Problem names the file, line, object and field that were refused, and the reason.
	Problem = fleetv1.Problem
)

// Names of the services, as in [Error.Service].
const (
	Registry    = "registry"
	Translator  = "translator"
	Distributor = "distributor"
)

// maxReceive is the largest response in bytes. It admits the largest snapshot in one message.
const maxReceive = 160 << 20

// Config says where the services are. Calls of a service without addresses fail.
type Config struct {
	// Addresses of the replicas, as host:port. One name that resolves to several replicas will do.
	Registry, Translator, Distributor []string
	TLS                               TLS
}

// TLS names PEM files. Connections are plain without a CAFile. Files may be replaced while the client runs: new connections use the new
// ones.
type TLS struct {
	CAFile   string // the authority that signed the certificates of the services
	CertFile string // the certificate of this client; with KeyFile or not at all
	KeyFile  string
}

// Client calls the services of one fleet. It is safe for concurrent use. Close it.
type Client struct {
	registry, translator, distributor *replicas
}

// Dial returns a client. It opens no connection before the first call. It fails when an address is not host:port or the TLS files are
// unusable. The client that comes with the error fails the calls of the services that cannot be dialed.
func Dial(c Config) (*Client, error) {
	client := &Client{
		registry:    newReplicas(Registry, c.Registry, c.TLS),
		translator:  newReplicas(Translator, c.Translator, c.TLS),
		distributor: newReplicas(Distributor, c.Distributor, c.TLS),
	}
	var problems []error
	for _, r := range client.all() {
		if len(r.addresses) > 0 {
			problems = append(problems, r.err)
		}
	}
	return client, errors.Join(problems...)
}

func (c *Client) all() []*replicas { return []*replicas{c.registry, c.translator, c.distributor} }

// Close ends the connections and the calls that use them.
func (c *Client) Close() {
	for _, r := range c.all() {
		if r.conn != nil {
			_ = r.conn.Close()
		}
	}
}

// Registry returns a client of the registry: groups, nodes, revocations.
func (c *Client) Registry() registryv1.RegistryServiceClient {
	return registryv1.NewRegistryServiceClient(c.registry)
}

// Translator returns a client of the translator: sources, revisions, snapshots.
func (c *Client) Translator() translatorv1.TranslatorServiceClient {
	return translatorv1.NewTranslatorServiceClient(c.translator)
}

// Events returns a client of the distributor: what happened. WatchEvents is easier to follow.
func (c *Client) Events() distributorv1.EventServiceClient {
	return distributorv1.NewEventServiceClient(c.distributor)
}

// Rollouts returns a client of the distributor: rollouts, assignments, the ledger.
func (c *Client) Rollouts() distributorv1.RolloutServiceClient {
	return distributorv1.NewRolloutServiceClient(c.distributor)
}

// Targets returns a client of the distributor for targets of upstreams that gateways keep out.
func (c *Client) Targets() distributorv1.TargetServiceClient {
	return distributorv1.NewTargetServiceClient(c.distributor)
}
