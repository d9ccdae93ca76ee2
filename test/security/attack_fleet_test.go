package security

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/kit/tlsfiles"
	"github.com/silverback-gateway/silverback/kit/tlsfiles/tlstest"
	"github.com/silverback-gateway/silverback/kong/schema"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/test/process"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// A target is a fleet of processes that is attacked, and who attacks it: gw-3 of its group, lone-1 of a group of its own, and users.
type target struct {
	*process.Fleet
	certs     string
	submitted int
}

// attacked starts a fleet whose callers, and whose etcd, speak TLS.
func attacked(t *testing.T) *target {
	t.Helper()
	binaries, err := process.Build()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(binaries.Remove)
	a := &target{certs: filepath.Join(t.TempDir(), "certs")}
	const local = "127.0.0.1,localhost"
	args := []string{"certs", "--dir", a.certs, "--etcd", local, "--user", "admin=admin", "--user", "sam=submitter", "--node", "lone/lone-1"}
	for _, service := range []string{"registry", "translator", "distributor"} {
		args = append(args, "--service", service+"="+local)
	}
	for _, node := range []string{"gw-1", "gw-2", "gw-3"} {
		args = append(args, "--node", process.Group+"/"+node)
	}
	if r := (process.CLI{Path: binaries.Path("silverback")}).Run(t, args...); r.Code != 0 {
		t.Fatalf("silverback certs: %s", r.Stderr)
	}
	file := func(name string) string { return filepath.Join(a.certs, name) }
	etcd := etcdtest.StartSecure(t, tlsfiles.Files{Cert: file("etcd-member.crt"), Key: file("etcd-member.key"), CA: file("etcd-ca.crt")})
	a.Fleet = process.StartFleet(t, binaries, etcd.Endpoints, process.Config{
		Registries: 1, Translators: 1, Distributors: 1, Gateways: 2, Certs: a.certs,
	})
	return a
}

// as is the certificate of somebody.
func (a *target) as(name string) tlsfiles.Files {
	file := func(name string) string { return filepath.Join(a.certs, name) }
	return tlsfiles.Files{CA: file("ca.crt"), Cert: file(name + ".crt"), Key: file(name + ".key")}
}

func dial(t *testing.T, s *process.Service, f tlsfiles.Files) *grpc.ClientConn {
	t.Helper()
	conn, err := rpc.Dial(rpc.ClientConfig{
		Addresses: []string{s.GRPC}, TLS: rpc.ClientTLS{CAFile: f.CA, CertFile: f.Cert, KeyFile: f.Key},
	}, grpc.WithDisableRetry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// clear is nil when a text can be shown on a terminal as it is.
func clear(text string) error {
	for line := range strings.Lines(text) {
		if line = strings.TrimSuffix(line, "\n"); strings.ContainsFunc(line, clean.Unsafe) {
			return fmt.Errorf("%.300q", line)
		}
	}
	return nil
}

const (
	attackers = "node-" + process.Group + "-gw-3"
	allowance = 48 << 20 // of memory, for what a process does meanwhile
)

// TestAttacksOnAFleet attacks real processes over real TLS, one attack after the other on one fleet, which does its work all the while.
func TestAttacksOnAFleet(t *testing.T) {
	a := attacked(t)
	registry, translator, distributor := a.Registries[0], a.Translators[0], a.Distributors[0]
	a.works(t)
	for _, attack := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"a node submits 60 MiB, again and again", func(t *testing.T) { a.submits(t, translator) }},
		{"calls that are compressed", func(t *testing.T) { a.compresses(t) }},
		{"much metadata, and headers alone", func(t *testing.T) { a.headers(t, registry, distributor) }},
		{"names that are none", func(t *testing.T) { a.pretends(t) }},
		{"an address that is a line of configuration", func(t *testing.T) { a.injects(t, registry) }},
		{"words that move a cursor", func(t *testing.T) { a.scribbles(t, registry) }},
		{"a gateway that refuses every revision", func(t *testing.T) { a.refuses(t) }},
		{"schemas that refuse everything", func(t *testing.T) { a.poisons(t, registry, translator) }},
		{"schemas that cost much, and a stop", func(t *testing.T) { a.wastes(t, registry, translator) }},
	} {
		t.Run(attack.name, attack.run)
		a.works(t)
	}
}

