package security

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// An attack is a row of the table of docs/security.md: what somebody does, and the tests that do it. The document says what comes of it.
type attack struct {
	does string
	held []string // file: test
}

const (
	onAFleet = "test/security/attack_fleet_test.go: TestAttacksOnAFleet"
	byHand   = "test/security/hostile_test.go: "
)

// attacks is every attack that was thought of. A new one goes to those of its kind.
var attacks = []attack{
	// What a caller takes up.
	{"a node sends a submission of 60 MiB, again and again", []string{onAFleet, byHand + "TestRightsComeBeforeTheBody"}},
	{"a caller sends a message that is compressed", []string{onAFleet, byHand + "TestRightsComeBeforeTheBody"}},
	{"a caller says that a large message follows, and sends none of it", []string{
		byHand + "TestRightsComeBeforeTheBody", byHand + "TestLargeRequestsWaitForEachOther",
		"kit/rpcserver/receive_internal_test.go: TestARequestMustComeInTime",
	}},
	{"a caller sends up to 15 MiB of headers or metadata", []string{onAFleet, byHand + "TestHeadersAloneAreBounded"}},
	{"a caller opens calls and sends their headers only", []string{onAFleet, byHand + "TestHeadersAloneAreBounded"}},
	{"a caller opens more streams than a connection takes", []string{byHand + "TestHeadersAloneAreBounded"}},
	{"a node opens connection after connection", []string{byHand + "TestANodeHasAFewConnections"}},
	{"a node says that it serves what is no inventory, or unpacks to more than it may",
		[]string{"kong/inventory/inventory_test.go: TestPackAndUnpack"}},
	{"an agent invents groups", []string{"services/distributor/internal/stream/repair_test.go: TestUnknownGroupsOfAgentsAreForgotten"}},

	// Who somebody is.
	{"a caller has a certificate of another role or node, or none", []string{"test/security/access_test.go: TestEveryRPCAsEveryCaller"}},
	{"a node's certificate is used for another node", []string{"test/security/fleet_test.go: TestAFleetThatTellsCallersApart"}},
	{"a certificate has a name such as `user%2Feve/admin`, or of another trust domain", []string{
		onAFleet, "kit/identity/identity_test.go: TestOtherURIsAreNobody",
	}},
	{"a stream outlives the certificate that it was opened with", []string{byHand + "TestAConnectionEndsWithItsCertificate"}},
	{"somebody uses a certificate that was stolen and revoked, or that of a node that was deleted", []string{
		"test/security/revocation_fleet_test.go: TestARevocationIsInForceEverywhere",
		"kit/rpcserver/revoked_test.go: TestARevokedCertificateIsCutOffAndKeptOut",
		"test/security/access_test.go: TestARevokedCertificateIsRefusedByEveryRPC",
	}},

	// etcd.
	{"a gateway, a user or a service as a caller shows etcd its certificate", []string{
		"test/security/fleet_test.go: TestAFleetThatTellsCallersApart",
	}},
	{"a service reads or writes another service's part of etcd", []string{
		"test/security/fleet_test.go: TestAFleetThatTellsCallersApart",
	}},
	{"a service is started with one authority for its callers and for etcd", []string{
		"test/security/etcd_test.go: TestEtcdWithOneAuthorityIsRefused",
	}},
	{"a stored fragment or chunk unpacks to more than it says", []string{
		"services/translator/internal/store/fragments_test.go: TestABombIsNotUnpacked",
		"kong/compile/fuzz_test.go: TestAFewBytesAskForLittle",
	}},

	// What a node says.
	{"a node gives an address that is a line of configuration", []string{
		onAFleet, "services/registry/clean_test.go: TestAnAddressIsAnAddressOrIsRefused",
		"cli/internal/export/hostile_test.go: TestNoNodeWritesConfiguration",
	}},
	{"a name, version, label or message has line breaks, escapes or turned text", []string{
		onAFleet, "services/registry/clean_test.go: TestWhatANodeSaysIsCleanBeforeItIsKept",
		"cli/internal/show/show_test.go: TestNothingFromElsewhereReachesTheTerminalAsItIs",
	}},
	{"a node uploads schemas that refuse everything", []string{
		onAFleet, "services/translator/schemas_test.go: TestSchemasOfOneNodeRefuseNothing",
	}},
	{"schemas have patterns that cost hours", []string{
		onAFleet, "kong/schema/budget_test.go: TestHostileBundlesEndAtTheirBudget",
		"kong/schema/budget_test.go: TestBundlesThatWouldCompileForEverAreRefused",
	}},
	{"a service is to stop while it works on such schemas", []string{
		onAFleet, "kong/compile/validate_test.go: TestValidatingEndsWithItsCall",
	}},
	{"schemas unpack to more than they may have", []string{"kong/schema/bundle_test.go: TestPackAndUnpack"}},
	{"a gateway shows a secret that it invented in its schemas", []string{
		"services/registry/schemas_test.go: TestSecretsOfGatewaysAreNotStored", "kong/schema/bundle_test.go: TestStartsOfOneGatewayAreOneBundle",
	}},
	{"a node uploads schemas until there is room for no others", []string{
		"services/registry/schemas_test.go: TestOneNodeCannotTakeTheRoomOfTheFleet", "services/registry/schemas_test.go: TestSchemasHaveALimit",
	}},
	{"a node says that it holds what another group runs", []string{
		"services/distributor/delivery_test.go: TestADeltaIsBasedOnContentOfTheSameGroup",
	}},
	{"a node refuses every revision", []string{
		onAFleet, "services/distributor/rollout_test.go: TestQuarantine",
	}},
	{"a second agent takes a node's name", []string{"services/distributor/admit_test.go: TestOnlyTheEnrolledAgentIsServed"}},

	// Configurations, and secrets.
	{"a submission is a bomb of aliases, depth or size", []string{
		"services/translator/hostile_test.go: TestHostileInputChangesNothing", "test/e2e/input_test.go: TestHugeAndBrokenInput",
	}},
	{"a difference asks an agent for more memory than it says", []string{
		"kong/snapshot/delta_test.go: TestApplyRefusesHostileDeltas", "kong/snapshot/delta_test.go: TestApplyAllocatesNoMoreThanAnnounced",
	}},
	{"somebody looks for a secret in logs, metrics, status and errors", []string{"test/e2e/secrets_test.go: TestNoSecretLeavesTheNode"}},
	{"another user of the node's machine reads the boot file", []string{
		"agent/disk_test.go: TestBootFileThatOthersMayRead", "agent/internal/lastgood/store_test.go: TestModeOfTheBootFile",
	}},
}

