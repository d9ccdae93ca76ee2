package process

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/testkit/cut"
)

// StartTime is how long a process may take until it is ready.
const StartTime = time.Minute

// Group is the group that a fleet's gateways belong to.
const Group = "default"

// diskSize is the size of a small disk: some times what an agent keeps of the configurations of tests.
const diskSize = 4 << 20

var errNoSmallDisk = errors.New("the fleet was started without small disks")

// Config says what a fleet is.
type Config struct {
	Registries, Translators, Distributors, Gateways int

	ServiceFlags     []string                 // of every service, such as --etcd-prefix for one of two fleets on an etcd
	DistributorFlags []string                 // of every distributor
	AgentFlags       []string                 // of every agent
	Label            func(node string) string // of the agent of a node, as key=value; nil is none
	GatewayFlags     []string                 // of every simulated gateway

	// BootFile is what the gateway of a node has in its boot file before its agent comes; nil is a file without entities.
	BootFile func(node string) string

	// Links puts a link that can be cut between each service and etcd, and between each agent and what it dials.
	Links bool

	// SmallDisks gives each gateway and its agent a disk of their own for their files, which can be filled. Where that is not allowed, they
	// have none, and Gateway.NoDisk says why.
	SmallDisks bool

	// Certs is a folder of certificates by silverback certs: of the three services for 127.0.0.1, of the nodes gw-1 to gw-n of the
	// group, and of the user admin. With it all parts speak TLS, to etcd too, and tell callers apart.
	Certs string
}

// A Fleet is all processes, and the addresses at which they stay.
type Fleet struct {
	Registries, Translators, Distributors []*Service
	Gateways                              []*Gateway

	tb       testing.TB
	binaries Binaries
	dir      string
	certs    string
	config   Config
	twins    int
}

// A Service is one replica.
type Service struct {
	*Process
	Kind string // registry, translator or distributor
	GRPC string // host:port
	HTTP string // host:port

	ToEtcd []*cut.Link // one for each member; none without Config.Links
}

// A Gateway is a simulated Kong and the agent beside it.
type Gateway struct {
	Name  string
	Kong  *Process
	Agent *Process

	Proxy, Admin, Status string // URLs
	HTTP                 string // host:port of the agent
	BootFile             string
	Control              string // URL at which the simulated gateway takes faults
	NoDisk               error  // why the disk cannot be filled; nil with Config.SmallDisks, where it can

	ballast string // the file that fills the disk

	// The agent's ways out, one for each replica; none without Config.Links.
	ToRegistry, ToDistributor, ToAdmin []*cut.Link
}

// Faults is what is wrong with a simulated gateway. The zero value ends all faults.
type Faults struct {
	Hang         bool   `json:"hang"`
	WorkersStuck bool   `json:"workers_stuck"`
	RefuseRoute  string `json:"refuse_route"`
	SlowMillis   int    `json:"slow_ms"`
	FailNext     int    `json:"fail_next"`
}

// SetFaults replaces what is wrong with the simulated gateway. It fails when that process does not run.
func (g *Gateway) SetFaults(f Faults) error {
	body, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("encode faults: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, g.Control+"/faults", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("make the request for faults: %w", err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("set faults of %s: %w", g.Name, err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("set faults of %s: %s", g.Name, answer.Status)
	}
	return nil
}

// Posts counts the configurations that the simulated gateway began to receive. It fails when that process does not run.
func (g *Gateway) Posts() (int64, error) {
	status, body, err := Get(g.Control + "/posts")
	if err != nil || status != http.StatusOK {
		return 0, errors.Join(fmt.Errorf("ask %s for its posts: status %d", g.Name, status), err)
	}
	return strconv.ParseInt(strings.TrimSpace(string(body)), 10, 64)
}

// FillDisk leaves no byte on the disk of the gateway and its agent, until EmptyDisk.
func (g *Gateway) FillDisk() error {
	if g.NoDisk != nil {
		return g.NoDisk
	}
	return fill(g.ballast)
}

// EmptyDisk ends FillDisk.
func (g *Gateway) EmptyDisk() error {
	if err := os.Remove(g.ballast); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("empty the disk of %s: %w", g.Name, err)
	}
	return nil
}

// AgentView is what an agent says of itself.
type AgentView struct {
	Revision       int64  `json:"revision"`
	WantedRevision int64  `json:"wanted_revision"`
	Epoch          int64  `json:"epoch"`
	Decision       int64  `json:"decision"`
	Term           int64  `json:"term"`
	ReceivedBytes  int64  `json:"received_bytes"`
	Loads          int64  `json:"loads"`
	Digest         string `json:"digest"`
	Phase          string `json:"phase"`
	Proven         bool   `json:"proven"`
	Connected      bool   `json:"connected"`
	Enrolled       bool   `json:"enrolled"`
	Probes         []any  `json:"probes"`
	Targets        struct {
		Version, Wanted, Out, Absent, Releasing int64
	} `json:"drained_targets"`
}