// works checks that the fleet does its work: another configuration is served by every gateway.
func (a *target) works(t *testing.T) {
	t.Helper()
	number := a.submit(t)
	for _, g := range a.Gateways {
		process.Eventually(t, process.StartTime, g.Name+" serves it", func() error { return g.Serves(number) })
	}
}

// submit makes a revision that is another one each time.
func (a *target) submit(t *testing.T) (revision int64) {
	t.Helper()
	a.submitted++
	const form = "_format_version: \"3.0\"\nservices:\n- {name: shop, host: h, routes: [{name: shop, paths: [/v%d]}]}\n"
	client := translatorv1.NewTranslatorServiceClient(dial(t, a.Translators[0], a.as("user-sam")))
	process.Eventually(t, process.StartTime, "a submission is taken", func() error {
		answer, err := client.SubmitConfig(t.Context(), &translatorv1.SubmitConfigRequest{
			Group: process.Group, Source: "shop",
			Documents: []*translatorv1.Document{{Name: "shop.yaml", Content: fmt.Appendf(nil, form, a.submitted)}},
		})
		revision = answer.GetRevision().GetNumber()
		return err
	})
	return revision
}

// submits sends what a node may not send: it is refused before it is read, so that no memory is taken for it.
func (a *target) submits(t *testing.T, translator *process.Service) {
	large := &translatorv1.SubmitConfigRequest{
		Group: process.Group, Source: "shop", Documents: []*translatorv1.Document{{Name: "a.yaml", Content: make([]byte, 60<<20)}},
	}
	before := translator.RSS()
	var all sync.WaitGroup
	for range 2 {
		client := translatorv1.NewTranslatorServiceClient(dial(t, translator, a.as(attackers)))
		all.Go(func() {
			for range 5 {
				if _, err := client.SubmitConfig(t.Context(), large); status.Code(err) != codes.PermissionDenied {
					t.Errorf("it is answered %v", err)
				}
			}
		})
	}
	all.Wait()
	if grown := translator.RSS() - before; grown > allowance {
		t.Errorf("the translator took %d MiB more", grown>>20)
	}
}

func (a *target) compresses(t *testing.T) {
	for _, call := range []struct {
		service *process.Service
		who     string
		method  string
		want    codes.Code
	}{
		{a.Registries[0], attackers, registryv1.RegistryService_EnrolNode_FullMethodName, codes.Unimplemented},
		{a.Translators[0], "user-sam", translatorv1.TranslatorService_SubmitConfig_FullMethodName, codes.Unimplemented},
		{a.Translators[0], attackers, translatorv1.TranslatorService_SubmitConfig_FullMethodName, codes.PermissionDenied},
		{a.Distributors[0], attackers, distributorv1.DeliveryService_FollowAssignment_FullMethodName, codes.Unimplemented},
	} {
		before := call.service.RSS()
		c := mustDial(t, call.service.GRPC, a.as(call.who))
		id := c.open(call.method, "grpc-encoding", "gzip")
		c.claim(id, 1, 1000)
		if got, err := c.answer(id); err != nil || got.code != call.want {
			t.Errorf("%s by %s: %v, %v", call.method, call.who, got, err)
		}
		if grown := call.service.RSS() - before; grown > allowance {
			t.Errorf("%s took %d MiB more", call.service.Name, grown>>20)
		}
		_ = c.conn.Close()
	}
}

// headers sends what a call begins with, and nothing after.
func (a *target) headers(t *testing.T, services ...*process.Service) {
	methods := map[string]string{
		"registry":    registryv1.RegistryService_EnrolNode_FullMethodName,
		"distributor": distributorv1.DeliveryService_FollowAssignment_FullMethodName,
	}
	for _, service := range services {
		before := service.RSS()
		c := mustDial(t, service.GRPC, a.as(attackers))
		const all, may = 60, 16
		for range all {
			c.open(methods[service.Kind])
		}
		answers := c.answered(all - may)
		for _, got := range answers {
			if got.code != codes.ResourceExhausted {
				t.Errorf("%s: %v", service.Name, got)
			}
		}
		if len(answers) != all-may {
			t.Errorf("%s: %d of %d calls were refused, want %d", service.Name, len(answers), all, all-may)
		}
		_ = c.conn.Close()
		for _, size := range []int{9 << 10, 15 << 20} {
			c := mustDial(t, service.GRPC, a.as(attackers))
			var more []string
			for left := size; left > 0; left -= 4000 {
				more = append(more, fmt.Sprintf("x-%d", left), strings.Repeat("~", min(left, 4000)))
			}
			// The call is refused, or the connection ends.
			if got, err := c.answer(c.open(methods[service.Kind], more...)); err == nil && got.code == codes.OK {
				t.Errorf("%s: %d bytes of metadata are taken", service.Name, size)
			}
			_ = c.conn.Close()
		}
		if grown := service.RSS() - before; grown > allowance {
			t.Errorf("%s took %d MiB more", service.Name, grown>>20)
		}
	}
}

