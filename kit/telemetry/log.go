// Package telemetry has the logs, metrics and traces of every process, and the HTTP listener for them.
package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/pflag"

	"github.com/silverback-gateway/silverback/kit/clean"
)

// The names of fields in logs. Each concept has one name, as in the protos.
const (
	Node     = "node"
	Group    = "group"
	Source   = "source"
	Revision = "revision"
	Digest   = "digest"
	Term     = "term"
	Decision = "decision"
	Rollout  = "rollout"
	Session  = "session"
	Err      = "error"
)

// LogConfig is how to log. The zero value is text at level info.
type LogConfig struct {
	Format string // text or json
	Level  string // debug, info, warn or error
}

// AddFlags adds the flags of a logger.
func (c *LogConfig) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&c.Format, "log-format", "text", "text or json")
	flags.StringVar(&c.Level, "log-level", "info", "debug, info, warn or error")
}

// Check returns what is wrong with the configuration.
func (c *LogConfig) Check() error {
	_, err := NewLogger(io.Discard, *c)
	return err
}

// NewLogger returns a logger that writes to w. Both formats have the same content: durations are such as 5.1s.
func NewLogger(w io.Writer, c LogConfig) (*slog.Logger, error) {
	var level slog.Level
	if c.Level != "" {
		if err := level.UnmarshalText([]byte(strings.ToUpper(c.Level))); err != nil {
			return nil, fmt.Errorf("log level %q: choose debug, info, warn or error", c.Level)
		}
	}
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: fit}
	switch c.Format {
	case "", "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		options.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr { return readable(fit(groups, a)) }
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return nil, fmt.Errorf("log format %q: choose text or json", c.Format)
}

// maxFact bounds one value of a log line. Stacks of panics are the longest.
const maxFact = 16 << 10

// fit keeps foreign text from forging lines, moving a reader's cursor, and filling disks.
func fit(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(clean.Text(a.Value.String(), maxFact))
	case slog.KindAny:
		switch v := a.Value.Any().(type) {
		case error:
			a.Value = slog.StringValue(clean.Text(v.Error(), maxFact))
		}
	}
	return a
}

// readable formats durations as text logs do, such as "5.1s". slog's JSON writes nanoseconds without a unit.
func readable(a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}
