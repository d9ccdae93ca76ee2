package compose_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const folder = "../../deploy/compose/"

type file struct {
	Services map[string]service        `yaml:"services"`
	Volumes  map[string]map[string]any `yaml:"volumes"`
}

type service struct {
	Image       string               `yaml:"image"`
	Command     any                  `yaml:"command"`
	Environment map[string]string    `yaml:"environment"`
	Ports       []string             `yaml:"ports"`
	Volumes     []string             `yaml:"volumes"`
	NetworkMode string               `yaml:"network_mode"`
	DependsOn   map[string]condition `yaml:"depends_on"`
	Restart     string               `yaml:"restart"`
	MemLimit    string               `yaml:"mem_limit"`
	CPUs        float64              `yaml:"cpus"`
	Healthcheck map[string]any       `yaml:"healthcheck"`
	Networks    []string             `yaml:"networks"`
	GroupAdd    []string             `yaml:"group_add"`
}

type condition struct {
	Condition string `yaml:"condition"`
}

func read(t *testing.T, name string) file {
	t.Helper()
	text, err := os.ReadFile(folder + name)
	if err != nil {
		t.Fatal(err)
	}
	var f file
	if err := yaml.Unmarshal(text, &f); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if len(f.Services) < 20 {
		t.Fatalf("%s has %d services only", name, len(f.Services))
	}
	return f
}

var names = []string{"compose.yaml", "compose.offline.yaml"}

func TestBothFilesRunTheSameSilverback(t *testing.T) {
	real, offline := read(t, names[0]), read(t, names[1])
	same := 0
	for name, s := range real.Services {
		if !strings.HasPrefix(s.Image, "silverback-gateway/") || name == "grafana-password" { // Grafana is in one of them only
			continue
		}
		same++
		if !reflect.DeepEqual(s, offline.Services[name]) {
			t.Errorf("%s differs:\n%+v\n%+v", name, s, offline.Services[name])
		}
	}
	if same < 15 {
		t.Errorf("%d services were compared", same)
	}
}

// A tag that says which version, as far as the publisher says it.
var exact = regexp.MustCompile(`:v?\d+\.\d+\.\d+$`)

func TestEveryImageIsKnown(t *testing.T) {
	for _, name := range names {
		for service, s := range read(t, name).Services {
			own := strings.HasPrefix(s.Image, "silverback-gateway/silverback") && strings.HasSuffix(s.Image, ":${SILVERBACK_TAG:-dev}")
			if !own && (name == "compose.offline.yaml" || !exact.MatchString(s.Image)) {
				t.Errorf("%s: %s: image %q", name, service, s.Image)
			}
		}
	}
}

func TestServicesAreBoundedAndRestarted(t *testing.T) {
	once := []string{"certs", "boot", "grafana-password"}
	silent := []string{"gateway-1", "gateway-2", "gateway-3", "cli", "load-balancer"} // hold something, or are asked by others
	for _, name := range names {
		f := read(t, name)
		for service, s := range f.Services {
			for _, p := range s.Ports {
				if !strings.HasPrefix(p, "127.0.0.1:") {
					t.Errorf("%s: %s publishes %q beyond this machine", name, service, p)
				}
			}
			if slices.Contains(once, service) {
				if s.Restart != "no" {
					t.Errorf("%s: %s runs once, and restarts %q", name, service, s.Restart)
				}
				continue
			}
			if s.Restart != "unless-stopped" || s.MemLimit == "" || s.CPUs <= 0 || s.CPUs > 1 {
				t.Errorf("%s: %s: restart %q, memory %q, processors %v", name, service, s.Restart, s.MemLimit, s.CPUs)
			}
			if len(s.Healthcheck) == 0 && !slices.Contains(silent, service) {
				t.Errorf("%s: %s has no healthcheck", name, service)
			}
			for other := range s.DependsOn {
				if _, ok := f.Services[other]; !ok {
					t.Errorf("%s: %s waits for %s, which is not there", name, service, other)
				}
			}
			for _, v := range s.Volumes {
				source, _, _ := strings.Cut(v, ":")
				if _, ok := f.Volumes[source]; !ok && !strings.HasPrefix(source, ".") {
					t.Errorf("%s: %s mounts %s, which is not there", name, service, source)
				}
			}
		}
	}
}

