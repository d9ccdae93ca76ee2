package observability_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/telemetry"
)

// collectorConfig is what the examples use of the OpenTelemetry collector's configuration; other fields are refused.
type collectorConfig struct {
	Extensions map[string]struct {
		Directory string `yaml:"directory"`
		Create    bool   `yaml:"create_directory"`
	} `yaml:"extensions"`
	Receivers  map[string]logReceiver `yaml:"receivers"`
	Processors map[string]struct {
		Interval duration `yaml:"check_interval"`
		Limit    int      `yaml:"limit_mib"`
		Spike    int      `yaml:"spike_limit_mib"`
		Size     int      `yaml:"send_batch_size"`
		Timeout  duration `yaml:"timeout"`
	} `yaml:"processors"`
	Exporters map[string]struct {
		Endpoint string `yaml:"endpoint"`
		Queue    struct {
			Enabled bool   `yaml:"enabled"`
			Size    int    `yaml:"queue_size"`
			Storage string `yaml:"storage"`
		} `yaml:"sending_queue"`
		Retry struct {
			Enabled bool     `yaml:"enabled"`
			Longest duration `yaml:"max_elapsed_time"`
		} `yaml:"retry_on_failure"`
	} `yaml:"exporters"`
	Service struct {
		Extensions []string `yaml:"extensions"`
		Pipelines  map[string]struct {
			Receivers  []string `yaml:"receivers"`
			Processors []string `yaml:"processors"`
			Exporters  []string `yaml:"exporters"`
		} `yaml:"pipelines"`
	} `yaml:"service"`
}

type logReceiver struct {
	Include   []string               `yaml:"include"`
	Path      bool                   `yaml:"include_file_path"`
	Units     []string               `yaml:"units"`
	StartAt   string                 `yaml:"start_at"`
	Storage   string                 `yaml:"storage"`
	RetryOn   struct{ Enabled bool } `yaml:"retry_on_failure"`
	Protocols map[string]struct {
		Endpoint string `yaml:"endpoint"`
	} `yaml:"protocols"`
	Operators []operator `yaml:"operators"`
}

type operator struct {
	Type      string `yaml:"type"`
	If        string `yaml:"if"`
	ParseFrom string `yaml:"parse_from"`
	ParseTo   string `yaml:"parse_to"`
	OnError   string `yaml:"on_error"`
	Timestamp struct {
		ParseFrom string `yaml:"parse_from"`
		Type      string `yaml:"layout_type"`
		Layout    string `yaml:"layout"`
	} `yaml:"timestamp"`
	Severity struct {
		ParseFrom string `yaml:"parse_from"`
	} `yaml:"severity"`
	From  string `yaml:"from"`
	To    string `yaml:"to"`
	Field string `yaml:"field"`
	Value string `yaml:"value"`
}

// entry is a line of a log on its way through the operators.
type entry struct {
	body       any
	attributes map[string]any
	resource   map[string]any
	time       time.Time
	severity   string
}

// severities are the words that the collector knows without a mapping.
var severities = []string{"trace", "debug", "info", "warn", "error", "fatal"}

// run does what the collector's documentation says of the operators that the examples use, and of no other.
func (e *entry) run(o operator) error {
	attribute := func(path string) string { return strings.TrimPrefix(path, "attributes.") }
	switch text, _ := e.body.(string); {
	case o.If == "":
	case o.If == `body startsWith "{"`:
		if !strings.HasPrefix(text, "{") {
			return nil
		}
	case strings.HasPrefix(o.If, "attributes.") && strings.HasSuffix(o.If, " != nil"):
		if e.attributes[attribute(strings.TrimSuffix(o.If, " != nil"))] == nil {
			return nil
		}
	default:
		return fmt.Errorf("the condition %s is not understood", o.If)
	}
	switch o.Type {
	case "container":
	case "json_parser":
		if o.ParseFrom != "body" || o.ParseTo != "attributes" || o.OnError != "send_quiet" || o.Timestamp.Type != "gotime" {
			return fmt.Errorf("the parser is not understood: %+v", o)
		}
		if parsed := json.Unmarshal([]byte(e.body.(string)), &e.attributes) == nil; !parsed {
			return nil // it goes on as it is
		}
		at, err := time.Parse(o.Timestamp.Layout, fmt.Sprint(e.attributes[attribute(o.Timestamp.ParseFrom)]))
		if err != nil {
			return err
		}
		e.time = at
		if e.severity = strings.ToLower(fmt.Sprint(e.attributes[attribute(o.Severity.ParseFrom)])); !slices.Contains(severities, e.severity) {
			return fmt.Errorf("the level %q is none that the collector knows", e.severity)
		}
	case "move":
		switch {
		case o.To != "body":
			return fmt.Errorf("the move to %s is not understood", o.To)
		case strings.HasPrefix(o.From, "body."):
			e.body = e.body.(map[string]any)[strings.TrimPrefix(o.From, "body.")]
		default:
			e.body = e.attributes[attribute(o.From)]
			delete(e.attributes, attribute(o.From))
		}
	case "remove":
		delete(e.attributes, attribute(o.Field))
	case "add":
		journal, _ := e.body.(map[string]any)
		value, ok := map[string]any{
			`EXPR("silverback-" + resource["k8s.container.name"])`: fmt.Sprint("silverback-", e.resource["k8s.container.name"]),
			`EXPR(trimSuffix(body._SYSTEMD_UNIT, ".service"))`:     strings.TrimSuffix(fmt.Sprint(journal["_SYSTEMD_UNIT"]), ".service"),
			`EXPR(body._HOSTNAME)`:                                 journal["_HOSTNAME"],
		}[o.Value]
		if !ok {
			return fmt.Errorf("the value %s is not understood", o.Value)
		}
		e.resource[strings.TrimSuffix(strings.TrimPrefix(o.Field, `resource["`), `"]`)] = value
	default:
		return fmt.Errorf("the operator %s is not understood", o.Type)
	}
	return nil
}

