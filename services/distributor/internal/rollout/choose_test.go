package rollout

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// zoned are nodes a1, a2, … b1, … c1, … whose places follow their names, with their first letter as zone. A name in upper case is a canary,
// a name with a trailing - is offline.
func zoned(names string) (all []Node) {
	for i, name := range strings.Fields(names) {
		short := strings.TrimSuffix(name, "-")
		n := Node{Name: fleet.NodeID(short), Position: place(i + 1), Online: short == name,
			Labels: map[string]string{"zone": strings.ToLower(short[:1])}}
		if strings.ToUpper(short) == short {
			n.Labels["canary"] = "true"
		}
		all = append(all, n)
	}
	return all
}

// chosen plays a rollout of a policy and returns the nodes of each step, in their order; a | ends a wave.
func chosen(t *testing.T, p Policy, nodes []Node) string {
	t.Helper()
	in := Input{Group: "g", Newest: Target{Revision: 1, Digest: "one"}, Policy: p, Nodes: nodes}
	var words []string
	wave := 1
	for range 100 {
		d := Plan(start, in)
		if d.IsZero() {
			return strings.Join(append(words, "waits"), " ")
		}
		if d.Rollout.State == Completed {
			return strings.Join(words, " ")
		}
		var more []string
		for _, n := range nodes {
			if n.Online && d.Assignment.Includes(n.Position) && (in.Assignment == nil || !in.Assignment.Includes(n.Position)) {
				more = append(more, string(n.Name))
			}
		}
		if d.Rollout.Wave > wave {
			wave = d.Rollout.Wave
			words = append(words, "|")
		}
		if len(more) > 0 {
			words = append(words, strings.Join(more, "+"))
		}
		in.Rollout, in.Assignment = d.Rollout, d.Assignment
		tally := Tally{Decision: in.Assignment.Decision}
		for _, n := range nodes {
			if n.Online && in.Assignment.Includes(n.Position) {
				tally.Nodes.Serving = append(tally.Nodes.Serving, n.Position)
			}
		}
		tally.Connected, tally.Serving = len(tally.Nodes.Serving), len(tally.Nodes.Serving)
		slices.Sort(tally.Nodes.Serving)
		in.Tallies = []Tally{tally}
	}
	t.Fatal("the rollout does not end")
	return ""
}

func TestWavesByLabel(t *testing.T) {
	const fleetOf = "a1 b1 c1 a2 b2 c2 a3 B3 c3"
	everybody := Wave{Percent: 100}
	for _, tt := range []struct {
		name, nodes, want string
		policy            Policy
	}{
		{"by count, in the hash order", fleetOf, "a1 | b1+c1+a2+b2+c2+a3+B3+c3", Policy{}},
		{"a zone, then all", fleetOf, "b1+b2+B3 | a1+c1+a2+c2+a3+c3", Policy{Waves: []Wave{{Label: "zone=b"}, everybody}}},
		{"a canary, its zone, then all", fleetOf, "B3 | b1+b2 | a1+c1+a2+c2+a3+c3",
			Policy{Waves: []Wave{{Label: "canary=true"}, {Label: "zone=b"}, everybody}}},
		{"a count takes nodes of the next label", fleetOf, "c1 | c2+c3 | a1+b1+a2+b2+a3+B3",
			Policy{Waves: []Wave{{Nodes: 1}, {Label: "zone=c"}, everybody}}},
		{"a share counts what the label took", fleetOf, "a1+a2+a3 | b1+c1 | b2+c2+B3+c3",
			Policy{Waves: []Wave{{Label: "zone=a"}, {Percent: 50}, everybody}}},
		{"a later wave without a node is passed", fleetOf, "a1+a2+a3 | b1+c1+b2+c2+B3+c3",
			Policy{Waves: []Wave{{Label: "zone=a"}, {Label: "zone=z"}, everybody}}},
		{"a first wave without a node waits", "a1 b1", "waits", Policy{Waves: []Wave{{Label: "zone=z"}, everybody}}},
		{"and so it does while its nodes are offline", "a1 b1-", "waits", Policy{Waves: []Wave{{Label: "zone=b"}, everybody}}},
		{"offline nodes hold no wave", "a1 a2- b1", "a1 | b1", Policy{Waves: []Wave{{Label: "zone=a"}, everybody}}},
		{"a count is spread over the zones", fleetOf, "a1+b1+c1 | a2+b2+c2+a3+B3+c3",
			Policy{Waves: []Wave{{Nodes: 3}, everybody}, Spread: &fleet.Spread{Label: "zone"}}},
		{"one zone at a time", fleetOf, "a1+a2+a3 b1+b2+B3 c1+c2+c3",
			Policy{Waves: []Wave{everybody}, Spread: &fleet.Spread{Label: "zone", MaxValuesLoading: 1}}},
		{"one zone at a time, half of it", fleetOf, "a1 b1 c1 a2 b2 c2 a3 B3 c3",
			Policy{Waves: []Wave{everybody}, Spread: &fleet.Spread{Label: "zone", MaxValuesLoading: 1, MaxLoading: 50}}},
		{"a third of each zone", fleetOf, "a1+b1+c1 a2+b2+c2 a3+B3+c3",
			Policy{Waves: []Wave{everybody}, Spread: &fleet.Spread{Label: "zone", MaxLoading: 34}}},
		{"a third of each zone, and of the group", fleetOf, "a1+b1 c1+a2 b2+c2 a3+B3 c3",
			Policy{Waves: []Wave{everybody}, MaxLoading: 30, Spread: &fleet.Spread{Label: "zone", MaxLoading: 34}}},
		{"nodes without the label have the empty value", fleetOf, "a1+b1+c1+a2+b2+c2+a3+c3 B3",
			Policy{Waves: []Wave{{Percent: 100}}, Spread: &fleet.Spread{Label: "canary", MaxValuesLoading: 1}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := chosen(t, tt.policy, zoned(tt.nodes)); got != tt.want {
				t.Errorf("the steps are %q, want %q", got, tt.want)
			}
		})
	}
}