// TestTheDocumentHasTheAttacks holds the table of docs/security.md to the one above, in its order.
func TestTheDocumentHasTheAttacks(t *testing.T) {
	text, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "\n## Attacks\n")
	if !ok {
		t.Fatal("docs/security.md has no section of attacks")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	quoted := regexp.MustCompile("`([^`]+_test\\.go: Test[A-Za-z0-9]+)`")
	var rows []attack
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 3 || strings.TrimSpace(cells[0]) == "attack" || strings.HasPrefix(strings.TrimSpace(cells[0]), "---") {
			continue
		}
		row := attack{does: strings.TrimSpace(cells[0])}
		for _, m := range quoted.FindAllStringSubmatch(cells[2], -1) {
			row.held = append(row.held, m[1])
		}
		if strings.TrimSpace(cells[1]) == "" {
			t.Errorf("docs/security.md does not say what comes of it that %s", row.does)
		}
		rows = append(rows, row)
	}
	for i, want := range attacks {
		if i >= len(rows) {
			t.Errorf("docs/security.md has no row for: %s", want.does)
			continue
		}
		if got := rows[i]; got.does != want.does || !slices.Equal(got.held, want.held) {
			t.Errorf("row %d of docs/security.md\n got %s, held by %q\nwant %s, held by %q", i+1, got.does, got.held, want.does, want.held)
		}
	}
	if len(rows) > len(attacks) {
		t.Errorf("docs/security.md has %d more rows, from: %s", len(rows)-len(attacks), rows[len(attacks)].does)
	}
}

// TestEveryAttackIsTried finds the tests that the table names.
func TestEveryAttackIsTried(t *testing.T) {
	found := map[string]bool{} // of each file, whether it has a test
	for _, a := range attacks {
		if len(a.held) == 0 {
			t.Errorf("nothing holds that %s", a.does)
		}
		for _, where := range a.held {
			file, test, ok := strings.Cut(where, ": ")
			if !ok {
				t.Errorf("%q is not a file and a test", where)
				continue
			}
			if _, read := found[file]; !read {
				found[file] = true
				parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "..", filepath.FromSlash(file)), nil, 0)
				if err != nil {
					t.Error(err)
					continue
				}
				for _, d := range parsed.Decls {
					if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
						found[file+": "+f.Name.Name] = true
					}
				}
			}
			if !found[file+": "+test] {
				t.Errorf("%s: %s has no %s", a.does, file, test)
			}
		}
	}
}