// The runtime of the services knows of their limit: a soft limit that is a tenth below.
func TestServicesCollectBeforeTheyAreKilled(t *testing.T) {
	bytes := func(text string) float64 {
		units := map[string]float64{"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
		text = strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(text), "b"), "i")
		if text == "" {
			return 0
		}
		n, err := strconv.ParseFloat(text[:len(text)-1], 64)
		if err != nil {
			t.Fatalf("%q is no size", text)
		}
		return n * units[text[len(text)-1:]]
	}
	for _, name := range names {
		found := 0
		for service, s := range read(t, name).Services {
			kind, _, _ := strings.Cut(service, "-")
			if !slices.Contains([]string{"registry", "translator", "distributor"}, kind) {
				continue
			}
			found++
			if share := bytes(s.Environment["GOMEMLIMIT"]) / bytes(s.MemLimit); share < 0.85 || share > 0.95 {
				t.Errorf("%s: %s: GOMEMLIMIT is %q of %q", name, service, s.Environment["GOMEMLIMIT"], s.MemLimit)
			}
		}
		if found != 7 {
			t.Errorf("%s: %d services were looked at", name, found)
		}
	}
}

func TestTheAdminAPIStaysOnLoopback(t *testing.T) {
	for _, name := range names {
		f := read(t, name)
		for _, number := range []string{"1", "2", "3"} {
			kong, agent := f.Services["kong-"+number], f.Services["agent-"+number]
			if shared := "service:gateway-" + number; kong.NetworkMode != shared || agent.NetworkMode != shared {
				t.Errorf("%s: gateway %s: networks %q and %q", name, number, kong.NetworkMode, agent.NetworkMode)
			}
			admin := kong.Environment["KONG_ADMIN_LISTEN"]
			if list, ok := kong.Command.([]any); ok {
				for _, arg := range list {
					if text, is := arg.(string); is && strings.HasPrefix(text, "-admin=") {
						admin = strings.TrimPrefix(text, "-admin=")
					}
				}
			}
			if admin != "127.0.0.1:8001" {
				t.Errorf("%s: kong-%s: the Admin API listens on %q", name, number, admin)
			}
			if boot := "boot-" + number + ":/var/lib/silverback"; !slices.Contains(kong.Volumes, boot+":ro") ||
				!slices.Contains(agent.Volumes, boot) {
				t.Errorf("%s: gateway %s does not boot from what its agent writes: %v, %v", name, number, kong.Volumes, agent.Volumes)
			}
			if slices.Contains(agent.Networks, "ledger") || slices.Contains(f.Services["gateway-"+number].Networks, "ledger") {
				t.Errorf("%s: gateway %s reaches etcd", name, number)
			}
		}
	}
}

