// Package kubernetes translates manifests for the commands that submit. It runs the command silverback-kubernetes, which is installed
// beside this one, so that this binary does not depend on the Kubernetes types.
package kubernetes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/silverback-gateway/silverback/cli/internal/input"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// Command is the name of the command that translates.
const Command = "silverback-kubernetes"

// Document is the name of a translation's document.
const Document = "kubernetes"

const (
	maxComplaint = 4 << 10 // of the command's error output
	namedObjects = 3
)

// A Translation is the result of translating manifests.
type Translation struct {
	Document *translatorv1.Document
	Problems []string // of omitted objects, each a line for people
	origins  map[entity][]object
}

// An entity is a Kong entity, by kind and natural name.
type entity struct{ kind, name string }

// An object is a Kubernetes object.
type object struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

func (o object) String() string {
	if o.Namespace == "" {
		return o.Kind + " " + o.Name
	}
	return o.Kind + " " + o.Namespace + "/" + o.Name
}

// Settings are flags of silverback-kubernetes render that change the translation, each as name=value.
type Settings []string

// AddFlag adds the flag --kubernetes-setting.
func (s *Settings) AddFlag(flags *pflag.FlagSet) {
	flags.StringArrayVar((*[]string)(s), "kubernetes-setting", nil, "a flag of "+Command+" render, such as router-flavor=expressions; "+
		"repeat it for each setting")
}

// Has reports whether a setting is given.
func (s Settings) Has(name string) bool {
	return slices.ContainsFunc(s, func(setting string) bool { return setting == name || strings.HasPrefix(setting, name+"=") })
}

// settingForm matches a flag with or without its value.
var settingForm = regexp.MustCompile(`^[a-z][a-z-]*(=[^\x00]*)?$`)

// notSettings are flags that change the output and not the translation.
var notSettings = []string{"origins", "output", "strict", "h", "help"}

// arguments returns the settings as arguments of the command.
func (s Settings) arguments() ([]string, error) {
	var arguments []string
	for _, setting := range s {
		name, _, _ := strings.Cut(setting, "=")
		if !settingForm.MatchString(setting) || slices.Contains(notSettings, name) {
			return nil, fmt.Errorf("--kubernetes-setting %q is not a setting such as router-flavor=expressions", setting)
		}
		arguments = append(arguments, "-"+setting)
	}
	return arguments, nil
}

// Translate translates manifests: names of files and folders, and "-" for stdin. It reads at most the largest submission.
func Translate(ctx context.Context, stdin io.Reader, inputs []string, settings Settings) (*Translation, error) {
	if len(inputs) == 0 {
		return nil, input.ErrNothing
	}
	flags, err := settings.arguments()
	if err != nil {
		return nil, err
	}
	path, err := find()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, path, slices.Concat([]string{"render", "-origins"}, flags, []string{"--"}, inputs)...)
	var out, complaint bytes.Buffer
	cmd.Stdin, cmd.Stdout = stdin, &limited{to: &out, left: 2 * input.MaxBytes}
	cmd.Stderr = &limited{to: &complaint, left: maxComplaint, cut: true}
	if err := cmd.Run(); err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return nil, fmt.Errorf("%s", strings.TrimPrefix(strings.TrimSpace(complaint.String()), Command+": "))
		}
		return nil, fmt.Errorf("%s: %w", Command, err)
	}
	return parse(out.Bytes())
}

// find returns the path of the command: beside this one, or in PATH.
func find() (string, error) {
	if self, err := os.Executable(); err == nil {
		if beside := filepath.Join(filepath.Dir(self), Command); runs(beside) {
			return beside, nil
		}
	}
	path, err := exec.LookPath(Command)
	if err != nil {
		return "", fmt.Errorf("--from kubernetes needs the command %s beside silverback or in PATH; \"make kubernetes\" builds it", Command)
	}
	return path, nil
}

func runs(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// parse parses the output of the command.
func parse(text []byte) (*Translation, error) {
	var said struct {
		Config   json.RawMessage `json:"config"`
		Problems []struct {
			Objects []object `json:"objects"`
			Reason  string   `json:"reason"`
			Message string   `json:"message"`
		} `json:"problems"`
		Origins []struct {
			Kind    string   `json:"kind"`
			Name    string   `json:"name"`
			Objects []object `json:"objects"`
		} `json:"origins"`
	}
	if err := json.Unmarshal(text, &said); err != nil || len(said.Config) == 0 {
		return nil, fmt.Errorf("the output of %s does not match this version of silverback: install both from one release", Command)
	}
	t := &Translation{Document: &translatorv1.Document{Name: Document, Content: said.Config}, origins: map[entity][]object{}}
	for _, p := range said.Problems {
		t.Problems = append(t.Problems, fmt.Sprintf("%s: %s: %s", list(p.Objects), p.Reason, p.Message))
	}
	for _, o := range said.Origins {
		key := entity{o.Kind, o.Name}
		t.origins[key] = append(t.origins[key], o.Objects...)
	}
	return t, nil
}

// Place moves a problem of an entity from the generated document to the objects that the entity came from.
func (t *Translation) Place(p *fleetv1.Problem) {
	if p == nil || p.GetDocument() != Document {
		return
	}
	if from := t.origins[entity{p.GetKind() + "s", p.GetName()}]; len(from) > 0 {
		p.Document, p.Line, p.Column = list(from), 0, 0
	}
}

// list names a few objects, each once.
func list(objects []object) string {
	var words []string
	seen := map[object]bool{}
	for _, o := range objects {
		if !seen[o] {
			words = append(words, o.String())
		}
		seen[o] = true
	}
	if more := len(words) - namedObjects; more > 0 {
		words = append(words[:namedObjects], fmt.Sprintf("%d more", more))
	}
	return strings.Join(words, ", ")
}

// errTooLong means that a translation is larger than the largest submission.
var errTooLong = errors.New("the translation is larger than the largest submission")

// limited passes on a number of bytes. More bytes are an error, or are dropped with cut.
type limited struct {
	to   io.Writer
	left int
	cut  bool
}

// Write implements io.Writer.
func (l *limited) Write(text []byte) (int, error) {
	n := min(len(text), l.left)
	l.left -= n
	if _, err := l.to.Write(text[:n]); err != nil {
		return 0, err
	}
	if n < len(text) && !l.cut {
		return n, errTooLong
	}
	return len(text), nil
}