// StartFleet starts a fleet on an etcd, and returns when every service is ready and every agent is known.
func StartFleet(tb testing.TB, binaries Binaries, etcd []string, c Config) *Fleet {
	tb.Helper()
	f := &Fleet{tb: tb, binaries: binaries, dir: tb.TempDir(), certs: c.Certs, config: c}
	for i := range c.Registries {
		f.Registries = append(f.Registries, f.service("registry", i, etcd, "--default-group="+Group, "--session-ttl=6s", "--renew-interval=1s"))
	}
	toRegistry := "--registry=" + strings.Join(addresses(f.Registries), ",")
	for i := range c.Translators {
		f.Translators = append(f.Translators, f.service("translator", i, etcd, toRegistry))
	}
	toTranslator := "--translator=" + strings.Join(addresses(f.Translators), ",")
	for i := range c.Distributors {
		f.Distributors = append(f.Distributors, f.service("distributor", i, etcd,
			append([]string{toRegistry, toTranslator}, c.DistributorFlags...)...))
	}
	for _, s := range f.Services() {
		s.WaitReady()
	}
	for range c.Gateways {
		f.AddGateway()
	}
	return f
}

func (f *Fleet) service(kind string, i int, etcd []string, flags ...string) *Service {
	f.tb.Helper()
	s := &Service{Kind: kind, GRPC: Address(f.tb), HTTP: Address(f.tb)}
	s.ToEtcd, etcd = f.links(etcd)
	args := append([]string{"--listen=" + s.GRPC, "--http-listen=" + s.HTTP, "--etcd-endpoints=" + strings.Join(etcd, ",")},
		slices.Concat(f.config.ServiceFlags, flags)...)
	if f.certs != "" {
		name := "service-" + kind
		args = append(args, "--cert-file="+f.cert(name+".crt"), "--key-file="+f.cert(name+".key"), "--client-ca-file="+f.cert("ca.crt"),
			"--etcd-ca-file="+f.cert("etcd-ca.crt"), "--etcd-cert-file="+f.cert("etcd-client-"+kind+".crt"), "--etcd-key-file="+
				f.cert("etcd-client-"+kind+".key"))
		if kind != "registry" { // it calls nobody
			args = append(args, f.client(name)...)
		}
	}
	s.Process = Start(f.tb, fmt.Sprintf("%s-%d", kind, i+1), f.binaries.Path(kind), args...)
	return s
}

// links returns a link to each address, and where the links are; without Config.Links no link, and the addresses.
func (f *Fleet) links(to []string) (links []*cut.Link, at []string) {
	if !f.config.Links {
		return nil, to
	}
	for _, address := range to {
		link := cut.New(f.tb, address)
		links, at = append(links, link), append(at, link.Address)
	}
	return links, at
}

func (f *Fleet) cert(file string) string { return filepath.Join(f.certs, file) }

// client returns the flags of a client of the services.
func (f *Fleet) client(name string) []string {
	return []string{"--ca-file=" + f.cert("ca.crt"), "--client-cert-file=" + f.cert(name+".crt"), "--client-key-file=" + f.cert(name+".key")}
}

// AddGateway starts one more gateway with its agent, and returns when the agent is known to the services.
func (f *Fleet) AddGateway() *Gateway {
	f.tb.Helper()
	name := fmt.Sprintf("gw-%d", len(f.Gateways)+1)
	g := f.gateway(name, name)
	f.Gateways = append(f.Gateways, g)
	g.WaitJoined(f.tb)
	return g
}

// Twin starts another gateway whose agent calls itself as that of the first does, as a copied machine would. It is not among
// Fleet.Gateways.
func (f *Fleet) Twin(of *Gateway) *Gateway {
	f.tb.Helper()
	f.twins++
	return f.gateway(of.Name, fmt.Sprintf("%s-twin-%d", of.Name, f.twins))
}

