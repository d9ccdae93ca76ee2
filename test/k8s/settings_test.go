package k8s_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/silverback-gateway/silverback/kit/tlsfiles/tlstest"
)

// ours are the containers that run a binary of the project: the module it is built in, and its package.
var ours = map[string][2]string{
	"registry":    {"services/registry", "./cmd/registry"},
	"translator":  {"services/translator", "./cmd/translator"},
	"distributor": {"services/distributor", "./cmd/distributor"},
	"agent":       {"agent", "./cmd/agent"},
	"echo":        {"lab", "./cmd/silverback-echo"},

	"kubernetes":         {"sources/kubernetes", "./cmd/silverback-kubernetes"},
	"kubernetes-webhook": {"sources/kubernetes", "./cmd/silverback-kubernetes"},
}

var (
	binaries      string // the folder of those that were built
	buildBinaries sync.Once
)

func TestMain(m *testing.M) {
	code := m.Run()
	if binaries != "" {
		_ = os.RemoveAll(binaries)
	}
	os.Exit(code)
}

// binary returns the path of a container's binary.
func binary(tb testing.TB, container string) string {
	tb.Helper()
	var problem error
	buildBinaries.Do(func() {
		if binaries, problem = os.MkdirTemp("", "silverback-k8s-"); problem != nil {
			return
		}
		for name, source := range ours {
			c := exec.Command("go", "build", "-buildvcs=false", "-o", filepath.Join(binaries, name), source[1])
			c.Dir = filepath.Join(root(tb), source[0])
			if out, err := c.CombinedOutput(); err != nil {
				problem = fmt.Errorf("build %s: %w: %s", name, err, out)
				return
			}
		}
	})
	if problem != nil {
		tb.Fatal(problem)
	}
	return filepath.Join(binaries, container)
}

// Each container's settings, as its Pod would have them, pass the binary's own --check.
func TestSettingsPassTheBinariesOwnCheck(t *testing.T) {
	for _, overlay := range overlays {
		f := mustFleet(t, overlay)
		seen := 0
		for _, w := range f.workloads {
			for _, c := range w.containers() {
				if _, ok := ours[c.Name]; !ok {
					continue
				}
				seen++
				t.Run(overlay+"/"+c.Name, func(t *testing.T) {
					if out, err := newPod(t, f, w, c).check(); err != nil {
						t.Errorf("%v: %s", err, out)
					}
				})
			}
		}
		if seen < 4 {
			t.Errorf("%s has %d containers of ours", overlay, seen)
		}
	}
}

// What the overlays add is needed and known: the settings of production do not pass without certificates, those of the lab not
// without saying so, and no variable is one that the binary does not look at.
func TestCheckRefusesWhatTheOverlaysMend(t *testing.T) {
	for overlay, needed := range map[string][]string{
		"overlays/lab":        {"SILVERBACK_INSECURE"},
		"overlays/production": {"SILVERBACK_CERT_FILE", "SILVERBACK_KEY_FILE", "SILVERBACK_CLIENT_CA_FILE", "SILVERBACK_ETCD_CA_FILE"},
	} {
		f := mustFleet(t, overlay)
		w, _ := f.workload("distributor")
		for _, name := range needed {
			p := newPod(t, f, w, w.pod.Spec.Containers[0])
			if _, ok := p.env[name]; !ok {
				t.Errorf("%s does not set %s", overlay, name)
			}
			delete(p.env, name)
			if out, err := p.check(); err == nil {
				t.Errorf("%s: passes without %s: %s", overlay, name, out)
			}
		}
	}
}

func TestVariablesAreTwinsOfFlags(t *testing.T) {
	for _, overlay := range overlays {
		f := mustFleet(t, overlay)
		for _, w := range f.workloads {
			for _, c := range w.containers() {
				if _, ok := ours[c.Name]; !ok {
					continue
				}
				known := twins(t, c)
				for _, e := range c.Env {
					if strings.HasPrefix(e.Name, "SILVERBACK_") && !slices.Contains(known, e.Name) {
						t.Errorf("%s: %s/%s: %s is the twin of no flag", overlay, w.name, c.Name, e.Name)
					}
				}
			}
		}
	}
}

var flagLine = regexp.MustCompile(`(?m)^\s+(?:-\w, )?--([a-z0-9-]+)`)

