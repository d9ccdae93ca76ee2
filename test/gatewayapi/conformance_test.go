package gatewayapi

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1alpha2 "sigs.k8s.io/gateway-api/apis/v1alpha2"
	gatewayv1alpha3 "sigs.k8s.io/gateway-api/apis/v1alpha3"
	gatewayx "sigs.k8s.io/gateway-api/apisx/v1alpha1"
	"sigs.k8s.io/gateway-api/conformance"
	report "sigs.k8s.io/gateway-api/conformance/apis/v1"
	"sigs.k8s.io/gateway-api/conformance/tests"
	"sigs.k8s.io/gateway-api/conformance/utils/config"
	"sigs.k8s.io/gateway-api/conformance/utils/suite"
	"sigs.k8s.io/gateway-api/pkg/features"
	"sigs.k8s.io/yaml"

	"github.com/silverback-gateway/silverback/sources/kubernetes/testkit/stand"
)

// Settings of the run, by the environment: the Makefile passes them.
const (
	reports  = "CONFORMANCE_REPORTS" // the folder that reports go to
	someOf   = "CONFORMANCE_TEST"    // the short names of the only tests to run, with commas between them
	binaries = "CONFORMANCE_BIN"
	flavorOf = "CONFORMANCE_FLAVOR" // of the router; empty: one after the other
)

var flavors = []string{"traditional_compatible", "expressions"}

// patience is for what announces itself by no event. It is long since a busy machine must not fail a test, and short beside the usual 60 s.
const patience = 30 * time.Second

// skipped are tests that one Kong cannot pass, whatever its configuration. The report names them.
var skipped = []string{
	"HTTPRouteMultipleGateways", // two Gateways of one address have a route for / each, and Kong has one router
}

// base has the class that the suite's Gateways are of, and a route, so that the gateway serves something: the suite waits for that before
// it makes routes of its own.
const base = `apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: silverback, annotations: {konghq.com/gatewayclass-unmanaged: "true"}}
spec: {controllerName: konghq.com/kic-gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: first, namespace: default}
spec: {gatewayClassName: silverback, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: v1
kind: Service
metadata: {name: first, namespace: default}
spec: {type: ExternalName, externalName: localhost, ports: [{name: http, port: 7480}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: first, namespace: default}
spec:
  parentRefs: [{name: first}]
  hostnames: [first.example.com]
  rules: [{backendRefs: [{name: first, port: 7480}]}]
`

func TestMain(m *testing.M) {
	if os.Getenv(reports) == "" {
		os.Exit(m.Run())
	}
	code, ran, err := OwnNetwork()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if !ran {
		code = m.Run()
	}
	os.Exit(code)
}

func TestConformance(t *testing.T) {
	if os.Getenv(reports) == "" {
		t.Fatal("make conformance-kubernetes runs the suite")
	}
	list := flavors
	if one := os.Getenv(flavorOf); one != "" {
		list = []string{one}
	}
	var made []*report.ConformanceReport
	for _, flavor := range list {
		t.Run(flavor, func(t *testing.T) { made = append(made, conform(t, flavor)) })
	}
	t.Logf("reports are in %s:\n\n%s", os.Getenv(reports), Table(made))
}

