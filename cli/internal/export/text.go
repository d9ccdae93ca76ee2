package export

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/kit/clean"
)

const written = "# Written by silverback export %s from the registry's roster; changes by hand are lost.\n"

// target is one entry of Prometheus's file_sd_configs.
type target struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

func renderPrometheus(members []member, scheme string) []byte {
	targets := []target{}
	for _, m := range members {
		labels := map[string]string{"group": m.group, "node": m.node}
		if scheme != "http" {
			labels["__scheme__"] = scheme
		}
		for name, value := range m.labels {
			labels["__meta_silverback_label_"+labelName(name)] = clean.Line(value, clean.MaxWord)
		}
		targets = append(targets, target{Targets: []string{m.agent.String()}, Labels: labels})
	}
	text, err := json.MarshalIndent(targets, "", "  ")
	if err != nil {
		panic(err) // strings always marshal
	}
	return append(text, '\n')
}

// labelName makes a label name of a node's label: letters, digits and underscores.
func labelName(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, name)
}

// servers is how the servers of a balancer are written.
type servers struct {
	weights     weightFlag
	persistence persistence
	checkCA     string // HAProxy's
}

func (s *servers) add(cmd *cobra.Command) {
	s.weights.add(cmd)
	s.persistence.add(cmd)
}

func (s *servers) check() error { return errors.Join(s.weights.check(), s.persistence.check()) }

func (s *servers) haproxy(asked string, members []member) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, written, "haproxy")
	for _, g := range byGroup(asked, members) {
		fmt.Fprintf(&out, "\nbackend silverback_%s\n", g.name)
		out.WriteString(s.persistence.haproxy(g.name))
		out.WriteString("    option httpchk GET /readyz\n")
		if s.persistence == byCookie {
			out.WriteString(drainingCheck)
		}
		out.WriteString("    http-check expect status 200\n    option redispatch\n    retries 2\n    default-server inter 1s fall 2 rise 2\n")
		someReady := slices.ContainsFunc(g.members, func(m member) bool { return m.ready })
		for _, m := range g.members {
			fmt.Fprintf(&out, "    server %s %s%s\n", m.node, m.proxy, s.haproxyServer(m, someReady))
		}
	}
	return out.Bytes()
}

// haproxyServer returns the parameters of a server. The check decides about a server, so only what is certain is written: an order to
// drain, and an agent's own word that its gateway cannot serve. Even that is left to the check when no other gateway is ready.
func (s *servers) haproxyServer(m member, someReady bool) string {
	weight, disabled, remark := s.weights.of(m), "", ""
	if m.quarantined {
		remark = " # quarantined" // it keeps serving
	}
	switch {
	case m.drained:
		weight, remark = "0", " # drained"
	case m.unready && someReady:
		disabled, remark = " disabled", " # not ready"
	}
	var text strings.Builder
	if weight != "" {
		text.WriteString(" weight " + weight)
	}
	if s.persistence == byCookie {
		text.WriteString(" cookie " + m.node)
	}
	text.WriteString(disabled + " check")
	if m.agent.Host() != m.proxy.Host() {
		text.WriteString(" addr " + m.agent.Host())
	}
	text.WriteString(" port " + m.agent.Port())
	if s.checkCA != "" {
		text.WriteString(" check-ssl verify required ca-file " + s.checkCA)
	}
	return text.String() + remark
}

func (s *servers) nginx(asked string, members []member) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, written, "nginx")
	s.persistence.nginxMaps(&out)
	for _, g := range byGroup(asked, members) {
		name := "silverback_" + g.name
		fmt.Fprintf(&out, "\nupstream %s {\n    zone %s 64k;\n%s", name, name, s.persistence.nginx())
		takes := func(m member) bool { return m.ready }
		if !slices.ContainsFunc(g.members, takes) {
			takes = func(m member) bool { return m.served }
			if slices.ContainsFunc(g.members, takes) {
				out.WriteString("    # No gateway is ready; these once were.\n")
			} else {
				out.WriteString("    # No gateway takes traffic.\n")
			}
		}
		for _, m := range g.members {
			s.nginxServer(&out, m, takes(m))
		}
		if len(g.members) == 0 { // nginx wants a server in every upstream
			out.WriteString("    server 127.0.0.1:9 down;\n")
		}
		out.WriteString("}\n")
	}
	return out.Bytes()
}

// nginxServer writes a server. One that takes no traffic is listed as down, so that the clients of the others keep their places in a hash.
func (s *servers) nginxServer(out *bytes.Buffer, m member, takes bool) {
	weight, down, remark := s.weights.of(m), "", m.node
	if weight != "" {
		weight = " weight=" + weight
	}
	if !takes {
		down = " down"
		remark += ": " + m.state
	} else if m.quarantined {
		remark += ": quarantined" // it keeps serving
	}
	fmt.Fprintf(out, "    server %s%s max_fails=1 fail_timeout=5s%s; # %s\n", m.proxy, weight, down, remark)
}
