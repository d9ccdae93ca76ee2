package main

import (
	"fmt"

	"github.com/silverback-gateway/silverback/sources/kubernetes/testkit/stand"
)

// base is what the lab has at its beginning: classes, a Gateway that takes routes of every namespace, and a Service for the upstream of the
// lab, which is no Pod.
var base = `apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: kong, annotations: {konghq.com/gatewayclass-unmanaged: "true"}}
spec: {controllerName: konghq.com/kic-gateway-controller}
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: kong}
spec: {controller: ingress-controllers.konghq.com/kong}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: default}
spec:
  gatewayClassName: kong
  listeners: [{name: http, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}]
---
` + echoService("default")

// echoService is a Service whose backend is the upstream of the lab.
func echoService(namespace string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Service
metadata: {name: echo, namespace: %s}
spec: {type: ExternalName, externalName: localhost, ports: [{name: http, port: %d}]}
`, namespace, stand.EchoPort)
}

// route is an HTTPRoute from a path to the upstream of the lab. A plugin may be named.
func route(name, namespace, plugin, path string) string {
	annotations := ""
	if plugin != "" {
		annotations = ", annotations: {konghq.com/plugins: " + plugin + "}"
	}
	return fmt.Sprintf(`apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: %s, namespace: %s%s}
spec:
  parentRefs: [{name: edge, namespace: default}]
  rules:
  - matches: [{path: {value: %s}}]
    backendRefs: [{name: echo, port: %d}]
`, name, namespace, annotations, path, stand.EchoPort)
}
