package endpoints_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/silverback-gateway/silverback/kong/target"
	"github.com/silverback-gateway/silverback/sources/kubernetes/endpoints"
)

// shop has the Services a and b of three and two pods; an Ingress leads to a.
func shop() *model {
	m := newModel()
	m.pods["a"] = map[string]pod{"10.0.0.1": ready, "10.0.0.2": ready, "10.0.0.3": ready}
	m.pods["b"] = map[string]pod{"10.0.1.1": ready, "10.0.1.2": ready}
	m.ingress["shop"] = "a"
	return m
}

func TestWhatLeftIsDrained(t *testing.T) {
	for title, c := range map[string]struct {
		change func(*model)
		in     endpoints.Input
		want   []target.Name
		left   []target.Name
	}{
		"nothing happened": {change: func(*model) {}},
		"a pod is gone": {
			change: func(m *model) { delete(m.pods["a"], "10.0.0.2") }, want: names("a", "10.0.0.2"),
		},
		"a pod is not ready": {
			change: func(m *model) { m.pods["a"]["10.0.0.2"] = unready }, want: names("a", "10.0.0.2"),
		},
		"a pod ends": {
			change: func(m *model) { m.pods["a"]["10.0.0.2"] = leaving }, want: names("a", "10.0.0.2"),
		},
		"a pod of a Service without routes is gone": {change: func(m *model) { delete(m.pods["b"], "10.0.1.1") }},
		"a pod came": {change: func(m *model) { m.pods["a"]["10.0.0.4"] = ready }},
		"the address came back with another Service": {
			change: func(m *model) { delete(m.pods["a"], "10.0.0.2"); m.pods["b"]["10.0.0.2"] = ready }, want: names("a", "10.0.0.2"),
		},
		"the route names another Service":    {change: func(m *model) { m.ingress["shop"] = "b" }},
		"the route and its Service are gone": {change: func(m *model) { delete(m.ingress, "shop"); delete(m.pods, "a") }},
		"the Service is gone":                {change: func(m *model) { delete(m.pods, "a") }},
		"all pods are gone, the last one stays": {
			change: func(m *model) { clear(m.pods["a"]) }, want: names("a", "10.0.0.1", "10.0.0.2"), left: names("a", "10.0.0.3"),
		},
		"what still answers stays longest": {
			change: func(m *model) { m.pods["a"] = map[string]pod{"10.0.0.1": leaving, "10.0.0.2": unready} },
			want:   names("a", "10.0.0.2", "10.0.0.3"), left: names("a", "10.0.0.1"),
		},
		"what is out already stays out": {
			change: func(m *model) { clear(m.pods["a"]) }, in: endpoints.Input{Mine: names("a", "10.0.0.3", "10.0.0.1")},
			want: names("a", "10.0.0.1", "10.0.0.3"), left: names("a", "10.0.0.2"),
		},
		"an operator keeps others out": {
			change: func(m *model) { delete(m.pods["a"], "10.0.0.1"); delete(m.pods["a"], "10.0.0.2") },
			in:     endpoints.Input{Others: names("a", "10.0.0.3")}, want: names("a", "10.0.0.1"), left: names("a", "10.0.0.2"),
		},
		"an operator emptied the upstream": {
			change: func(m *model) { delete(m.pods["a"], "10.0.0.1") },
			in:     endpoints.Input{Others: names("a", "10.0.0.1", "10.0.0.2", "10.0.0.3")}, left: names("a", "10.0.0.1"),
		},
		"the distributor refused": {
			change: func(m *model) { delete(m.pods["a"], "10.0.0.1") }, in: endpoints.Input{Refused: []string{upstream("a")}},
			left: names("a", "10.0.0.1"),
		},
	} {
		t.Run(title, func(t *testing.T) {
			m := shop()
			_, served, _ := m.observe(t)
			c.change(m)
			in := c.in
			in.Served = []endpoints.Configuration{served}
			_, in.Present, in.Cluster = m.observe(t)
			got := endpoints.Decide(in)
			if !slices.Equal(got.Names, c.want) || !slices.Equal(leftOf(got), c.left) {
				t.Errorf("drained %v, want %v; left %v, want %v", got.Names, c.want, got.Left, c.left)
			}
		})
	}
}

func leftOf(d endpoints.Drains) (all []target.Name) {
	for _, l := range d.Left {
		all = append(all, l.Name)
	}
	return all
}

func TestWithoutHealthChecksTheRevisionTakesTargetsOut(t *testing.T) {
	m := shop()
	m.options.RemovableTargets = false
	_, served, _ := m.observe(t)
	delete(m.pods["a"], "10.0.0.1")
	_, present, cluster := m.observe(t)
	got := endpoints.Decide(endpoints.Input{Served: []endpoints.Configuration{served}, Present: present, Cluster: cluster})
	if len(got.Names) != 0 || len(got.Left) != 1 || got.Left[0].Why != endpoints.WhyChecks {
		t.Errorf("%+v", got)
	}
}

