package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/test/e2e/suite"
	"github.com/silverback-gateway/silverback/test/process"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
	"github.com/silverback-gateway/silverback/testkit/shared"
)

const (
	firstPrefix  = "/silverback/v1/" // where every installation was before it could be told another, and where it is found after an upgrade
	secondPrefix = "/silverback-eu/v1/"
)

// everyKey is what a small fleet with one group, node and revision writes; ELECTION is the id of the election.
var everyKey = []string{
	`identity/groups/default`,
	`identity/nodes/default/gw-1`,
	`identity/sessions/default/gw-1`,
	`identity/schemas/sha256:[0-9a-f]{64}`,
	`identity/uploads/sha256:[0-9a-f]{64}`,
	`desired/sources/default/default`,
	`desired/revisions/default/0000000000000001`,
	`desired/heads/default`,
	`desired/requests/default/[^/]+`,
	`content/chunks/[0-9a-f]{64}`,
	`content/manifests/[0-9a-f]{64}`,
	`content/fragments/[0-9a-f]{64}`,
	`content/fragments/[0-9a-f]{64}/0000`,
	`decided/assignments/default`,
	`decided/rollouts/default/[^/]+`,
	`decided/events/[0-9a-f]{16}-[0-9a-f]{8}`,
	`decided/told/default`,
	`observed/tallies/default/[^/]+/[^/]+`,
	`identity/replicas/[0-9a-f]+`,
	`desired/replicas/[0-9a-f]+`,
	`observed/replicas/[0-9a-f]+`,
	`election/ELECTION/[0-9a-f]+`,
}

// TestTwoInstallationsInOneEtcd has two fleets on an etcd, with the same names for everything. One is told neither prefix nor election.
func TestTwoInstallationsInOneEtcd(t *testing.T) {
	etcd := etcdtest.Start(t)
	size := process.Config{Registries: 1, Translators: 1, Distributors: 1, Gateways: 1,
		GatewayFlags: []string{"-schemas=" + shared.SchemaDir(t)}}
	first := process.StartFleet(t, binaries, etcd.Endpoints, size)
	size.ServiceFlags, size.DistributorFlags = []string{"--etcd-prefix=" + secondPrefix}, []string{"--election-id=eu"}
	second := process.StartFleet(t, binaries, etcd.Endpoints, size)

	fleets := map[string]*process.Fleet{"first": first, "second": second}
	for name, f := range fleets {
		config := "_format_version: \"3.0\"\nroutes:\n- name: who\n  paths: [/who]\n  plugins:\n" +
			"  - {name: request-termination, config: {status_code: 200, message: " + name + "}}\n"
		suite.Want(t, f.CLI().Run(t, "apply", "-g", process.Group, "--wait", suite.Write(t, "kong.yaml", config)), 0, "revision 1 committed")
	}
	for name, f := range fleets {
		status, body, err := f.Gateways[0].Route("/who")
		if err != nil || status != 200 || !strings.Contains(body, name) {
			t.Errorf("the gateway of the %s answers %d %q, %v", name, status, body, err)
		}
		if n := suite.Revisions(t, f.CLI(), process.Group); n != 1 {
			t.Errorf("the group of the %s has %d revisions", name, n)
		}
		var nodes struct{ Nodes []any }
		suite.Decode(t, f.CLI().Run(t, "get", "nodes", "-g", process.Group, "-o", "json"), &nodes)
		if len(nodes.Nodes) != 1 {
			t.Errorf("the %s knows %d nodes", name, len(nodes.Nodes))
		}
	}
	for name, f := range fleets { // at the same time, for neither began to lead since
		_, body, err := process.Get("http://" + f.Distributors[0].HTTP + "/metrics")
		if err != nil || !strings.Contains(string(body), "\nsilverback_leader 1\n") ||
			!strings.Contains(string(body), "\nsilverback_leader_terms_total 1\n") {
			t.Errorf("the distributor of the %s does not lead since its start: %v", name, err)
		}
	}

	// Agents upload their gateways' schemas a while after they came.
	for _, prefix := range []string{firstPrefix, secondPrefix} {
		process.Eventually(t, time.Minute, "schemas are under "+prefix, func() error {
			answer, err := etcd.Client(t).Get(t.Context(), prefix+"identity/uploads/", clientv3.WithPrefix(), clientv3.WithCountOnly())
			if err == nil && answer.Count == 0 {
				err = errors.New("none")
			}
			return err
		})
	}
	var outside []string
	under := map[string][]string{}
	for _, key := range written(t, etcd) {
		if rest, ok := strings.CutPrefix(key, firstPrefix); ok {
			under[firstPrefix] = append(under[firstPrefix], rest)
		} else if rest, ok := strings.CutPrefix(key, secondPrefix); ok {
			under[secondPrefix] = append(under[secondPrefix], rest)
		} else {
			outside = append(outside, key)
		}
	}
	if outside != nil {
		t.Errorf("written outside of both prefixes: %q", outside)
	}
	for prefix, election := range map[string]string{firstPrefix: "distributor", secondPrefix: "eu"} {
		seen := map[string]bool{}
		for _, key := range under[prefix] {
			i := slices.IndexFunc(everyKey, func(pattern string) bool {
				return regexp.MustCompile("^" + strings.Replace(pattern, "ELECTION", election, 1) + "$").MatchString(key)
			})
			if i < 0 {
				t.Errorf("nothing is known of %s%s", prefix, key)
				continue
			}
			seen[everyKey[i]] = true
		}
		for _, pattern := range everyKey {
			if !seen[pattern] {
				t.Errorf("nothing is written at %s%s", prefix, pattern)
			}
		}
	}

	t.Run("what is taken from one stays in the other", func(t *testing.T) {
		suite.Want(t, first.CLI().Run(t, "delete", "source", "default", "-g", process.Group, "--allow-shrink", "--yes"), 0)
		process.Eventually(t, time.Minute, "the first gateway has lost its route", func() error {
			if status, _, err := first.Gateways[0].Route("/who"); err != nil || status != 404 {
				return fmt.Errorf("it answers %d, %w", status, err)
			}
			return nil
		})
		if status, body, err := second.Gateways[0].Route("/who"); err != nil || status != 200 || !strings.Contains(body, "second") {
			t.Errorf("the gateway of the second answers %d %q, %v", status, body, err)
		}
	})
}

