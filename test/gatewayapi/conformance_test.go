package gatewayapi

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
	reportFile = "CONFORMANCE_REPORT" // where the report goes
	oneTest    = "CONFORMANCE_TEST"   // the short name of the only test to run
	binaries   = "CONFORMANCE_BIN"
	flavorOf   = "CONFORMANCE_FLAVOR"
)

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
	if os.Getenv(reportFile) == "" {
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
	if os.Getenv(reportFile) == "" {
		t.Fatal("make conformance-kubernetes runs the suite")
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	flavor := os.Getenv(flavorOf)
	s := stand.New(stand.Config{
		Bin: os.Getenv(binaries), Dir: t.TempDir(), Gateways: 1, Port: 80, Base: base,
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
	runSuite(t, s)
}

func runSuite(t *testing.T, s *stand.Stand) {
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
	// On loopback what does not come to pass in this time never does.
	times.MaxTimeToConsistency, times.DefaultTestTimeout, times.RequestTimeout = 8*time.Second, 10*time.Second, 5*time.Second
	times.GatewayMustHaveAddress, times.GatewayMustHaveCondition, times.RouteMustHaveParents = 8*time.Second, 8*time.Second, 8*time.Second
	times.GatewayStatusMustHaveListeners, times.GatewayListenersMustHaveConditions = 8*time.Second, 8*time.Second
	times.HTTPRouteMustHaveCondition, times.NamespacesMustBeReady, times.GWCMustBeAccepted = 8*time.Second, 2*time.Minute, 30*time.Second
	times.RequiredConsecutiveSuccesses = 1
	supported := httpFeatures(t, objects)
	one, err := suite.NewConformanceTestSuite(suite.ConformanceOptions{
		Client: objects, Clientset: clients, RestConfig: c, ManifestFS: []fs.FS{&conformance.Manifests},
		ConfigurableOptions: suite.ConfigurableOptions{
			GatewayClassName: "silverback", CleanupBaseResources: false, CleanupTestResources: true, TimeoutConfig: times,
			ConformanceProfiles: []suite.ConformanceProfileName{suite.GatewayHTTPConformanceProfileName},
			RunTest:             os.Getenv(oneTest), Mode: "default", SupportedFeatures: supported,
			Implementation: report.Implementation{
				Organization: "silverback-gateway", Project: "silverback", URL: "https://github.com/silverback-gateway/silverback", Version: "dev",
				Contact: []string{"https://github.com/silverback-gateway/silverback/issues"},
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	// A group of its own ends when the last of its tests has ended, also of those that run at once.
	t.Run("suite", func(t *testing.T) {
		one.Setup(t, tests.ConformanceTests)
		if err := one.Run(t, tests.ConformanceTests); err != nil {
			t.Error(err)
		}
	})
	made, err := one.Report()
	if err != nil {
		t.Fatal(err)
	}
	text, err := yaml.Marshal(made)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(os.Getenv(reportFile), text, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Logf("the report, also in %s:\n%s", filepath.Clean(os.Getenv(reportFile)), text)
}

// controllerFlags has the address that Gateways get, and the flavor of their router. A test deletes all its routes at its end, which the
// shrink guard would stop, so that they meddled with the next one.
func controllerFlags(flavor string) []string {
	flags := []string{"--publish-address", GatewayAddress, "--allow-shrink", "--endpoint-window", "1s"}
	if flavor != "" {
		flags = append(flags, "--router-flavor", flavor)
	}
	return flags
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