// gateway starts a simulated Kong and its agent, which is a node of that name, with their files in a folder.
func (f *Fleet) gateway(name, folder string) *Gateway {
	f.tb.Helper()
	dir := filepath.Join(f.dir, folder)
	g := &Gateway{
		Name: name, Proxy: "http://" + Address(f.tb), Admin: "http://" + Address(f.tb), Status: "http://" + Address(f.tb),
		HTTP: Address(f.tb), BootFile: filepath.Join(dir, "kong.yaml"), Control: "http://" + Address(f.tb),
	}
	// Kong does not start without the file that its declarative_config names.
	err := os.MkdirAll(dir, 0o700)
	if g.ballast, g.NoDisk = filepath.Join(dir, "ballast"), errNoSmallDisk; err == nil && f.config.SmallDisks {
		if g.NoDisk = smallDisk(dir, diskSize); g.NoDisk == nil {
			f.tb.Cleanup(func() { unmount(dir) })
		}
	}
	if err == nil {
		first := "{\"_format_version\":\"3.0\"}\n"
		if f.config.BootFile != nil {
			first = f.config.BootFile(name)
		}
		err = os.WriteFile(g.BootFile, []byte(first), 0o600)
	}
	if err != nil {
		f.tb.Fatal(err)
	}
	host := func(url string) string { return strings.TrimPrefix(url, "http://") }
	kong := append([]string{
		"-proxy=" + host(g.Proxy), "-admin=" + host(g.Admin), "-status=" + host(g.Status), "-workers=2", "-declarative-config=" + g.BootFile,
		"-control=" + host(g.Control),
	}, f.config.GatewayFlags...)
	g.Kong = Start(f.tb, "kong-"+folder, f.binaries.Path("kongsim"), kong...)
	Eventually(f.tb, StartTime, name+" answers", g.KongReady)
	var registries, distributors, admin []string
	g.ToRegistry, registries = f.links(addresses(f.Registries))
	g.ToDistributor, distributors = f.links(addresses(f.Distributors))
	g.ToAdmin, admin = f.links([]string{host(g.Admin)})
	args := []string{
		"--group=" + Group, "--node=" + name, "--kong-admin=http://" + admin[0], "--kong-proxy=" + g.Proxy,
		"--kong-status=" + g.Status, "--registry=" + strings.Join(registries, ","), "--distributor=" + strings.Join(distributors, ","),
		"--state-dir=" + filepath.Join(dir, "agent"), "--boot-file=" + g.BootFile, "--http-listen=" + g.HTTP, "--drift-interval=500ms",
	}
	args = append(args, f.config.AgentFlags...)
	if f.config.Label != nil {
		args = append(args, "--label="+f.config.Label(name))
	}
	if f.certs != "" {
		args = append(args, f.client("node-"+Group+"-"+name)...)
	}
	g.Agent = Start(f.tb, "agent-"+folder, f.binaries.Path("agent"), args...)
	return g
}

// Services returns all replicas of all services.
func (f *Fleet) Services() []*Service {
	return append(append(append([]*Service(nil), f.Registries...), f.Translators...), f.Distributors...)
}

// CLI returns the command line of this fleet, with the addresses of every replica.
func (f *Fleet) CLI() CLI {
	c := CLI{
		Path: f.binaries.Path("silverback"), Registry: addresses(f.Registries), Translator: addresses(f.Translators),
		Distributor: addresses(f.Distributors),
	}
	if f.certs != "" {
		c.Env = f.User("admin")
	}
	return c
}

// User returns the environment with which the command line is a user of a fleet with certificates.
func (f *Fleet) User(name string) []string {
	return []string{
		"SILVERBACK_CA_FILE=" + f.cert("ca.crt"), "SILVERBACK_CERT_FILE=" + f.cert("user-"+name+".crt"), "SILVERBACK_KEY_FILE=" +
			f.cert("user-"+name+".key"),
	}
}

func addresses(services []*Service) []string {
	var all []string
	for _, s := range services {
		all = append(all, s.GRPC)
	}
	return all
}

// WaitReady waits until the replica says that it is ready.
func (s *Service) WaitReady() {
	s.tb.Helper()
	Eventually(s.tb, StartTime, s.Name+" is ready", func() error { return Ready("http://" + s.HTTP + "/readyz") })
}

// KongReady is nil when the gateway's Admin API answers.
func (g *Gateway) KongReady() error { return Ready(g.Admin + "/status") }

// WaitJoined waits until the agent has enrolled and follows its assignment.
func (g *Gateway) WaitJoined(tb testing.TB) {
	tb.Helper()
	Eventually(tb, StartTime, g.Name+" has joined", g.Joined)
}

// Joined is nil when the agent has enrolled and follows its assignment.
func (g *Gateway) Joined() error {
	v, err := g.View()
	if err == nil && (!v.Connected || !v.Enrolled) {
		err = fmt.Errorf("connected: %v, enrolled: %v", v.Connected, v.Enrolled)
	}
	return err
}

// View asks the agent how it is.
func (g *Gateway) View() (AgentView, error) {
	status, body, err := Get("http://" + g.HTTP + "/status")
	if err != nil {
		return AgentView{}, err
	}
	if status != 200 {
		return AgentView{}, fmt.Errorf("the agent answers %d", status)
	}
	var v AgentView
	if err := json.Unmarshal(body, &v); err != nil {
		return AgentView{}, fmt.Errorf("read the agent's status: %w", err)
	}
	return v, nil
}

// Serves is nil when the agent has proven that the gateway serves a revision.
func (g *Gateway) Serves(revision int64) error {
	v, err := g.View()
	if err == nil && (v.Revision != revision || !v.Proven) {
		err = fmt.Errorf("%s: revision %d, proven: %v, phase %s, wanted %d", g.Name, v.Revision, v.Proven, v.Phase, v.WantedRevision)
	}
	return err
}

// Route asks the gateway's proxy for a path and returns the status and the body.
func (g *Gateway) Route(path string) (int, string, error) {
	status, body, err := Get(g.Proxy + path)
	return status, string(body), err
}
