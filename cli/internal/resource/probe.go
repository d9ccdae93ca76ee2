package resource

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
)

const probeForm = "want a path, then if wanted expect=STATUS, host=HOST, header=NAME:VALUE, interval=5s, timeout=2s, readiness, with " +
	"commas between, as in /health,expect=204,host=shop.example,readiness"

// parseProbes reads probes as --probe takes them.
func parseProbes(texts []string) ([]*fleetv1.Probe, error) {
	var probes []*fleetv1.Probe
	for _, text := range texts {
		p, err := parseProbe(text)
		if err != nil {
			return nil, fmt.Errorf("--probe %q: %w; %s", text, err, probeForm)
		}
		probes = append(probes, p)
	}
	return probes, nil
}

func parseProbe(text string) (*fleetv1.Probe, error) {
	parts := strings.Split(text, ",")
	p := &fleetv1.Probe{Path: strings.TrimSpace(parts[0])}
	if !strings.HasPrefix(p.GetPath(), "/") {
		return nil, fmt.Errorf("%q is not a path: it does not begin with '/'", p.GetPath())
	}
	for _, part := range parts[1:] {
		key, value, valued := strings.Cut(strings.TrimSpace(part), "=")
		if valued == (key == "readiness") {
			return nil, fmt.Errorf("%q is not understood", part)
		}
		if err := setProbe(p, key, value); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func setProbe(p *fleetv1.Probe, key, value string) error {
	switch key {
	case "expect":
		n, err := strconv.ParseInt(value, 10, 32)
		if err != nil {
			return fmt.Errorf("%q is not a status", value)
		}
		p.Expect = int32(n)
	case "host":
		p.Host = value
	case "header":
		name, of, ok := strings.Cut(value, ":")
		if !ok {
			return fmt.Errorf("%q is not a header", value)
		}
		if p.Headers == nil {
			p.Headers = map[string]string{}
		}
		p.Headers[strings.TrimSpace(name)] = strings.TrimSpace(of)
	case "interval", "timeout":
		d, err := time.ParseDuration(value)
		if err != nil {
			return fmt.Errorf("%q is not a duration such as 5s", value)
		}
		if key == "interval" {
			p.Interval = durationpb.New(d)
		} else {
			p.Timeout = durationpb.New(d)
		}
	case "readiness":
		p.Readiness = true
	default:
		return fmt.Errorf("%q is not known", key)
	}
	return nil
}

// formatProbe returns a probe in the form of --probe.
func formatProbe(p *fleetv1.Probe) string {
	text := p.GetPath()
	if p.GetExpect() != 0 {
		text += fmt.Sprintf(",expect=%d", p.GetExpect())
	}
	if p.GetHost() != "" {
		text += ",host=" + p.GetHost()
	}
	for _, name := range slices.Sorted(maps.Keys(p.GetHeaders())) {
		text += ",header=" + name + ":" + p.GetHeaders()[name]
	}
	if p.GetInterval() != nil {
		text += ",interval=" + p.GetInterval().AsDuration().String()
	}
	if p.GetTimeout() != nil {
		text += ",timeout=" + p.GetTimeout().AsDuration().String()
	}
	if p.GetReadiness() {
		text += ",readiness"
	}
	return text
}