// written returns every key that was ever written or deleted, in order.
func written(t *testing.T, etcd *etcdtest.Server) []string {
	t.Helper()
	const end = "\xff/end"
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client := etcd.Client(t)
	if _, err := client.Put(ctx, end, ""); err != nil {
		t.Fatal(err)
	}
	keys := map[string]struct{}{}
	for answer := range client.Watch(ctx, "\x00", clientv3.WithFromKey(), clientv3.WithRev(1)) {
		if err := answer.Err(); err != nil {
			t.Fatalf("read the history of etcd: %v", err)
		}
		for _, e := range answer.Events {
			if string(e.Kv.Key) == end {
				return slices.Sorted(maps.Keys(keys))
			}
			keys[string(e.Kv.Key)] = struct{}{}
		}
	}
	t.Fatal("the history of etcd has no end")
	return nil
}

func TestAWrongPlaceInEtcdIsRefusedAtTheStart(t *testing.T) {
	for _, service := range []string{"registry", "translator", "distributor"} {
		cli := process.CLI{Path: binaries.Path(service), Registry: []string{"localhost:7440"}, Translator: []string{"localhost:7441"}}
		suite.Want(t, cli.Run(t, "--check", "--etcd-prefix=/silverback"), 1,
			`--etcd-prefix: "/silverback": it begins and ends with /; such as /silverback/v1/`)
		suite.Want(t, cli.Run(t, "--check", "--etcd-prefix="), 1, "--etcd-prefix")
		suite.Want(t, cli.Run(t, "--check", "--etcd-prefix="+secondPrefix), 0)
	}
	cli := process.CLI{Path: binaries.Path("distributor"), Registry: []string{"localhost:7440"}, Translator: []string{"localhost:7441"}}
	suite.Want(t, cli.Run(t, "--check", "--election-id=a/b"), 1, `--election-id "a/b": it is one element of a key`)
	suite.Want(t, cli.Run(t, "--check", "--election-id=eu"), 0)
}
