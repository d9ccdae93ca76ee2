package k8s_test

import (
	"strings"
	"testing"
)

// Rules that let everything through would pass too: each of these mistakes must be found, in words that name it.
func TestRulesFindMistakes(t *testing.T) {
	built := map[string]string{}
	for _, overlay := range overlays {
		built[overlay] = build(t, overlay)
	}
	const lab, production = "overlays/lab", "overlays/production"
	for _, c := range []struct {
		name     string
		overlay  string
		was, now string // the first place is changed
		says     string
	}{
		{"a misspelt field", lab, "terminationGracePeriodSeconds: 90", "terminationGracePeriodSecond: 90", "unknown field"},
		{"a field of the wrong place", lab, "restartPolicy: Always", "restartPolicys: Always", "unknown field"},
		{"a misspelt field of a certificate", production, "renewBefore: 240h", "renewAfter: 240h", "unknown field"},
		{"a misspelt field of a monitor", production, "jobLabel: ", "joblabel: ", "unknown field"},
		{"a sidecar that is none", lab, "restartPolicy: Always", "terminationMessagePath: /dev/log", "no sidecar"},
		{"a port that the Pod has not", lab, "targetPort: grpc", "targetPort: rpc", "has no port named"},
		{"a headless port that differs", lab, "port: 7450", "port: 7459", "translates nothing"},
		{"a probe of a port that is not there", lab, "path: /readyz\n            port: http", "path: /readyz\n            port: web",
			"probe asks port"},
		{"a probe of another path", lab, "path: /healthz", "path: /health", "probe asks /health, want"},
		{"a Service without Pods", lab, "  selector:\n    app.kubernetes.io/name: silverback-registry",
			"  selector:\n    app.kubernetes.io/name: silverback-registrar", "selects 0 workloads"},
		{"a ConfigMap that is not there", lab, "configMap:\n          name: silverback-translator-",
			"configMap:\n          name: silverback-translator-x", "does not exist"},
		{"a Secret that nobody makes", production, "secretName: silverback-distributor-tls\n", "secretName: silverback-distributer-tls\n",
			"which no Certificate makes"},
		{"a settings file that is not mounted", lab, "--config=/etc/silverback/config/registry.yaml", "--config=/etc/silverback/registry.yaml",
			"no file that is mounted"},
		{"a certificate that is not mounted", production, "value: /etc/silverback/tls/tls.crt", "value: /etc/silverback/tls/cert.pem",
			"which is not mounted"},
		{"a mount inside of another", production, "mountPath: /etc/silverback/config", "mountPath: /etc/silverback", "inside of"},
		{"a volume that nobody mounts", lab, "emptyDir:\n          sizeLimit: 256Mi\n        name: tmp",
			"emptyDir:\n          sizeLimit: 256Mi\n        name: temp", "which is no volume"},
		{"another service's account", lab, "serviceAccountName: silverback-registry", "serviceAccountName: silverback-etcd", "ServiceAccount of"},
		{"a token in the Pod", lab, "    spec:\n      automountServiceAccountToken: false",
			"    spec:\n      automountServiceAccountToken: true", "token of the API server"},
		{"service links", lab, "enableServiceLinks: false", "enableServiceLinks: true", "enableServiceLinks"},
		{"no priority", lab, "priorityClassName: silverback-gateway", "priorityClassName: silverback-gate", "PriorityClass"},
		{"root", lab, "runAsUser: 65532", "runAsUser: 0", "user 65532"},
		{"root in one container", lab, "runAsUser: 1000", "runAsUser: 0", "runs as root"},
		{"privileges", lab, "allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true", "gain privileges"},
		{"a writable root", lab, "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "write to its image"},
		{"a capability", lab, "drop:\n            - ALL", "drop:\n            - NET_RAW", "keeps capabilities"},
		{"a floating image", production, "silverback-translator:0.1.0", "silverback-translator:latest", "no exact version"},
		{"a half version of Kong", production, "image: kong:3.9.3", "image: kong:3.9", "no exact version"},
		{"an image of a lab in production", production, "silverback-agent:0.1.0", "silverback-agent:dev", "no exact version"},
		{"no limit", lab, "limits:\n            memory: 512Mi", "limits:\n            cpu: 1", "limit of memory"},
		{"a soft limit over the hard one", lab, "value: 460MiB", "value: 600MiB", "not below the limit"},
		{"a budget for nobody", lab, "maxUnavailable: 1\n  selector:\n    matchLabels:\n      app.kubernetes.io/name: silverback-registry",
			"maxUnavailable: 1\n  selector:\n    matchLabels:\n      app.kubernetes.io/name: silverback-registrar", "has 0 PodDisruptionBudgets"},
		{"two may go at once", lab, "maxUnavailable: 1", "maxUnavailable: 2", "maxUnavailable 1"},
		{"etcd open to gateways", lab, "  ingress:\n  - from:\n    - podSelector:\n        matchLabels:\n          app.kubernetes.io/name: " +
			"silverback-registry", "  ingress:\n  - from:\n    - podSelector:\n        matchLabels:\n          app.kubernetes.io/name: " +
			"silverback-gateway", "silverback-gateway may reach port client of silverback-etcd: true"},
		{"a way out that is shut", lab, "port: 7441\n      protocol: TCP\n    to:", "port: 7444\n      protocol: TCP\n    to:",
			" may reach port grpc of silverback-translator: false"},
		{"a policy about a port that is not there", lab, "ports:\n    - port: client", "ports:\n    - port: clients", "has no port clients"},
		{"a scaler of nothing", lab, "scaleTargetRef:\n    apiVersion: apps/v1\n    kind: Deployment\n    name: silverback-gateway",
			"scaleTargetRef:\n    apiVersion: apps/v1\n    kind: Deployment\n    name: silverback-kong", "no workload silverback-kong"},
		{"a scaler of another container", lab, "container: kong", "container: nginx", "no such container"},
		{"no time to stop", lab, "terminationGracePeriodSeconds: 90", "terminationGracePeriodSeconds: 60", "do not fit"},
		{"a stop without a warning", lab, "sleep:\n              seconds: 5", "sleep:\n              seconds: 0", "before anybody knows"},
		{"spread over other Pods", lab, "topologySpreadConstraints:\n      - labelSelector:\n          matchLabels:\n            " +
			"app.kubernetes.io/name: silverback-registry", "topologySpreadConstraints:\n      - labelSelector:\n          matchLabels:\n          " +
			"  app.kubernetes.io/name: silverback-etcd", "about other Pods"},
		{"an identity of another service", production, "spiffe://silverback/service/translator", "spiffe://silverback/service/registry",
			"is of [spiffe"},
		{"an identity of another trust domain", production, "spiffe://silverback/node/default/${POD_NAME}",
			"spiffe://example/node/default/${POD_NAME}", "not the identity of a node"},
		{"an identity of another group", production, "spiffe://silverback/node/default/${POD_NAME}", "spiffe://silverback/node/edge/${POD_NAME}",
			"not the identity of a node"},
		{"a name that clients do not call", production, "  - silverback-registry-replicas\n", "  - silverback-registry-all\n", "not both named"},
		{"etcd's authority for a service", production, "issuerRef:\n    group: cert-manager.io\n    kind: Issuer\n    name: silverback\n",
			"issuerRef:\n    group: cert-manager.io\n    kind: Issuer\n    name: silverback-etcd\n", "authorities of their own"},
		{"an issuer that is not there", production, "csi.cert-manager.io/issuer-name: silverback", "csi.cert-manager.io/issuer-name: nodes",
			"no issuer"},
		{"an attribute that the driver does not know", production, "csi.cert-manager.io/uri-sans", "csi.cert-manager.io/uris", "does not know"},
		{"a member without a name", production, "  - silverback-etcd-2.silverback-etcd-replicas\n", "", "lacks silverback-etcd-2"},
		{"a monitor of a port that is not there", production, "    port: http\n  jobLabel", "    port: metrics\n  jobLabel",
			"has no port metrics"},
		{"a node by another name", lab, "fieldPath: metadata.name\n        - name: SILVERBACK_GROUP",
			"fieldPath: metadata.uid\n        - name: SILVERBACK_GROUP", "SILVERBACK_NODE is not"},
		{"a variable before it is known", production, "- name: ETCD_NAME\n", "- name: ETCD_LATER\n", "not known yet"},
		{"a seccomp profile that is none", lab, "type: RuntimeDefault", "type: Unconfined", "would not be admitted: seccompProfile"},
		{"a Pod on its host's network", lab, "enableServiceLinks: false", "hostNetwork: true\n      enableServiceLinks: false",
			"would not be admitted: host namespaces"},
		{"a strategy without a type", lab, "maxUnavailable: 0\n    type: RollingUpdate\n", "maxUnavailable: 0\n", "strategy has no type"},
		{"a relabeling without an action", production, "action: replace\n      ", "", "has no action"},
		{"an agent that starts first", production, "name: boot-file", "name: boot", "starts before the boot file is there"},
		{"a second boot file", lab, "mountPath: /var/lib/silverback\n", "mountPath: /var/lib/kong\n", "boot file is not shared"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(built[c.overlay], c.was, c.now, 1)
			if text == built[c.overlay] {
				t.Fatalf("the overlay has no %q to spoil", c.was)
			}
			problems, err := judge(text)
			if err != nil {
				problems = []string{err.Error()}
			}
			if found := strings.Join(problems, "\n"); !strings.Contains(found, c.says) {
				t.Errorf("no problem says %q:\n%s", c.says, found)
			}
		})
	}
}
