package export

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kit/fleet"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// A member is a node as the exports need it. All its texts were checked when it was made: nodes report them, and in the configuration of a
// load balancer they must be no more than a name or an address.
type member struct {
	group, node string // names of the fleet, fleet.ValidName
	labels      map[string]string
	ready       bool // receives traffic, as the registry reports
	served      bool // was proven to serve a configuration, and is not drained
	drained     bool // an operator ordered it, or its agent is about to stop
	unready     bool // the agent is in contact and says that its gateway cannot serve; never of a node that nobody hears from
	quarantined bool
	state       string // for people
	proxy       fleet.Address
	agent       fleet.Address
}

// membersOf returns the members for nodes, sorted by group and name, without nodes that have left. Problems are nodes that are left out:
// those that reported no address, or an invalid one.
func membersOf(nodes []*registryv1.Node) (members []member, problems []string) {
	for _, n := range nodes {
		if n.GetState() == registryv1.Node_STATE_GONE {
			continue
		}
		m, err := memberOf(n)
		if err != nil {
			problems = append(problems, clean.Line(err.Error(), clean.MaxMessage))
			continue
		}
		members = append(members, m)
	}
	slices.SortFunc(members, func(x, y member) int { return cmp.Or(cmp.Compare(x.group, y.group), cmp.Compare(x.node, y.node)) })
	slices.Sort(problems)
	return members, problems
}

// takesTraffic reports whether a node is ready. An unmanaged node serves its previous configuration.
func takesTraffic(s registryv1.Node_State) bool {
	return s == registryv1.Node_STATE_READY || s == registryv1.Node_STATE_UNMANAGED
}

// inContact reports whether what a node reported last is what it reports now.
func inContact(s registryv1.Node_State) bool {
	return s == registryv1.Node_STATE_JOINING || s == registryv1.Node_STATE_DEGRADED
}

// stateWord returns the word for a state of this or of a later registry.
func stateWord(s registryv1.Node_State) string {
	word, known := strings.CutPrefix(s.String(), "STATE_")
	if !known || s == registryv1.Node_STATE_UNSPECIFIED {
		return "unknown"
	}
	return strings.ToLower(word)
}

func memberOf(n *registryv1.Node) (member, error) {
	m := member{group: n.GetGroup(), node: n.GetName(), labels: n.GetLabels(), quarantined: n.GetQuarantine() != nil}
	proven := n.GetStatus().GetRevision() > 0 || n.GetStatus().GetUnmanaged() != nil
	m.drained = n.GetState() == registryv1.Node_STATE_DRAINING || n.GetDrain() != nil
	m.ready = takesTraffic(n.GetState()) && !m.drained
	m.served = proven && !m.drained
	m.unready = inContact(n.GetState()) && !m.ready && !m.drained && (!proven || !n.GetStatus().GetGatewayReady())
	if m.state = stateWord(n.GetState()); m.drained {
		m.state = "drained"
	}
	if err := errors.Join(fleet.ValidName("group", m.group), fleet.ValidName("node", m.node)); err != nil {
		return m, err
	}
	var err error
	switch m.proxy, err = fleet.ParseAddress(n.GetProxyAddress()); {
	case n.GetProxyAddress() == "":
		return m, fmt.Errorf("node %s of %s does not say where its proxy is; give its agent --proxy-address", m.node, m.group)
	case err != nil:
		return m, fmt.Errorf("node %s of %s says that its proxy is at %q: %w; give its agent another --proxy-address", m.node, m.group,
			n.GetProxyAddress(), err)
	}
	switch m.agent, err = fleet.ParseAddress(n.GetAgentAddress()); {
	case n.GetAgentAddress() == "":
		return m, fmt.Errorf("node %s of %s has no HTTP listener that could be asked; give its agent --http-listen", m.node, m.group)
	case err != nil:
		return m, fmt.Errorf("node %s of %s says that its HTTP listener is at %q: %w; give its agent another --http-listen", m.node, m.group,
			n.GetAgentAddress(), err)
	}
	m.agent = agentAt(m.agent, m.proxy)
	return m, nil
}

// agentAt returns the address of an agent's HTTP listener. When it listens on all addresses, or on loopback beside a gateway that does not,
// that is the host of the gateway.
func agentAt(listens, proxy fleet.Address) fleet.Address {
	if ip := net.ParseIP(listens.Host()); listens.Host() == "localhost" || ip != nil && (ip.IsUnspecified() || ip.IsLoopback()) {
		return listens.At(proxy)
	}
	return listens
}

// AgentAddress returns the address of the HTTP listener of a node's agent, when the node reports one.
func AgentAddress(n *registryv1.Node) string {
	agent, err := fleet.ParseAddress(n.GetAgentAddress())
	proxy, proxyErr := fleet.ParseAddress(n.GetProxyAddress())
	if err != nil || proxyErr != nil {
		return n.GetAgentAddress()
	}
	return agentAt(agent, proxy).String()
}

// byGroup splits sorted members. A requested group is included even when it is empty, since other files refer to it.
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

// A group is the members that receive the same traffic.
type group struct {
	name    string
	members []member
}
