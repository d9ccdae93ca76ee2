// Package app has what all commands share: their streams, the clients of the services, and the handling of errors.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/client"
	"github.com/silverback-gateway/silverback/kit/screen"
)

// Exit codes of the command line.
const (
	ExitDone       = 0 // done as asked
	ExitError      = 1 // failed: usage, connection, a service's refusal
	ExitDifference = 2 // a difference, an invalid input, or not converged
)

// An Exit is an error that chooses the exit code. Err may be nil when everything was printed already.
type Exit struct {
	Code int
	Err  error
}

// Error returns the text of the cause.
func (e *Exit) Error() string {
	if e.Err == nil {
		return ""
	}
	return e.Err.Error()
}

// Unwrap returns the cause.
func (e *Exit) Unwrap() error { return e.Err }

// Code returns the exit code for an error of a command.
func Code(err error) int {
	if err == nil {
		return ExitDone
	}
	var exit *Exit
	if errors.As(err, &exit) {
		return exit.Code
	}
	if isInvalidInput(err) {
		return ExitDifference
	}
	return ExitError
}

// App holds a command's connections to its environment. The binary makes it once, or a test.
type App struct {
	In        io.Reader
	Out       io.Writer
	Err       io.Writer
	LookupEnv func(string) (string, bool)
	Now       func() time.Time
	Terminal  bool        // Out and Err are a terminal: show live progress
	Colours   bool        // and the terminal shows colour
	Size      screen.Size // of the terminal that Out is; nil is none
	Asks      bool        // In and Err are a terminal: questions can be answered
	Flags     Flags

	client *client.Client // of the flags; nil before the first call
}

// Flags are the flags that every command takes.
type Flags struct {
	Registry    []string
	Translator  []string
	Distributor []string
	TLS         client.TLS
	Timeout     time.Duration
	Output      show.Format
	Wide        bool // -o wide: a table, with all columns
}

// OutputValue is the value of -o: a format, or wide.
func (f *Flags) OutputValue() pflag.Value { return (*outputValue)(f) }

type outputValue Flags

// Set parses the value of -o.
func (v *outputValue) Set(value string) error {
	if v.Wide = value == show.Wide; v.Wide {
		v.Output = show.Table
		return nil
	}
	return v.Output.Set(value)
}

// String returns the value of -o.
func (v *outputValue) String() string {
	if v.Wide {
		return show.Wide
	}
	return v.Output.String()
}

// Type names the flag's value in help.
func (v *outputValue) Type() string { return v.Output.Type() }

// Layout returns the layout of tables on Out.
func (a *App) Layout() show.Layout {
	l := show.Layout{Wide: a.Flags.Wide}
	if a.Size != nil {
		l.Width, _ = a.Size()
	}
	return l
}

// New returns an App on the process's own streams.
func New() *App {
	a := &App{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, LookupEnv: os.LookupEnv, Now: time.Now,
		Terminal: screen.Is(os.Stdout) && screen.Is(os.Stderr) && os.Getenv("TERM") != "dumb",
		Asks:     screen.Is(os.Stdin) && screen.Is(os.Stderr),
	}
	a.Colours = a.Terminal && os.Getenv("NO_COLOR") == ""
	if screen.Is(os.Stdout) {
		a.Size = screen.SizeOf(os.Stdout)
	}
	return a
}

// AddFlags adds the flags that every command takes.
func (a *App) AddFlags(flags *pflag.FlagSet) {
	f := &a.Flags
	f.Output = show.Table
	flags.StringSliceVar(&f.Registry, "registry", []string{"127.0.0.1:7440"}, "addresses of the registry's replicas")
	flags.StringSliceVar(&f.Translator, "translator", []string{"127.0.0.1:7441"}, "addresses of the translator's replicas")
	flags.StringSliceVar(&f.Distributor, "distributor", []string{"127.0.0.1:7442"}, "addresses of the distributor's replicas")
	flags.StringVar(&f.TLS.CAFile, "ca-file", "", "PEM file of the authority that signs the services; without it the connection is plain")
	flags.StringVar(&f.TLS.CertFile, "cert-file", "", "PEM file of the certificate that says who you are")
	flags.StringVar(&f.TLS.KeyFile, "key-file", "", "PEM file of its key")
	flags.DurationVar(&f.Timeout, "timeout", 30*time.Second, "how long one call to a service may take")
}

// FlagsFromEnv gives flags that were not on the command line the value of their environment variable: --registry has
// SILVERBACK_REGISTRY.
func (a *App) FlagsFromEnv(cmd *cobra.Command) error {
	var problems []error
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		if flag.Changed || len(flag.Annotations[notFromEnv]) > 0 {
			return
		}
		if value, ok := a.LookupEnv(envName(flag.Name)); ok {
			if err := cmd.Flags().Set(flag.Name, value); err != nil {
				problems = append(problems, errors.New(envName(flag.Name)+": "+err.Error()))
			}
		}
	})
	return errors.Join(problems...)
}

// notFromEnv marks flags without an environment variable.
const notFromEnv = "silverback_not_from_env"

// NotFromEnv leaves a flag without its environment variable, which is another flag's of the same name.
func NotFromEnv(flag *pflag.Flag) {
	flag.Annotations = map[string][]string{notFromEnv: {"true"}}
}

func envName(flag string) string {
	name := []byte("SILVERBACK_" + flag)
	for i, c := range name {
		switch {
		case c == '-':
			name[i] = '_'
		case c >= 'a' && c <= 'z':
			name[i] = c - 'a' + 'A'
		}
	}
	return string(name)
}

// Call bounds one call by --timeout.
func (a *App) Call(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, a.Flags.Timeout)
}

// Line prints a line to Out, and wraps it at the width of the terminal. Further lines are indented by label cells. Texts and errors among
// the arguments are cleaned.
func (a *App) Line(label int, format string, args ...any) {
	fmt.Fprintln(a.Out, show.Fold(fmt.Sprintf(format, show.CleanAll(args)...), label, a.Layout().Width))
}