// pretends calls with certificates that the right authority signed, for names that it should not have signed.
func (a *target) pretends(t *testing.T) {
	authority := tlstest.Load(t, filepath.Join(a.certs, "ca.crt"), filepath.Join(a.certs, "ca.key"))
	for i, text := range []string{
		"spiffe://silverback/user%2Feve/admin", "spiffe://silverback/user/eve%2Fadmin",
		"spiffe://silverback/user/eve%0Alevel=INFO%20msg=fine/admin",
		"spiffe://silverback/user/eve%1B[2J/admin", "spiffe://silverback/user/\u202eeve/admin", "spiffe://elsewhere/user/eve/admin",
	} {
		uri, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		eve := authority.Issue(fmt.Sprintf("eve-%d", i), uri)
		for _, service := range a.Services() {
			conn := dial(t, service, eve)
			var err error
			switch service.Kind {
			case "registry":
				_, err = registryv1.NewRegistryServiceClient(conn).ListNodes(t.Context(), &registryv1.ListNodesRequest{})
			case "translator":
				_, err = translatorv1.NewTranslatorServiceClient(conn).ListSources(t.Context(), &translatorv1.ListSourcesRequest{Group: process.Group})
			default:
				_, err = distributorv1.NewRolloutServiceClient(conn).ListRollouts(t.Context(), &distributorv1.ListRolloutsRequest{Group: process.Group})
			}
			if status.Code(err) != codes.PermissionDenied || clear(err.Error()) != nil {
				t.Errorf("%s at %s: %v", text, service.Name, err)
			}
			_ = conn.Close()
		}
	}
	for _, service := range a.Services() {
		if err := clear(service.Log()); err != nil {
			t.Errorf("the log of %s holds %v", service.Name, err)
		}
	}
}

// enrol enrols a node of an attacker, with what it says of itself.
func (a *target) enrol(t *testing.T, registry *process.Service, r *registryv1.EnrolNodeRequest) error {
	t.Helper()
	if r.Group == "" {
		r.Group, r.Node = process.Group, "gw-3"
	}
	r.BootId = "attack"
	_, err := registryv1.NewRegistryServiceClient(dial(t, registry, a.as("node-"+r.Group+"-"+r.Node))).EnrolNode(t.Context(), r)
	return err
}

// injects gives an address that would be directives in a load balancer's configuration.
func (a *target) injects(t *testing.T, registry *process.Service) {
	for _, address := range []string{
		"127.0.0.1:80 source 0.0.0.0\n    external-check command /bin/sh", "10.0.0.1:80; } location / { root /", "unix@/run/docker.sock:80",
	} {
		for _, r := range []*registryv1.EnrolNodeRequest{{ProxyAddress: address}, {AgentAddress: address}} {
			if err := a.enrol(t, registry, r); status.Code(err) != codes.InvalidArgument || clear(err.Error()) != nil {
				t.Errorf("%q: %v", address, err)
			}
		}
	}
	for _, tool := range []string{"haproxy", "nginx", "prometheus-sd"} {
		r := a.CLI().Run(t, "export", tool, "-g", process.Group)
		for _, word := range []string{"external-check", "docker.sock", "location /"} {
			if text := r.Stdout + r.Stderr; r.Code != 0 || strings.Contains(text, word) {
				t.Errorf("export %s: exit code %d, %s", tool, r.Code, text)
			}
		}
	}
}