func TestEverybodyShowsACertificate(t *testing.T) {
	for _, name := range names {
		for service, s := range read(t, name).Services {
			kind, _, _ := strings.Cut(service, "-")
			var wanted []string
			switch kind {
			case "registry":
				wanted = []string{"CERT", "KEY", "CLIENT_CA", "ETCD_CA", "ETCD_CERT", "ETCD_KEY"}
			case "translator", "distributor":
				wanted = []string{"CERT", "KEY", "CLIENT_CA", "ETCD_CA", "ETCD_CERT", "ETCD_KEY", "CA", "CLIENT_CERT", "CLIENT_KEY"}
			case "agent":
				wanted = []string{"CA", "CLIENT_CERT", "CLIENT_KEY"}
			case "cli":
				wanted = []string{"CA", "CERT", "KEY"}
			}
			for _, w := range wanted {
				if !strings.HasPrefix(s.Environment["SILVERBACK_"+w+"_FILE"], "/certs/") {
					t.Errorf("%s: %s has no SILVERBACK_%s_FILE", name, service, w)
				}
			}
			if s.Environment["SILVERBACK_INSECURE"] != "" {
				t.Errorf("%s: %s does not tell callers apart", name, service)
			}
			if ca := s.Environment["SILVERBACK_ETCD_CA_FILE"]; ca != "" && (ca == s.Environment["SILVERBACK_CLIENT_CA_FILE"] ||
				s.Environment["SILVERBACK_ETCD_CERT_FILE"] == s.Environment["SILVERBACK_CERT_FILE"]) {
				t.Errorf("%s: %s shows etcd a certificate of the authority of its callers", name, service)
			}
			if ca := s.Environment["ETCD_TRUSTED_CA_FILE"]; kind == "etcd" && (ca != "/certs/etcd-ca.crt" ||
				s.Environment["ETCD_PEER_TRUSTED_CA_FILE"] != ca || s.Environment["ETCD_PEER_CERT_ALLOWED_CN"] != "etcd-member") {
				t.Errorf("%s: %s trusts %q", name, service, ca)
			}
			if kind == "etcd" && (s.Environment["ETCD_CLIENT_CERT_AUTH"] != "true" || s.Environment["ETCD_PEER_CLIENT_CERT_AUTH"] != "true") {
				t.Errorf("%s: %s lets strangers in", name, service)
			}
		}
	}
}

// secretly finds settings that hold a secret themselves, or name a file that does.
var secretly = regexp.MustCompile(`(?i)passw(or)?d|secret|token|api_?key|credential`)

// literal says whether a setting, or an argument of a command, holds a secret that everybody can read here.
func literal(key, value string) bool {
	name, isFile := strings.CutSuffix(strings.ToUpper(strings.ReplaceAll(key, "-", "_")), "_FILE")
	return secretly.MatchString(name) && !isFile && value != "" && name != "ETCD_INITIAL_CLUSTER_TOKEN" // which only tells clusters apart
}

func TestNoSecretStandsInAFile(t *testing.T) {
	for _, name := range names {
		for service, s := range read(t, name).Services {
			for key, value := range s.Environment {
				if literal(key, value) {
					t.Errorf("%s: %s: %s is there for everybody to read", name, service, key)
				}
			}
			args, _ := s.Command.([]any)
			if text, ok := s.Command.(string); ok {
				for _, word := range strings.Fields(text) {
					args = append(args, word)
				}
			}
			for _, arg := range args {
				key, value, _ := strings.Cut(fmt.Sprint(arg), "=")
				if literal(key, value) && !strings.HasPrefix(value, "/") { // a file
					t.Errorf("%s: %s: an argument %s is there for everybody to read", name, service, key)
				}
			}
		}
	}
	for key, want := range map[string]bool{
		"GF_SECURITY_ADMIN_PASSWORD": true, "GF_SECURITY_ADMIN_PASSWORD__FILE": false, "--root-token": true, "KONG_PG_PASSWORD": true,
		"SILVERBACK_KEY_FILE": false,
	} {
		if literal(key, "x") != want {
			t.Errorf("%s counts as a secret: %v", key, !want)
		}
	}
}

