package k8s_test

import (
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.etcd.io/etcd/server/v3/embed"
)

// etcd's own flags take the settings, and etcd finds nothing wrong with them.
func TestEtcdKnowsItsSettings(t *testing.T) {
	for _, overlay := range overlays {
		f := mustFleet(t, overlay)
		w, ok := f.workload("etcd")
		if !ok {
			if overlay != "overlays/existing-etcd" {
				t.Errorf("%s has no etcd", overlay)
			}
			continue
		}
		env := environment(w, w.pod.Spec.Containers[0])
		config := embed.NewConfig()
		flags := flag.NewFlagSet("etcd", flag.ContinueOnError)
		config.AddFlags(flags)
		urls := map[string]*[]url.URL{
			"listen-client-urls": &config.ListenClientUrls, "advertise-client-urls": &config.AdvertiseClientUrls,
			"listen-peer-urls":            &config.ListenPeerUrls,
			"initial-advertise-peer-urls": &config.AdvertisePeerUrls, "listen-metrics-urls": &config.ListenMetricsUrls,
		}
		for name, value := range env {
			key, ok := strings.CutPrefix(name, "ETCD_")
			if !ok {
				continue
			}
			key = strings.ToLower(strings.ReplaceAll(key, "_", "-"))
			if key == "initial-cluster-state" { // a flag of the command only
				config.ClusterState = value
				continue
			}
			if err := flags.Set(key, value); err != nil {
				t.Errorf("%s: %s: %v", overlay, name, err)
			}
			if target := urls[key]; target != nil {
				u, err := url.Parse(value)
				if err != nil {
					t.Fatal(err)
				}
				*target = []url.URL{*u}
			}
		}
		if err := config.Validate(); err != nil {
			t.Errorf("%s: %v", overlay, err)
		}
		// Every member by its own name.
		var members []string
		peer := strings.ReplaceAll(env["ETCD_INITIAL_ADVERTISE_PEER_URLS"], w.name+"-0", "MEMBER")
		for i := range *w.replicas {
			member := fmt.Sprintf("%s-%d", w.name, i)
			members = append(members, member+"="+strings.ReplaceAll(peer, "MEMBER", member))
		}
		if want := strings.Join(members, ","); env["ETCD_INITIAL_CLUSTER"] != want {
			t.Errorf("%s: ETCD_INITIAL_CLUSTER is %s, want %s", overlay, env["ETCD_INITIAL_CLUSTER"], want)
		}
		secure := overlay == "overlays/production"
		for _, key := range []string{"ETCD_LISTEN_CLIENT_URLS", "ETCD_ADVERTISE_CLIENT_URLS", "ETCD_LISTEN_PEER_URLS",
			"ETCD_INITIAL_ADVERTISE_PEER_URLS"} {
			if strings.HasPrefix(env[key], "https://") != secure {
				t.Errorf("%s: %s is %s", overlay, key, env[key])
			}
		}
		if secure && (!config.ClientTLSInfo.ClientCertAuth || !config.PeerTLSInfo.ClientCertAuth) {
			t.Errorf("%s: etcd takes calls from everybody", overlay)
		}
	}
}

var etcdModule = regexp.MustCompile(`go\.etcd\.io/etcd/server/v3 (v[0-9.]+)`)

// The etcd of the image is the one that the tests run.
func TestEtcdIsTheOneThatIsTested(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root(t), "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	m := etcdModule.FindStringSubmatch(string(text))
	w, _ := mustFleet(t, "overlays/production").workload("etcd")
	if m == nil || !strings.HasSuffix(w.pod.Spec.Containers[0].Image, ":"+m[1]) {
		t.Errorf("the image is %s, the tests run %v", w.pod.Spec.Containers[0].Image, m)
	}
}
