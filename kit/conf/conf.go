// Package conf loads the configuration of a binary. A flag takes precedence over its environment variable, which takes precedence over the
// configuration file. Unknown keys fail. All problems are reported together, each with its place.
package conf

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/silverback-gateway/silverback/kit/build"
)

// ErrDone means that the process did what was asked for, such as --help or --check, and should exit with 0.
var ErrDone = errors.New("done")

// A Set is the configuration of one binary. Declare every setting on Flags, with any method of pflag, then call Load.
type Set struct {
	Flags *pflag.FlagSet

	name    string
	summary string
	checks  []func() error
	file    string
	check   bool
	version bool
	from    map[string]string // where a setting's value came from
}

// New returns the set of a binary.
func New(name, summary string) *Set {
	s := &Set{Flags: pflag.NewFlagSet(name, pflag.ContinueOnError), name: name, summary: summary, from: map[string]string{}}
	s.Flags.SortFlags = false
	return s
}

// Check adds a condition on the loaded settings. It may return several problems with errors.Join.
func (s *Set) Check(check func() error) { s.checks = append(s.checks, check) }

// Load reads the settings. It returns ErrDone after --help, --version and --check, which print to out.
func (s *Set) Load(args []string, lookupEnv func(string) (string, bool), out io.Writer) error {
	s.Flags.StringVar(&s.file, "config", "", "YAML file with the same settings, its keys named like the flags")
	s.Flags.BoolVar(&s.check, "check", false, "check the settings and exit")
	s.Flags.BoolVar(&s.version, "version", false, "print the version and exit")
	s.Flags.SetOutput(io.Discard)
	s.Flags.Usage = func() {}
	if err := s.Flags.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			s.help(out)
			return ErrDone
		}
		return fmt.Errorf("%w; see %s --help", err, s.name)
	}
	if s.version {
		fmt.Fprintf(out, "%s %s\n", s.name, build.Version())
		return ErrDone
	}
	if left := s.Flags.Args(); len(left) > 0 {
		return fmt.Errorf("unexpected argument %q; see %s --help", left[0], s.name)
	}
	if err := errors.Join(s.fill(lookupEnv)...); err != nil {
		return err
	}
	var problems []error
	for _, check := range s.checks {
		problems = append(problems, check())
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	if s.check {
		fmt.Fprintf(out, "%s: the settings are valid\n", s.name)
		return ErrDone
	}
	return nil
}

// Program returns a program for run.Main: it loads the settings from the command line and serves with them. ErrDone of load ends it without
// an error.
func Program[S any](load func(args []string) (S, error), serve func(context.Context, S) error) func(context.Context) error {
	return func(ctx context.Context) error {
		settings, err := load(os.Args[1:])
		if errors.Is(err, ErrDone) {
			return nil
		}
		if err != nil {
			return err
		}
		return serve(ctx, settings)
	}
}

// fill sets the settings without a flag from the environment or the file.
func (s *Set) fill(lookupEnv func(string) (string, bool)) (problems []error) {
	if value, ok := lookupEnv(EnvName("config")); ok && !s.Flags.Changed("config") {
		s.file = value
	}
	file, err := readFile(s.file)
	if err != nil {
		return []error{err}
	}
	s.Flags.VisitAll(func(flag *pflag.Flag) {
		line, inFile := file[flag.Name]
		delete(file, flag.Name)
		switch {
		case flag.Name == "config" || flag.Name == "check" || flag.Name == "version":
			if inFile {
				problems = append(problems, fmt.Errorf("%s:%d: %s can only be a flag", s.file, line.number, flag.Name))
			}
		case flag.Changed:
			s.from[flag.Name] = "--" + flag.Name
		default:
			var place, value string
			if v, ok := lookupEnv(EnvName(flag.Name)); ok {
				place, value = EnvName(flag.Name), v
			} else if inFile {
				place, value = fmt.Sprintf("%s:%d: %s", s.file, line.number, flag.Name), line.value
			} else {
				return
			}
			s.from[flag.Name] = place
			if err := s.Flags.Set(flag.Name, value); err != nil {
				problems = append(problems, fmt.Errorf("%s: %s", place, strings.TrimPrefix(err.Error(), "invalid argument ")))
			}
		}
	})
	for key, line := range file {
		problems = append(problems, fmt.Errorf("%s:%d: unknown setting %q", s.file, line.number, key))
	}
	return problems
}

// From returns where a setting's value came from, for messages: its flag when nothing else set it.
func (s *Set) From(name string) string {
	if place, ok := s.from[name]; ok {
		return place
	}
	return "--" + name
}

// EnvName returns the environment variable of a flag: SILVERBACK_ and the name in capitals.
func EnvName(flag string) string {
	return "SILVERBACK_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

type fileValue struct {
	value  string
	number int // line
}

// readFile reads a flat mapping. A list becomes the form that flags take: its items, separated by commas.
func readFile(name string) (map[string]fileValue, error) {
	if name == "" {
		return nil, nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if root.Kind == 0 {
		return nil, nil
	}
	top := root.Content[0]
	if top.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s:%d: want settings as key: value", name, top.Line)
	}
	values := map[string]fileValue{}
	for i := 0; i < len(top.Content); i += 2 {
		key, value := top.Content[i], top.Content[i+1]
		if earlier, ok := values[key.Value]; ok {
			return nil, fmt.Errorf("%s:%d: %s is already set in line %d", name, key.Line, key.Value, earlier.number)
		}
		text, err := flat(value)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %s: %w", name, key.Line, key.Value, err)
		}
		values[key.Value] = fileValue{value: text, number: key.Line}
	}
	return values, nil
}

func flat(value *yaml.Node) (string, error) {
	var items []string
	switch value.Kind {
	case yaml.ScalarNode:
		return value.Value, nil
	case yaml.SequenceNode:
		for _, item := range value.Content {
			if item.Kind != yaml.ScalarNode {
				return "", errors.New("want a list of plain values")
			}
			items = append(items, item.Value)
		}
	case yaml.MappingNode:
		for i := 0; i < len(value.Content); i += 2 {
			if value.Content[i+1].Kind != yaml.ScalarNode {
				return "", errors.New("want plain values")
			}
			items = append(items, value.Content[i].Value+"="+value.Content[i+1].Value)
		}
	default:
		return "", errors.New("want a plain value, a list or key: value")
	}
	return strings.Join(items, ","), nil
}

func (s *Set) help(out io.Writer) {
	fmt.Fprintf(out, "%s\n\nUsage:\n  %s [flags]\n\nEvery setting has an environment variable (--%s is %s) and may be set in the file of\n"+
		"--config; --check and --version are flags only. Flags take precedence over the environment, and that over the file.\n\nFlags:\n%s",
		s.summary, s.name, "config", EnvName("config"), s.Flags.FlagUsagesWrapped(100))
}