func TestARolloutWaitsForTheLabelOfItsFirstWave(t *testing.T) {
	in := Input{Group: "g", Newest: Target{Revision: 1, Digest: "one"}, Nodes: zoned("a1 b1-"),
		Policy: Policy{Waves: []Wave{{Label: "zone=b"}, {Percent: 100}}, Deadline: new(time.Minute)}}
	d := Plan(start, in)
	if d.Rollout.State != Waiting || !d.Assignment.Reach.IsZero() {
		t.Fatalf("the rollout is %+v, the assignment %+v", d.Rollout, d.Assignment)
	}
	in.Rollout, in.Assignment = d.Rollout, d.Assignment
	in.Ages = Ages{Wave: time.Hour, Idle: time.Hour}
	if d = Plan(start, in); !d.IsZero() {
		t.Fatalf("after an hour it decides %+v", d)
	}
	if text := Next(in, Count(in), nil); !strings.Contains(text, "zone=b") || !strings.Contains(text, "promote") {
		t.Errorf("what comes next is %q", text)
	}

	online := in
	online.Nodes = zoned("a1 b1")
	if d = Plan(start, online); d.Rollout == nil || d.Rollout.State != Progressing || !d.Assignment.Includes(place(2)) ||
		d.Assignment.Includes(place(1)) {
		t.Errorf("once the node is there it decides %+v", d)
	}

	in.Orders = Orders{Rollouts: []Order{{ID: "1", Verb: Promote, Rollout: in.Rollout.ID}}}
	if d = Plan(start, in); d.Rollout == nil || d.Rollout.Wave != 2 || !d.Assignment.Includes(place(1)) {
		t.Errorf("after a promotion it decides %+v", d)
	}
}

func TestALabelledNodeThatComesOnlineJoinsItsWave(t *testing.T) {
	p := Policy{Waves: []Wave{{Label: "zone=a", Soak: time.Hour}, {Percent: 100}}}
	a := Assignment{Candidate: Target{Revision: 1, Digest: "one"}, Rollout: "00000001"}.Reach.plus([]uint64{place(1)})
	in := Input{Group: "g", Newest: Target{Revision: 1, Digest: "one"}, Nodes: zoned("a1 a2 b1"),
		Assignment: &Assignment{Candidate: Target{Revision: 1, Digest: "one"}, Rollout: "00000001", Reach: a},
		Rollout:    &Rollout{ID: "00000001", Group: "g", Candidate: Target{Revision: 1, Digest: "one"}, State: Soaking, Wave: 1, Policy: p},
		Tallies:    []Tally{{Connected: 1, Serving: 1, Nodes: Nodes{Serving: Positions{place(1)}}}}}
	d := Plan(start, in)
	if d.Assignment == nil || !d.Assignment.Includes(place(2)) || d.Assignment.Includes(place(3)) || d.Rollout.State != Progressing {
		t.Errorf("it decides %+v %+v", d.Rollout, d.Assignment)
	}
}