func TestNamesInPlaceOfEndpointsAreNotDrained(t *testing.T) {
	for title, change := range map[string]func(*model){
		"a Service's own name": func(m *model) { m.options.ServiceUpstream = true },
		"a name outside":       func(m *model) { m.external, m.ingress["shop"] = "192.0.2.1", "external" },
	} {
		m := shop()
		change(m)
		_, served, _ := m.observe(t)
		delete(m.pods["a"], "10.0.0.1")
		m.options.ServiceUpstream = false
		m.external = "192.0.2.2"
		_, present, cluster := m.observe(t)
		got := endpoints.Decide(endpoints.Input{Served: []endpoints.Configuration{served}, Present: present, Cluster: cluster})
		if len(got.Names)+len(got.Left) != 0 {
			t.Errorf("%s: %+v", title, got)
		}
	}
}

// TestAfterAStart reads what the gateways run from the revision: other sources' upstreams stand in it, too.
func TestAfterAStart(t *testing.T) {
	const checks = `"healthchecks":{"passive":{"unhealthy":{"tcp_failures":254}}}`
	canonical := `{"_format_version":"3.0",
"targets":[
{"id":"t1","target":"10.0.0.1:8080","upstream":{"id":"u1"}},
{"id":"t2","target":"10.0.0.2:8080","upstream":{"id":"u1"}},
{"id":"t3","target":"10.0.0.3:8080","upstream":{"id":"u1"}},
{"id":"t4","target":"10.0.1.1:8080","upstream":{"id":"u1"}},
{"id":"t5","target":"legacy.internal:8080","upstream":{"id":"u1"}},
{"id":"t6","target":"192.0.2.1:8080","upstream":{"id":"u2"}},
{"id":"t7","target":"192.0.2.2:8080","upstream":{"id":"u2"}}
],
"upstreams":[
{` + checks + `,"id":"u1","name":"` + upstream("a") + `"},
{` + checks + `,"id":"u2","name":"machines"}
]}
`
	served, err := endpoints.Read([]byte(canonical))
	if err != nil {
		t.Fatal(err)
	}
	m := shop()
	delete(m.pods["a"], "10.0.0.2")
	_, present, cluster := m.observe(t)
	in := endpoints.Input{Served: []endpoints.Configuration{served}, Present: present, Cluster: cluster}
	if got := endpoints.Decide(in); !slices.Equal(got.Names, names("a", "10.0.0.2")) || len(got.Left) > 0 {
		t.Errorf("%+v", got)
	}
	in.Cluster = endpoints.Observe(nil)
	if got := endpoints.Decide(in); len(got.Names)+len(got.Left) != 0 {
		t.Errorf("without any slices: %+v", got)
	}
	if _, err := endpoints.Read([]byte("{}")); err == nil {
		t.Error("other bytes are read")
	}
}

func TestEndingPodsWithWeightNoneAreDrained(t *testing.T) {
	m := shop()
	m.options.DrainSupport = true
	_, served, _ := m.observe(t)
	m.pods["a"]["10.0.0.1"] = leaving
	_, present, cluster := m.observe(t)
	in := endpoints.Input{Served: []endpoints.Configuration{served}, Present: present, Cluster: cluster}
	if got := endpoints.Decide(in); !slices.Equal(got.Names, names("a", "10.0.0.1")) {
		t.Errorf("%+v", got)
	}
	in.Served = []endpoints.Configuration{present}
	if got := endpoints.Decide(in); len(got.Names) != 0 {
		t.Errorf("it gets nothing any more, and is drained: %+v", got)
	}
}

func TestASetHasRoom(t *testing.T) {
	const services, pods = 60, 50
	m := newModel()
	for s := range services {
		name := fmt.Sprintf("s%02d", s)
		m.pods[name] = map[string]pod{}
		m.ingress[name] = name
		for p := range pods {
			m.pods[name][fmt.Sprintf("10.%d.0.%d", s, p)] = ready
		}
	}
	_, served, _ := m.observe(t)
	for s, all := range m.pods {
		for address := range all {
			if address != "10."+fmt.Sprint(int(s[1]-'0')*10+int(s[2]-'0'))+".0.0" {
				delete(all, address)
			}
		}
	}
	_, present, cluster := m.observe(t)
	in := endpoints.Input{Served: []endpoints.Configuration{served}, Present: present, Cluster: cluster, Others: names("other", "10.9.9.9")}
	got := endpoints.Decide(in)
	if len(got.Names) != target.MaxKept-1 || len(got.Names)+len(got.Left) != services*(pods-1) || got.Left[0].Why != endpoints.WhyRoom {
		t.Errorf("%d drained, %d left", len(got.Names), len(got.Left))
	}
	in.Mine = got.Names
	if again := endpoints.Decide(in); !slices.Equal(again.Names, got.Names) {
		t.Error("what is out already has no place")
	}
}