// TestGrafanasPasswordIsMadeUp: without one Grafana takes a password that everybody knows.
func TestGrafanasPasswordIsMadeUp(t *testing.T) {
	f := read(t, names[0])
	grafana, maker := f.Services["grafana"], f.Services["grafana-password"]
	file := grafana.Environment["GF_SECURITY_ADMIN_PASSWORD__FILE"]
	made := []string{"grafana-password:/password"}
	if command := fmt.Sprint(maker.Command); command != "[-password="+file+"]" || !slices.Equal(maker.Volumes, made) {
		t.Errorf("Grafana reads %q, and %s on %v makes it", file, command, maker.Volumes)
	}
	if !slices.Contains(grafana.Volumes, "grafana-password:/password:ro") || !slices.Equal(grafana.GroupAdd, []string{"65532"}) {
		t.Errorf("Grafana cannot read it: %v, groups %v", grafana.Volumes, grafana.GroupAdd)
	}
	if grafana.DependsOn["grafana-password"].Condition != "service_completed_successfully" {
		t.Error("Grafana does not wait for it")
	}
	for name, s := range f.Services {
		for _, v := range s.Volumes {
			if name != "grafana" && name != "grafana-password" && strings.HasPrefix(v, "grafana-password:") {
				t.Errorf("%s reads it too", name)
			}
		}
	}
	if readme, err := os.ReadFile(folder + "README.md"); err != nil || !strings.Contains(string(readme), "exec -T grafana cat "+file) {
		t.Errorf("README.md does not say how it is read: %v", err)
	}
	// As the container does it: once, and for its group to read.
	pause := filepath.Join(t.TempDir(), "pause")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", pause, "./pause")
	build.Dir, build.Env = "../../deploy/images", append(os.Environ(), "GOWORK=off")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	all := map[string]bool{}
	for range 2 {
		path := filepath.Join(t.TempDir(), "grafana")
		var first []byte
		for again := range 2 {
			said, err := exec.CommandContext(t.Context(), pause, "-password="+path).CombinedOutput()
			text, readErr := os.ReadFile(path)
			word := strings.TrimSpace(string(text))
			if err != nil || readErr != nil || len(word) < 26 || strings.Contains(string(said), word) {
				t.Fatalf("%v, %v: it says %q, and writes %q", err, readErr, said, text)
			}
			if again == 1 && string(text) != string(first) {
				t.Errorf("a second start makes another one: %q, then %q", first, text)
			}
			first = text
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
		all[string(first)] = true
	}
	if len(all) != 2 {
		t.Errorf("it is always the same: %v", all)
	}
}

func TestPrometheusScrapesTheSameJobsEverywhere(t *testing.T) {
	jobs := func(path string) map[string]string {
		t.Helper()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var f struct {
			Jobs []struct {
				Name string `yaml:"job_name"`
				Path string `yaml:"metrics_path"`
			} `yaml:"scrape_configs"`
		}
		if err := yaml.Unmarshal(text, &f); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all := map[string]string{}
		for _, j := range f.Jobs {
			all[j.Name] = j.Path
		}
		return all
	}
	compose, elsewhere := jobs(folder+"prometheus.yaml"), jobs("../../deploy/observability/prometheus.yaml")
	if !reflect.DeepEqual(compose, elsewhere) || len(compose) < 6 {
		t.Errorf("jobs in compose: %v; elsewhere: %v", compose, elsewhere)
	}
}

// TestTheSameVersionsArePulledAndBuilt: what compose.yaml pulls is what the offline file was tried with.
func TestTheSameVersionsArePulledAndBuilt(t *testing.T) {
	services := read(t, names[0]).Services
	version := func(file, module string) string {
		t.Helper()
		text, err := os.ReadFile("../../deploy/images/" + file)
		if err != nil {
			t.Fatal(err)
		}
		m := regexp.MustCompile(`(?m)^\s(?:require )?` + regexp.QuoteMeta(module) + ` v(\S+)`).FindSubmatch(text)
		if m == nil {
			t.Fatalf("%s does not name %s", file, module)
		}
		return string(m[1])
	}
	if want := ":v" + version("go.mod", "go.etcd.io/etcd/server/v3"); !strings.HasSuffix(services["etcd-1"].Image, want) {
		t.Errorf("compose.yaml pulls %s, built is %s", services["etcd-1"].Image, want)
	}
	// Prometheus 3.13.5 is the module's v0.313.5.
	minor, patch, _ := strings.Cut(strings.TrimPrefix(version("prometheus/go.mod", "github.com/prometheus/prometheus"), "0.3"), ".")
	if want := ":v3." + strings.TrimLeft(minor, "0") + "." + patch; !strings.HasSuffix(services["prometheus"].Image, want) {
		t.Errorf("compose.yaml pulls %s, built is %s", services["prometheus"].Image, want)
	}
}