// twins lists the variables that a container's binary reads; its first argument can be a subcommand.
func twins(tb testing.TB, c core.Container) (all []string) {
	tb.Helper()
	arguments := []string{"--help"}
	if len(c.Args) > 0 && !strings.HasPrefix(c.Args[0], "-") {
		arguments = []string{c.Args[0], "--help"}
	}
	help, err := exec.Command(binary(tb, c.Name), arguments...).Output()
	if err != nil {
		tb.Fatal(err)
	}
	for _, m := range flagLine.FindAllSubmatch(help, -1) {
		all = append(all, "SILVERBACK_"+strings.ToUpper(strings.ReplaceAll(string(m[1]), "-", "_")))
	}
	if len(all) < 3 {
		tb.Fatalf("%s --help names %d flags", c.Name, len(all))
	}
	return all
}

// pod is a container on this machine: what it mounts is in a folder of the test.
type pod struct {
	tb     testing.TB
	binary string
	args   []string
	env    map[string]string
	mounts [][2]string // path in the container, path here; the longest first
}

func newPod(tb testing.TB, f *fleet, w workload, c core.Container) *pod {
	tb.Helper()
	dir := tb.TempDir()
	authorities := map[string]*tlstest.Authority{} // by the name of the issuer
	p := &pod{tb: tb, binary: binary(tb, c.Name), env: environment(w, c)}
	for _, m := range c.VolumeMounts {
		p.mounts = append(p.mounts, [2]string{m.MountPath, filepath.Join(dir, m.Name)})
	}
	slices.SortFunc(p.mounts, func(a, b [2]string) int { return len(b[0]) - len(a[0]) })
	for _, m := range c.VolumeMounts {
		folder := filepath.Join(dir, m.Name)
		if err := os.Mkdir(folder, 0o700); err != nil {
			tb.Fatal(err)
		}
		for _, v := range w.pod.Spec.Volumes {
			switch {
			case v.Name != m.Name:
			case v.ConfigMap != nil:
				for name, text := range f.configs[v.ConfigMap.Name].Data {
					p.write(filepath.Join(folder, name), p.here(text))
				}
			case v.Secret != nil, v.CSI != nil:
				issuer := f.issuerOf(v)
				if authorities[issuer] == nil {
					authorities[issuer] = tlstest.New(tb)
				}
				files := authorities[issuer].Issue(m.Name)
				for name, from := range map[string]string{"ca.crt": files.CA, "tls.crt": files.Cert, "tls.key": files.Key} {
					text, err := os.ReadFile(from)
					if err != nil {
						tb.Fatal(err)
					}
					p.write(filepath.Join(folder, name), string(text))
				}
			}
		}
	}
	for _, a := range c.Args {
		p.args = append(p.args, p.here(a))
	}
	for name, value := range p.env {
		p.env[name] = p.here(value)
	}
	return p
}

// issuerOf names who signs the certificate that a volume holds: the issuer of the Secret's Certificate, or of the CSI driver's. A Secret
// that no Certificate fills stands for an issuer of its own.
func (f *fleet) issuerOf(v core.Volume) string {
	if v.CSI != nil {
		return v.CSI.VolumeAttributes["csi.cert-manager.io/issuer-name"]
	}
	for _, c := range f.certificates {
		if c.Spec.SecretName == v.Secret.SecretName {
			return c.Spec.IssuerRef.Name
		}
	}
	return "secret " + v.Secret.SecretName
}

// here puts paths of this machine in place of the container's.
func (p *pod) here(text string) string {
	for _, m := range p.mounts {
		text = strings.ReplaceAll(text, m[0]+"/", m[1]+"/")
	}
	return text
}

func (p *pod) write(file, text string) {
	p.tb.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		p.tb.Fatal(err)
	}
}

