// Package manifest reads Kubernetes objects from text: YAML or JSON, several documents in one file, and lists.
package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"sigs.k8s.io/yaml"

	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// The bounds of an input. They are far above what a cluster that is readable at all holds.
const (
	MaxBytes     = 256 << 20
	MaxDocuments = 500_000
	maxNesting   = 3 // of lists in lists
)

// ErrTooLarge says that an input is beyond a bound.
var ErrTooLarge = errors.New("the input is too large")

// Read adds the objects of one input to set. Objects of kinds that mean nothing to a gateway are left out. An object that does not decode
// costs itself: it is a problem. Text that is not YAML, or has no kinds, is an error, which names the input and the document.
func Read(name string, in io.Reader, set *object.Set) ([]object.Problem, error) {
	return readUpTo(MaxBytes, name, in, set)
}

func readUpTo(limit int64, name string, in io.Reader, set *object.Set) ([]object.Problem, error) {
	text, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("%s: %w: more than %d bytes", name, ErrTooLarge, limit)
	}
	documents, err := split(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	r := reader{set: set}
	for i, document := range documents {
		if err := r.document(document); err != nil {
			return nil, fmt.Errorf("%s: document %d: %w", name, i+1, err)
		}
	}
	return r.problems, nil
}

// reader gathers what the documents of an input hold.
type reader struct {
	set      *object.Set
	objects  int
	problems []object.Problem
}

func (r *reader) document(text []byte) error {
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		return err
	}
	if bytes.Equal(bytes.TrimSpace(asJSON), []byte("null")) {
		return nil
	}
	return r.object(asJSON, maxNesting)
}

// head is what every object begins with.
type head struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Namespace string `json:"namespace"`
		Name      string `json:"name"`
	} `json:"metadata"`
	Items []json.RawMessage `json:"items"`
}

func (r *reader) object(text []byte, nesting int) error {
	var h head
	if err := json.Unmarshal(text, &h); err != nil {
		return fmt.Errorf("not an object of Kubernetes: %s", withoutValues(err))
	}
	if h.Kind == "" {
		return errors.New("not an object of Kubernetes: it has no kind")
	}
	if h.Items != nil {
		if nesting == 0 {
			return fmt.Errorf("lists are nested more than %d deep", maxNesting)
		}
		for _, item := range h.Items {
			if err := r.object(item, nesting-1); err != nil {
				return err
			}
		}
		return nil
	}
	if r.objects++; r.objects > MaxDocuments {
		return fmt.Errorf("%w: more than %d objects", ErrTooLarge, MaxDocuments)
	}
	return r.add(h, text)
}

// split cuts an input into documents: a stream of JSON objects, or YAML at its lines of three dashes.
func split(text []byte) ([][]byte, error) {
	if trimmed := bytes.TrimSpace(text); len(trimmed) > 0 && trimmed[0] == '{' {
		if documents, err := splitJSON(trimmed); err == nil {
			return documents, nil
		}
	}
	var documents [][]byte
	start := 0
	for at := 0; at < len(text); {
		end := len(text)
		if i := bytes.IndexByte(text[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		if line := text[at:end]; separates(line) {
			documents = append(documents, text[start:at])
			start = at + 3 // what follows on the line of a separator belongs to its document
		}
		at = end
		if len(documents) > MaxDocuments {
			return nil, fmt.Errorf("%w: more than %d documents", ErrTooLarge, MaxDocuments)
		}
	}
	return append(documents, text[start:]), nil
}

// separates says whether a line begins a document.
func separates(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, []byte("---"))
	return ok && (len(rest) == 0 || rest[0] == '\n' || rest[0] == '\r' || rest[0] == ' ' || rest[0] == '\t')
}

func splitJSON(text []byte) ([][]byte, error) {
	var documents [][]byte
	for dec := json.NewDecoder(bytes.NewReader(text)); ; {
		var document json.RawMessage
		if err := dec.Decode(&document); errors.Is(err, io.EOF) {
			return documents, nil
		} else if err != nil {
			return nil, err
		}
		if len(documents) == MaxDocuments {
			return nil, fmt.Errorf("%w: more than %d documents", ErrTooLarge, MaxDocuments)
		}
		documents = append(documents, document)
	}
}
