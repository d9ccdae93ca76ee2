package export

import (
	"fmt"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kit/clean"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// hostile is what a node, or a ledger from before the registry looked, could say to put more into a file than an address.
var hostile = []string{
	"127.0.0.1:80 check\n    external-check command /bin/sh\n    server x 127.0.0.1:80", "127.0.0.1:80 ssl crt /etc/shadow",
	"127.0.0.1:80;} server { root /; }",
	"unix@/var/run/docker.sock:80", "unix:80", "UNIX:1", "fd@3:1", "${SHELL}:80", "\"a b\":80", "a\\nb:80", "a#:80", "10.0.0.1:80 #",
	"[::1%$(id)]:80",
	"10.0.0.1\u2028:80", "evil/metrics?:80", "10.0.0.1:80\r\n", "\x1b[2J:80",
}

func TestNoNodeWritesConfiguration(t *testing.T) {
	good := node("edge", "gw-1", "10.0.0.1:8000", "10.0.0.1:7453", registryv1.Node_STATE_READY)
	for _, word := range hostile {
		for what, bad := range map[string]*registryv1.Node{
			"proxy address": node("edge", "gw-2", word, "10.0.0.2:7453", registryv1.Node_STATE_READY),
			"agent address": node("edge", "gw-2", "10.0.0.2:8000", word, registryv1.Node_STATE_READY),
			"name":          node("edge", word, "10.0.0.2:8000", "10.0.0.2:7453", registryv1.Node_STATE_READY),
			"group":         node(word, "gw-2", "10.0.0.2:8000", "10.0.0.2:7453", registryv1.Node_STATE_READY),
		} {
			r := start(t)
			r.nodes = []*registryv1.Node{good}
			for _, format := range []string{"haproxy", "nginx", "prometheus-sd"} {
				r.nodes = []*registryv1.Node{good}
				a, want, _ := newApp(r)
				if err := run(t, a, format); err != nil {
					t.Fatal(err)
				}
				r.nodes = []*registryv1.Node{good, bad}
				a, got, said := newApp(r)
				if err := run(t, a, format); err != nil {
					t.Fatal(err)
				}
				if got.String() != want.String() {
					t.Errorf("%s, %s %q wrote:\n%s", format, what, word, got)
				}
				if !strings.HasPrefix(said.String(), "left out: ") || strings.Count(said.String(), "\n") != 1 ||
					strings.ContainsFunc(strings.TrimSuffix(said.String(), "\n"), clean.Unsafe) {
					t.Errorf("%s, %s %q: what was left out is told as %q", format, what, word, said)
				}
			}
			r.stop()
		}
	}
}

func TestLabelsStayLabels(t *testing.T) {
	n := node("edge", "gw-1", "10.0.0.1:8000", "10.0.0.1:7453", registryv1.Node_STATE_READY)
	n.Labels = map[string]string{"__address__\n": "evil:1\"}]\n\u202e"}
	members, _ := membersOf([]*registryv1.Node{n})
	text := string(renderPrometheus(members, "http"))
	if !strings.Contains(text, `"__meta_silverback_label___address___"`) || strings.Count(text, "evil") != 1 ||
		strings.ContainsRune(text, '\u202e') {
		t.Error(text)
	}
	var s servers
	for _, rendered := range []string{string(s.haproxy("", members)), string(s.nginx("", members))} {
		if strings.Contains(rendered, "evil") {
			t.Error(rendered)
		}
	}
}

func TestWordsOfTheCommandLineAreCheckedToo(t *testing.T) {
	r := start(t)
	a, _, _ := newApp(r)
	for _, args := range [][]string{{"haproxy", "-g", "a\n  b"}, {"nginx", "-g", "a { }"},
		{"haproxy", "--check-ca-file", "/etc/ca.crt no-verify"}, {"haproxy", "--check-ca-file", "$CA"},
		{"haproxy", "--weight", "canary=true"}, {"haproxy", "--weight", "canary=true:0"}, {"nginx", "--weight", "canary=true:101"},
		{"nginx", "--weight", ":5"}, {"nginx", "--weight", "canary=true:x"},
		{"haproxy", "--persistence", "table"}, {"nginx", "--persistence", "Cookie"}} {
		if err := run(t, a, args...); err == nil || !strings.Contains(err.Error(), strings.Trim(fmt.Sprintf("%q", args[len(args)-1]), `"`)) {
			t.Errorf("%q: %v", args, err)
		}
	}
}