// conform runs the suite with one flavor of the router.
func conform(t *testing.T, flavor string) *report.ConformanceReport {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	s := stand.New(stand.Config{
		Bin: os.Getenv(binaries), Dir: t.TempDir(), Gateways: 1, Port: 80, Secure: 443, Base: base,
		Flavor: flavor, Flags: controllerFlags(flavor),
	})
	defer s.Close()
	if err := s.Up(ctx); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if t.Failed() {
			t.Logf("the end of the controller's log:\n%s", s.Log("controller", 40))
		}
	}()
	go func() { _ = runPods(ctx, s.API.Config()) }()
	for _, of := range []string{"gatewayclass/silverback", "gateway/first"} {
		if out, err := s.Kubectl(ctx, "wait", "--for=condition=Accepted", "--timeout=2m", of); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	if out, err := s.Kubectl(ctx, "wait", "--for=condition=Programmed", "--timeout=2m", "gateway/first"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return runSuite(t, s, flavor)
}

func runSuite(t *testing.T, s *stand.Stand, flavor string) *report.ConformanceReport {
	t.Helper()
	c := s.API.Config()
	objects, err := client.New(c, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	clients, err := kubernetes.NewForConfig(c)
	if err != nil {
		t.Fatal(err)
	}
	scheme := objects.Scheme()
	for _, install := range []func() error{
		func() error { return gatewayv1.Install(scheme) }, func() error { return gatewayv1alpha2.Install(scheme) },
		func() error { return gatewayv1alpha3.Install(scheme) }, func() error { return gatewayx.Install(scheme) },
		func() error { return apiextensions.AddToScheme(scheme) },
	} {
		if err := install(); err != nil {
			t.Fatal(err)
		}
	}
	times := config.DefaultTimeoutConfig()
	times.MaxTimeToConsistency, times.DefaultTestTimeout, times.RequestTimeout = patience, patience, 10*time.Second
	times.GatewayMustHaveAddress, times.GatewayMustHaveCondition, times.RouteMustHaveParents = patience, patience, patience
	times.GatewayStatusMustHaveListeners, times.GatewayListenersMustHaveConditions = patience, patience
	times.CreateTimeout, times.GetTimeout, times.DeleteTimeout = patience, patience, patience
	times.HTTPRouteMustHaveCondition, times.NamespacesMustBeReady, times.GWCMustBeAccepted = patience, 2*time.Minute, patience
	times.RequiredConsecutiveSuccesses = 1
	supported := httpFeatures(t, objects)
	one, err := suite.NewConformanceTestSuite(suite.ConformanceOptions{
		Client: objects, Clientset: clients, RestConfig: c, ManifestFS: []fs.FS{&conformance.Manifests},
		ConfigurableOptions: suite.ConfigurableOptions{
			GatewayClassName: "silverback", CleanupBaseResources: false, CleanupTestResources: true, TimeoutConfig: times,
			ConformanceProfiles: []suite.ConformanceProfileName{suite.GatewayHTTPConformanceProfileName},
			SkipTests:           skipped, Mode: flavor, SupportedFeatures: supported,
			Implementation: report.Implementation{
				Organization: "silverback-gateway", Project: "silverback", URL: "https://github.com/silverback-gateway/silverback", Version: "dev",
				Contact: []string{"https://github.com/silverback-gateway/silverback/issues"},
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	all := oneByOne(chosen(tests.ConformanceTests, os.Getenv(someOf)))
	one.Setup(t, all)
	if err := one.Run(t, all); err != nil {
		t.Error(err)
	}
	made, err := one.Report()
	if err != nil {
		t.Fatal(err)
	}
	text, err := yaml.Marshal(made)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(os.Getenv(reports), flavor+".yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Logf("the report, also in %s:\n%s", file, text)
	return made
}

// chosen are the tests with these names, or all.
func chosen(all []suite.ConformanceTest, names string) []suite.ConformanceTest {
	if names == "" {
		return all
	}
	wanted := strings.Split(names, ",")
	return slices.DeleteFunc(slices.Clone(all), func(test suite.ConformanceTest) bool { return !slices.Contains(wanted, test.ShortName) })
}

// oneByOne has no test run beside others: the suite counts those as passed before they have ended.
func oneByOne(all []suite.ConformanceTest) []suite.ConformanceTest {
	list := slices.Clone(all)
	for i := range list {
		list[i].Parallel = false
	}
	return list
}

// controllerFlags has the address that Gateways get, and the flavor of their router. A test deletes all its routes at its end, which the
// shrink guard would stop, so that they meddled with the next one.
func controllerFlags(flavor string) []string {
	return []string{"--publish-address", GatewayAddress, "--allow-shrink", "--router-flavor", flavor}
}

// httpFeatures are the features that the class declares, without those of routes that the simulated gateway does not proxy: it speaks
// HTTP/1.1 alone.
func httpFeatures(t *testing.T, objects client.Client) (names []features.FeatureName) {
	t.Helper()
	var class gatewayv1.GatewayClass
	if err := objects.Get(t.Context(), client.ObjectKey{Name: "silverback"}, &class); err != nil {
		t.Fatal(err)
	}
	for _, f := range class.Status.SupportedFeatures {
		other := false
		for _, prefix := range []string{"GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute", "BackendTLSPolicy"} {
			other = other || strings.HasPrefix(string(f.Name), prefix)
		}
		if !other {
			names = append(names, features.FeatureName(f.Name))
		}
	}
	t.Logf("of the features that the class declares, these are tested: %v", names)
	return names
}
