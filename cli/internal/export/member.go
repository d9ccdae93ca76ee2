package export

import (
	"cmp"
	"fmt"
	"net"
	"slices"

	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// A member is a node as the exports need it.
type member struct {
	group, node string
	labels      map[string]string
	ready       bool // takes traffic, as the registry knows it
	served      bool // has been proven to serve something, and does not drain
	proxyHost   string
	proxyPort   string
	agentHost   string
	agentPort   string
}

// membersOf takes from nodes what exports need, by group and name, without those that said goodbye. Problems are nodes that
// did not say where they are.
func membersOf(nodes []*registryv1.Node) (members []member, problems []string) {
	for _, n := range nodes {
		if n.GetState() == registryv1.Node_STATE_GONE {
			continue
		}
		m := member{group: n.GetGroup(), node: n.GetName(), labels: n.GetLabels(), ready: n.GetState() == registryv1.Node_STATE_READY && n.GetDrain() == nil}
		m.served = n.GetStatus().GetRevision() > 0 && n.GetState() != registryv1.Node_STATE_DRAINING && n.GetDrain() == nil
		var err error
		if m.proxyHost, m.proxyPort, err = net.SplitHostPort(n.GetProxyAddress()); err != nil {
			problems = append(problems, fmt.Sprintf("node %s of %s does not say where its proxy is; give its agent --proxy-address", m.node, m.group))
			continue
		}
		if m.agentHost, m.agentPort, err = net.SplitHostPort(n.GetAgentAddress()); err != nil {
			problems = append(problems, fmt.Sprintf("node %s of %s has no HTTP listener that could be asked; give its agent --http-listen", m.node, m.group))
			continue
		}
		m.agentHost = agentHost(m.agentHost, m.proxyHost)
		members = append(members, m)
	}
	slices.SortFunc(members, func(x, y member) int { return cmp.Or(cmp.Compare(x.group, y.group), cmp.Compare(x.node, y.node)) })
	slices.Sort(problems)
	return members, problems
}

// agentHost is where an agent is asked. One that listens everywhere, or on loopback beside a gateway that does not, is where its gateway is.
func agentHost(listens, proxyHost string) string {
	if ip := net.ParseIP(listens); listens == "" || listens == "localhost" || ip != nil && (ip.IsUnspecified() || ip.IsLoopback()) {
		return proxyHost
	}
	return listens
}

// AgentAddress is where the agent of a node is asked, as far as the node says.
func AgentAddress(n *registryv1.Node) string {
	host, port, err := net.SplitHostPort(n.GetAgentAddress())
	proxyHost, _, proxyErr := net.SplitHostPort(n.GetProxyAddress())
	if err != nil || proxyErr != nil {
		return n.GetAgentAddress()
	}
	return net.JoinHostPort(agentHost(host, proxyHost), port)
}

// byGroup splits sorted members. A group that was asked for is there without any, since others name what is made of it.
func byGroup(asked string, members []member) (groups []group) {
	if asked != "" && len(members) == 0 {
		return []group{{name: asked}}
	}
	for len(members) > 0 {
		n := slices.IndexFunc(members, func(m member) bool { return m.group != members[0].group })
		if n < 0 {
			n = len(members)
		}
		groups, members = append(groups, group{members[0].group, members[:n]}), members[n:]
	}
	return groups
}

// A group is the members that take the same traffic.
type group struct {
	name    string
	members []member
}

func (m member) proxy() string { return net.JoinHostPort(m.proxyHost, m.proxyPort) }
func (m member) agent() string { return net.JoinHostPort(m.agentHost, m.agentPort) }