var collectors = map[string]func(line string) *entry{
	"kubernetes/collector.yaml": func(line string) *entry { // after the parser of the container's own format
		return &entry{body: line, resource: map[string]any{"k8s.container.name": "registry"}}
	},
	"systemd.yaml": func(line string) *entry {
		return &entry{resource: map[string]any{}, body: map[string]any{"MESSAGE": line, "_SYSTEMD_UNIT": "silverback-registry.service",
			"_HOSTNAME": "cp-1", "PRIORITY": "6"}}
	},
}

// What a process of the fleet logs arrives with its level, its time, its message and its fields.
func TestLogsArriveWhole(t *testing.T) {
	for name, from := range collectors {
		var c collectorConfig
		readYAML(t, at(t, "deploy", "observability", "logs", name), &c)
		var operators []operator
		for _, r := range c.Receivers {
			operators = append(operators, r.Operators...)
		}
		arrived := func(line string) *entry {
			e := from(line)
			for _, o := range operators {
				if err := e.run(o); err != nil {
					t.Errorf("%s: %s: %v", name, line, err)
				}
			}
			if e.resource["service.name"] != "silverback-registry" {
				t.Errorf("%s: the line is of %v", name, e.resource)
			}
			return e
		}
		for level, word := range map[slog.Level]string{slog.LevelDebug: "debug", slog.LevelInfo: "info", slog.LevelWarn: "warn",
			slog.LevelError: "error"} {
			var out bytes.Buffer
			log, err := telemetry.NewLogger(&out, telemetry.LogConfig{Format: "json", Level: "debug"})
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now().Add(-time.Second)
			log.Log(t.Context(), level, "rollout halted", telemetry.Group, "edge", telemetry.Revision, 7, telemetry.Err, errors.New("a\nb"))
			e := arrived(strings.TrimSuffix(out.String(), "\n"))
			fields := slices.Sorted(maps.Keys(e.attributes))
			if e.body != "rollout halted" || e.severity != word || e.time.Before(began) || time.Since(e.time) < 0 ||
				!slices.Equal(fields, []string{"error", "group", "revision"}) || e.attributes["group"] != "edge" {
				t.Errorf("%s: a line of level %s arrives as %+v", name, level, e)
			}
		}
		for _, line := range []string{"panic: runtime error", `10.0.0.1 - - "GET / HTTP/1.1" 200`, `{"time":"2026-`, ""} {
			if e := arrived(line); e.body != line || len(e.attributes) > 0 {
				t.Errorf("%s: %q arrives as %+v", name, line, e)
			}
		}
	}
}

// Every part of the examples is used and exists, and none loses lines while the other side is away.
func TestCollectorsAreWhole(t *testing.T) {
	for name := range collectors {
		var c collectorConfig
		readYAML(t, at(t, "deploy", "observability", "logs", name), &c)
		var receivers, processors, exporters []string
		for _, p := range c.Service.Pipelines {
			receivers, exporters = append(receivers, p.Receivers...), append(exporters, p.Exporters...)
			if processors = append(processors, p.Processors...); len(p.Processors) == 0 || p.Processors[0] != "memory_limiter" {
				t.Errorf("%s: the limit of memory is not the first: %v", name, p.Processors)
			}
		}
		same := func(what string, used, defined []string) {
			slices.Sort(used)
			if slices.Sort(defined); !slices.Equal(slices.Compact(used), defined) {
				t.Errorf("%s: the %s %v are used, and %v defined", name, what, used, defined)
			}
		}
		same("receivers", receivers, slices.Collect(maps.Keys(c.Receivers)))
		same("processors", processors, slices.Collect(maps.Keys(c.Processors)))
		same("exporters", exporters, slices.Collect(maps.Keys(c.Exporters)))
		same("extensions", c.Service.Extensions, slices.Collect(maps.Keys(c.Extensions)))
		for kind, e := range c.Exporters {
			if e.Endpoint != "${env:OTLP_ENDPOINT}" || !e.Queue.Enabled || e.Queue.Storage != "file_storage" || !e.Retry.Enabled ||
				e.Retry.Longest != 0 {
				t.Errorf("%s: %s may lose lines: %+v", name, kind, e)
			}
		}
		for kind, r := range c.Receivers {
			if kind == "otlp" {
				continue
			}
			if r.StartAt != "beginning" || r.Storage != "file_storage" || !r.RetryOn.Enabled || kind == "filelog" && !r.Path {
				t.Errorf("%s: %s may lose lines: %+v", name, kind, r)
			}
			for _, unit := range r.Units {
				if _, err := os.Stat(at(t, "deploy", "systemd", unit)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
		if limit := c.Processors["memory_limiter"]; limit.Limit <= limit.Spike || limit.Interval <= 0 {
			t.Errorf("%s: %+v", name, limit)
		}
	}
	for _, of := range []string{"registry", "translator", "distributor", "agent"} {
		var settings map[string]any
		readYAML(t, at(t, "deploy", "etc", of+".yaml"), &settings)
		if settings["log-format"] != "json" {
			t.Errorf("the %s does not log in JSON, which the collector reads", of)
		}
	}
}
