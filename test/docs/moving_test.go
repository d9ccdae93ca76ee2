package docs_test

import (
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// movingFrom is the page that says what becomes of a cluster with Kong Ingress Controller.
const movingFrom = "moving-from-kic.md"

// controllerFlags are the flags of Kong Ingress Controller 3.5.
const controllerFlags = `
admission-webhook-cert admission-webhook-cert-file admission-webhook-key admission-webhook-key-file admission-webhook-listen
anonymous-reports apiserver-burst apiserver-host apiserver-qps cache-sync-timeout cluster-domain combined-services-from-different-httproutes
configmap-label-selector dump-config dump-sensitive-config election-id election-namespace emit-kubernetes-events
enable-controller-gwapi-gateway enable-controller-gwapi-grpcroute enable-controller-gwapi-httproute enable-controller-gwapi-reference-grant
enable-controller-ingress-class-networkingv1 enable-controller-ingress-class-parameters enable-controller-ingress-networkingv1
enable-controller-kong-custom-entity enable-controller-kong-license enable-controller-kong-service-facade
enable-controller-kong-upstream-policy enable-controller-kong-vault enable-controller-kongclusterplugin enable-controller-kongconsumer
enable-controller-kongingress enable-controller-kongplugin enable-controller-service enable-controller-tcpingress
enable-controller-udpingress enable-drain-support enable-reverse-sync feature-gates gateway-api-controller-name
gateway-discovery-readiness-check-interval
gateway-discovery-readiness-check-timeout gateway-to-reconcile health-probe-bind-address ingress-class init-cache-sync-duration
kong-admin-ca-cert kong-admin-ca-cert-file kong-admin-concurrency kong-admin-filter-tag kong-admin-header kong-admin-init-retries
kong-admin-init-retry-delay kong-admin-svc kong-admin-svc-port-names kong-admin-tls-client-cert kong-admin-tls-client-cert-file
kong-admin-tls-client-key kong-admin-tls-client-key-file kong-admin-tls-server-name kong-admin-tls-skip-verify kong-admin-token
kong-admin-token-file kong-admin-url kong-workspace konnect-address konnect-config-sync-concurrency konnect-control-plane-id
konnect-disable-consumers-sync konnect-initial-license-polling-period konnect-license-polling-period konnect-license-storage-enabled
konnect-licensing-enabled konnect-refresh-node-period konnect-sync-enabled konnect-tls-client-cert konnect-tls-client-cert-file
konnect-tls-client-key konnect-tls-client-key-file konnect-upload-config-period kubeconfig log-format log-level metrics-access-filter
metrics-bind-address profiling proxy-sync-seconds proxy-timeout-seconds publish-service publish-service-udp publish-status-address
publish-status-address-udp secret-label-selector skip-ca-certificates sync-period term-delay update-status update-status-queue-buffer-size
use-last-valid-config-for-fallback watch-namespace`

// section is what stands between a heading and the next one.
func section(t *testing.T, heading string) string {
	t.Helper()
	_, text, found := strings.Cut(page(t, movingFrom), "\n"+heading+"\n")
	if !found {
		t.Fatalf("docs/%s has no heading %s", movingFrom, heading)
	}
	text, _, _ = strings.Cut(text, "\n#")
	return text
}

// verdicts are the words of a table's second column, and what each row says in its third.
func verdicts(t *testing.T, heading string) map[string]string {
	t.Helper()
	given := map[string]string{}
	for i, cells := range rows(section(t, heading)) {
		if i == 0 {
			continue // the heads
		}
		if len(cells) != 3 || !slices.Contains([]string{"same", "different", "not needed", "refused"}, cells[1]) {
			t.Errorf("docs/%s: %q is no verdict of %s", movingFrom, strings.Join(cells[1:], "|"), cells[0])
			continue
		}
		if cells[1] != "same" && cells[2] == "" {
			t.Errorf("docs/%s does not say why %s is %s", movingFrom, cells[0], cells[1])
		}
		for _, name := range names(cells[0]) {
			if given[name] != "" {
				t.Errorf("docs/%s names %s twice", movingFrom, name)
			}
			given[name] = cells[1]
		}
	}
	return given
}

// sameNames compares the names of a table with those that there are.
func sameNames(t *testing.T, heading string, there []string) {
	t.Helper()
	given := verdicts(t, heading)
	for _, name := range there {
		if given[name] == "" {
			t.Errorf("docs/%s: %s does not name %s", movingFrom, heading, name)
		}
		delete(given, name)
	}
	for name := range given {
		t.Errorf("docs/%s: %s names %s, which is none", movingFrom, heading, name)
	}
}

func TestEveryFlagOfTheOtherControllerHasAVerdict(t *testing.T) {
	var flags []string
	for _, name := range strings.Fields(controllerFlags) {
		flags = append(flags, "--"+name)
	}
	if len(flags) != 101 {
		t.Errorf("%d flags, want 101", len(flags))
	}
	sameNames(t, "## Flags", flags)
}

// TestThePageNamesFlagsThatExist holds what stands in place of the other controller's flags to the flags of all commands.
func TestThePageNamesFlagsThatExist(t *testing.T) {
	declares := regexp.MustCompile(`^(String|Bool|Int|Int32|Int64|Duration|StringSlice|StringArray|StringToString)?VarP?$`)
	there := map[string]bool{}
	calls(t, func(file string, call *ast.CallExpr) {
		_, name := callee(call)
		for at, form := range map[int]bool{1: declares.MatchString(name), 2: name == "field" && strings.HasPrefix(file, "cli")} {
			if flag, ok := literal(call, at); ok && form {
				there[flag] = true
			}
		}
	})
	flag := regexp.MustCompile(`^--([a-z][a-z-]+)`)
	found := 0
	for _, cells := range rows(section(t, "## Flags") + section(t, "### Feature gates")) {
		if len(cells) < 3 {
			continue
		}
		for _, name := range names(cells[2]) {
			m := flag.FindStringSubmatch(name)
			if m == nil {
				continue
			}
			if found++; !there[m[1]] {
				t.Errorf("docs/%s names %s in place of %s, which no command has", movingFrom, name, cells[0])
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d flags of ours", found)
	}
}

// TestEveryAnnotationHasAVerdict holds the table to those that the translation reads. One more says where status comes from.
func TestEveryAnnotationHasAVerdict(t *testing.T) {
	found := constants(t, "sources/kubernetes/translate/annotations.go", `(?m)^\tannotation\w+\s+= "([^"]+/[^"]+)"`)
	if other := "konghq.com/publish-service"; !slices.Contains(found, other) {
		found = append(found, other)
	}
	sameNames(t, "## Annotations", found)
}

func TestEveryKindHasAVerdict(t *testing.T) {
	sameNames(t, "## Kinds", constants(t, "sources/kubernetes/kongcrd/types.go", `(?m)^\tKind\w+\s+= "(\w+)"`))
}

// constants are the values of the constants of a file that have a form.
func constants(t *testing.T, file, form string) (values []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), filepath.FromSlash(file)))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(form).FindAllStringSubmatch(string(text), -1) {
		values = append(values, m[1])
	}
	if len(values) < 10 {
		t.Fatalf("%s has %d constants of that form", file, len(values))
	}
	return values
}