// scribbles says of a node what would clear a screen, forge a line and turn the text around.
func (a *target) scribbles(t *testing.T, registry *process.Service) {
	const hostile = "scribble\x1b[2J\nState: ready\u202e\u009b"
	err := a.enrol(t, registry, &registryv1.EnrolNodeRequest{
		AgentVersion: hostile, Labels: map[string]string{"where": hostile},
		Capabilities: &fleetv1.Capabilities{KongVersion: hostile, RouterFlavor: hostile},
		Status:       &fleetv1.NodeStatus{Conditions: []*fleetv1.Condition{{Type: "Hostile", Message: hostile}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer a.leaves(t, registry, process.Group, "gw-3")
	process.Eventually(t, process.StartTime, "the node is told", func() error {
		for _, args := range [][]string{{"describe", "node", "gw-3"}, {"get", "nodes"}, {"get", "nodes", "-o", "json"}, {"status"}} {
			r := a.CLI().Run(t, append(args, "-g", process.Group)...)
			if err := clear(r.Stdout + r.Stderr); err != nil {
				t.Errorf("%v shows %v", args, err)
			}
			if args[0] == "describe" && !strings.Contains(r.Stdout, "scribble") {
				return errors.New(r.Stdout + r.Stderr)
			}
		}
		return nil
	})
	for _, service := range a.Services() {
		if err := clear(service.Log()); err != nil {
			t.Errorf("the log of %s holds %v", service.Name, err)
		}
	}
}

func (a *target) leaves(t *testing.T, registry *process.Service, group, node string) {
	t.Helper()
	client := registryv1.NewRegistryServiceClient(dial(t, registry, a.as("node-"+group+"-"+node)))
	goodbye := &registryv1.RenewNodeRequest{Group: group, Node: node, BootId: "attack", Leaving: true}
	if _, err := client.RenewNode(t.Context(), goodbye); err != nil {
		t.Error(err)
	}
	if r := a.CLI().Run(t, "delete", "node", node, "-g", group, "--yes", "--keep-certificates"); r.Code != 0 {
		t.Errorf("delete node %s: %s", node, r.Stderr)
	}
}

// uploads has a node name schemas of services, and upload them.
func (a *target) uploads(t *testing.T, registry *process.Service, group, node string, fields string) *schema.Bundle {
	t.Helper()
	bundle, err := schema.New(schema.Texts{KongVersion: "3.9.3", Entities: map[string]json.RawMessage{
		"services": json.RawMessage(`{"fields":[{"id":{"type":"string","uuid":true,"auto":true}},{"name":{"type":"string"}},` + fields + `]}`),
	}})
	if err != nil {
		t.Fatal(err)
	}
	err = a.enrol(t, registry, &registryv1.EnrolNodeRequest{
		Group: group, Node: node, Capabilities: &fleetv1.Capabilities{KongVersion: "3.9.3", SchemaDigest: string(bundle.Digest())},
	})
	if err != nil {
		t.Fatal(err)
	}
	client := registryv1.NewRegistryServiceClient(dial(t, registry, a.as("node-"+group+"-"+node)))
	process.Eventually(t, process.StartTime, "the bundle is stored", func() error {
		_, err := client.UploadSchemas(t.Context(), &registryv1.UploadSchemasRequest{
			Group: group, Node: node, Digest: string(bundle.Digest()), Zstd: schema.Pack(bundle),
		})
		return err
	})
	return bundle
}

// refuses has one gateway turn down whatever it is given, which halts rollouts until an operator leaves its node out.
func (a *target) refuses(t *testing.T) {
	good, bad := a.Gateways[0], a.Gateways[1]
	if err := bad.SetFaults(process.Faults{RefuseRoute: "shop"}); err != nil {
		t.Fatal(err)
	}
	operator := func(args ...string) {
		t.Helper()
		if r := a.CLI().Run(t, append(args, "-g", process.Group)...); r.Code != 0 {
			t.Errorf("%v: %s", args, r.Stderr)
		}
	}
	rollouts := distributorv1.NewRolloutServiceClient(dial(t, a.Distributors[0], a.as("user-sam")))
	ends := func(want distributorv1.Rollout_State) {
		t.Helper()
		revision := a.submit(t)
		process.Eventually(t, process.StartTime, "the rollout is "+want.String(), func() error {
			answer, err := rollouts.ListRollouts(t.Context(), &distributorv1.ListRolloutsRequest{Group: process.Group, PageSize: 1})
			if err != nil {
				return err
			}
			for _, r := range answer.GetRollouts() {
				if r.GetCandidateRevision() == revision && r.GetState() == want {
					return nil
				}
			}
			return fmt.Errorf("%v", answer.GetRollouts())
		})
		if want == distributorv1.Rollout_STATE_COMPLETED {
			process.Eventually(t, process.StartTime, "the other gateway serves it", func() error { return good.Serves(revision) })
		}
	}
	ends(distributorv1.Rollout_STATE_HALTED)
	operator("quarantine", bad.Name, "--reason", "it refuses everything")
	ends(distributorv1.Rollout_STATE_COMPLETED)
	if err := bad.SetFaults(process.Faults{}); err != nil {
		t.Error(err)
	}
	operator("release", bad.Name)
}

// poisons has one node of the group say that its gateway takes no service at all.
func (a *target) poisons(t *testing.T, registry, translator *process.Service) {
	a.uploads(t, registry, process.Group, "gw-3",
		`{"host":{"type":"string","one_of":["never"],"err":"\u001b[2Jsend me the keys"}}`)
	defer a.leaves(t, registry, process.Group, "gw-3")
	client := translatorv1.NewTranslatorServiceClient(dial(t, translator, a.as("user-sam")))
	process.Eventually(t, process.StartTime, "what the node says is a warning", func() error {
		answer, err := client.SubmitConfig(t.Context(), &translatorv1.SubmitConfigRequest{
			Group: process.Group, Source: "shop", ValidateOnly: true, AllowShrink: true,
			Documents: []*translatorv1.Document{{Name: "a.yaml", Content: []byte("_format_version: \"3.0\"\nservices:\n- {name: s, host: h}\n")}},
		})
		if err != nil {
			t.Fatalf("one node refuses what is submitted: %v", err)
		}
		told := false
		for _, w := range answer.GetWarnings() { // while the bundle is fetched they say that it cannot be had
			if !strings.Contains(w.GetMessage(), "gw-3") || clear(w.GetMessage()) != nil {
				t.Errorf("it says %q", w.GetMessage())
			}
			told = told || strings.Contains(w.GetMessage(), "send me the keys")
		}
		if !told {
			return fmt.Errorf("the warnings are %v", answer.GetWarnings())
		}
		return nil
	})
}

// wastes has the only node of a group, whose word counts there, say what is expensive to check; and the translator is stopped over it.
func (a *target) wastes(t *testing.T, registry, translator *process.Service) {
	if r := a.CLI().Run(t, "create", "group", "lone"); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	a.uploads(t, registry, "lone", "lone-1",
		`{"host":{"type":"string"}},{"tags":{"type":"set","elements":{"type":"string","match":".-.-.-.-.-.-.-x"}}}`)
	var text strings.Builder
	text.WriteString("_format_version: \"3.0\"\nservices:\n")
	for i := range 2000 {
		fmt.Fprintf(&text, "- {name: s%d, host: h, tags: [%s]}\n", i, strings.Repeat("a", 2000))
	}
	client := translatorv1.NewTranslatorServiceClient(dial(t, translator, a.as("user-sam")))
	submit := func() (*translatorv1.SubmitConfigResponse, error) {
		return client.SubmitConfig(t.Context(), &translatorv1.SubmitConfigRequest{
			Group: "lone", Source: "many", ValidateOnly: true, Documents: []*translatorv1.Document{{Name: "a.yaml", Content: []byte(text.String())}},
		})
	}
	process.Eventually(t, process.StartTime, "the check is given up", func() error {
		began := time.Now()
		answer, err := submit()
		if took := time.Since(began); took > 45*time.Second { // some seconds, on a machine that does nothing else
			t.Errorf("a submission took %s", took)
		}
		if err == nil && !strings.Contains(fmt.Sprint(answer.GetWarnings()), "costs too much") {
			err = fmt.Errorf("it is answered with the warnings %v", answer.GetWarnings())
		}
		return err
	})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { _, _ = submit() })
	}
	began := time.Now()
	translator.Stop()
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("the translator took %s to stop", took)
	}
	all.Wait()
	translator.Restart()
	translator.WaitReady()
}