func (p *pod) check() (string, error) {
	ctx, cancel := context.WithTimeout(p.tb.Context(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, p.binary, append(slices.Clone(p.args), "--check")...)
	c.Env = []string{"PATH=" + os.Getenv("PATH")}
	for name, value := range p.env {
		c.Env = append(c.Env, name+"="+value)
	}
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	return out.String(), err
}

// environment is what kubelet would give a container of one Pod.
func environment(w workload, c core.Container) map[string]string {
	env := map[string]string{}
	for _, e := range c.Env {
		value := e.Value
		if e.ValueFrom != nil {
			value = map[string]string{
				"metadata.name": w.name + "-6d5f7c9b8-x2k4q", "status.podIP": "10.1.2.3", "spec.nodeName": "machine-1",
				"metadata.labels['silverback-gateway/group']": w.pod.Labels["silverback-gateway/group"],
			}[e.ValueFrom.FieldRef.FieldPath]
			if w.service != "" && e.ValueFrom.FieldRef.FieldPath == "metadata.name" {
				value = w.name + "-0"
			}
		}
		env[e.Name] = reference.ReplaceAllStringFunc(value, func(r string) string { return env[strings.Trim(r, "$()")] })
	}
	return env
}

// settings are those of a container's file, with its variables over them.
func settings(tb testing.TB, f *fleet, w workload, c core.Container) map[string]any {
	tb.Helper()
	all := map[string]any{}
	for _, v := range w.pod.Spec.Volumes {
		if v.ConfigMap == nil {
			continue
		}
		for _, text := range f.configs[v.ConfigMap.Name].Data {
			if err := yaml.UnmarshalStrict([]byte(text), &all); err != nil {
				tb.Fatal(err)
			}
		}
	}
	for name, value := range environment(w, c) {
		if key, ok := strings.CutPrefix(name, "SILVERBACK_"); ok {
			all[strings.ToLower(strings.ReplaceAll(key, "_", "-"))] = value
		}
	}
	return all
}

// Listeners are at the ports that Pods and Services speak of, and addresses are Services of the same namespace.
func TestAddressesAreServices(t *testing.T) {
	for _, overlay := range overlays {
		f := mustFleet(t, overlay)
		for _, w := range f.workloads {
			for _, c := range w.containers() {
				if _, ok := ours[c.Name]; !ok || c.Name == "echo" {
					continue
				}
				all := settings(t, f, w, c)
				for key, port := range map[string]string{"listen": "grpc", "http-listen": "http"} {
					text, ok := all[key].(string)
					if !ok && c.Name == "agent" && key == "listen" {
						continue
					}
					host, number, err := net.SplitHostPort(text)
					want, _ := w.port(port)
					if err != nil || number != fmt.Sprint(want) || host == "localhost" || strings.HasPrefix(host, "127.") {
						t.Errorf("%s: %s: %s is %q, want port %d, beyond loopback", overlay, c.Name, key, text, want)
					}
				}
				for key, port := range map[string]string{"registry": "grpc", "translator": "grpc", "distributor": "grpc", "etcd-endpoints": "client"} {
					for _, address := range list(all[key]) {
						if key == "etcd-endpoints" && !f.hasEtcd() {
							if strings.Contains(address, "silverback-etcd") {
								t.Errorf("%s: %s asks %s, which is not there", overlay, c.Name, address)
							}
							continue
						}
						if problem := f.unreachable(address, port); problem != "" {
							t.Errorf("%s: %s: %s: %s", overlay, c.Name, key, problem)
						}
					}
				}
				if etcd, ok := f.workload("etcd"); ok && all["etcd-endpoints"] != nil && len(list(all["etcd-endpoints"])) != int(*etcd.replicas) {
					t.Errorf("%s: %s knows %v of %d members of etcd", overlay, c.Name, all["etcd-endpoints"], *etcd.replicas)
				}
			}
		}
	}
}

func list(value any) (all []string) {
	switch v := value.(type) {
	case string:
		return strings.Split(v, ",")
	case []any:
		for _, item := range v {
			all = append(all, fmt.Sprint(item))
		}
	}
	return all
}

// unreachable says why an address is that of no Service's port; empty when it is. All replicas must be behind it, for clients
// choose among them.
func (f *fleet) unreachable(address, port string) string {
	host, number, err := net.SplitHostPort(address)
	if err != nil {
		return err.Error()
	}
	name := host
	if member, service, ok := strings.Cut(host, "."); ok {
		name = service
		if !slices.ContainsFunc(f.workloads, func(w workload) bool {
			for i := range 9 {
				if w.service == service && w.replicas != nil && int32(i) < *w.replicas && member == fmt.Sprintf("%s-%d", w.name, i) {
					return true
				}
			}
			return false
		}) {
			return address + " is no Pod of a StatefulSet"
		}
	}
	s := f.services[name]
	if s == nil {
		return address + " is no Service"
	}
	if s.Spec.ClusterIP != core.ClusterIPNone {
		return address + " is one address for all replicas"
	}
	if !slices.ContainsFunc(s.Spec.Ports, func(p core.ServicePort) bool { return p.Name == port && fmt.Sprint(p.Port) == number }) {
		return address + " is no port of its Service"
	}
	return ""
}
