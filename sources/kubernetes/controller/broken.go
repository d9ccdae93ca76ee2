package controller

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/silverback-gateway/silverback/sources/kubernetes/delivery"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// retryRefused is after which time what the translator alone refused is tried again: that costs no gateway anything, and what gateways
// can do may have changed.
const retryRefused = 10 * time.Minute

// cause is why an object is left out.
type cause struct {
	phase    delivery.Phase // Refused or RolledBack
	revision int64          // that was refused; 0 for the translator's refusals
	reason   string
	// with are the objects that the refused entity came from, and identity is what they were: once it is another, the object is tried again.
	with     []object.Ref
	identity string
	until    time.Time // when it is tried again all the same; zero is never
	share    string    // whose source remembers it
}

// broken remembers the objects that are left out.
type broken map[object.Ref]cause

// prune forgets objects that changed, or are gone, or may be tried again.
func (b broken) prune(set *object.Set, now time.Time) {
	maps.DeleteFunc(b, func(ref object.Ref, c cause) bool {
		return !set.Has(ref) || identity(set, c.with) != c.identity || !c.until.IsZero() && now.After(c.until)
	})
}

// refs lists the objects.
func (b broken) refs() []object.Ref {
	return slices.SortedFunc(maps.Keys(b), object.Compare)
}

// key tells sets of broken objects apart.
func (b broken) key() string { return fmt.Sprint(b.refs()) }

// identity tells apart what objects of a set are: all of them but their statuses and what the API server notes down. It is the same in
// every replica and after a restart.
func identity(set *object.Set, refs []object.Ref) string {
	hash := sha256.New()
	for _, ref := range refs {
		if ref.Kind == "EndpointSlice" {
			continue
		}
		fmt.Fprintf(hash, "%s\n", ref)
		obj, ok := set.Find(ref)
		if !ok {
			continue
		}
		text, err := json.Marshal(obj)
		var fields map[string]json.RawMessage
		if err != nil || json.Unmarshal(text, &fields) != nil {
			continue
		}
		delete(fields, "status")
		fields["metadata"], _ = json.Marshal([]any{obj.GetUID(), obj.GetLabels(), obj.GetAnnotations()})
		text, _ = json.Marshal(fields)
		hash.Write(text)
	}
	return hex.EncodeToString(hash.Sum(nil)[:8])
}

// trailer begins the lines of a revision's message by which another process learns what was left out, and what it was.
const trailer = "Left-Out: "

const maxTrailers = 24 // a message has 4096 characters

// trailers are the lines for the message of a revision of the source of a share. What the translator refuses needs none: it says so again.
func (b broken) trailers(share string) string {
	var out strings.Builder
	n := 0
	for _, ref := range b.refs() {
		c := b[ref]
		if c.share != share || !c.until.IsZero() || c.identity == "" || n == maxTrailers {
			continue
		}
		n++
		fmt.Fprintf(&out, "\n%s%s %s %d %s", trailer, refText(ref), c.phase, c.revision, c.identity)
		for _, other := range c.with {
			if other != ref && other.Kind != "EndpointSlice" {
				out.WriteString(" " + refText(other))
			}
		}
	}
	return out.String()
}

func refText(r object.Ref) string {
	return strings.Join([]string{r.Group, r.Kind, r.Namespace, r.Name}, "/")
}

func parseRef(text string) (object.Ref, bool) {
	parts := strings.Split(text, "/")
	if len(parts) != 4 {
		return object.Ref{}, false
	}
	return object.Ref{Group: parts[0], Kind: parts[1], Namespace: parts[2], Name: parts[3]}, true
}

// remembered reads the trailers of a message.
func remembered(message string) broken {
	found := broken{}
	for line := range strings.Lines(message) {
		text, ok := strings.CutPrefix(strings.TrimSpace(line), trailer)
		if !ok {
			continue
		}
		words := strings.Fields(text)
		if len(words) < 4 {
			continue
		}
		ref, ok := parseRef(words[0])
		if !ok {
			continue
		}
		c := cause{phase: delivery.Phase(words[1]), identity: words[3], with: []object.Ref{ref}}
		if _, err := fmt.Sscan(words[2], &c.revision); err != nil || c.phase != delivery.Refused && c.phase != delivery.RolledBack {
			continue
		}
		c.reason = fmt.Sprintf("it was left out since revision %d", c.revision)
		for _, word := range words[4:] {
			if other, ok := parseRef(word); ok {
				c.with = append(c.with, other)
			}
		}
		found[ref] = c
	}
	return found
}
