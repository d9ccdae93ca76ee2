package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"github.com/silverback-gateway/silverback/agent/internal/verdict"
)

// shortest is the least length of a value that is looked for in messages. Shorter ones would match Kong's own words by chance.
const shortest = 6

// redactPosted removes from a refusal every value that the posted configuration holds in entities that may hold secrets. Kong's
// answers were scrubbed by their form before; this does not rely on the form. Messages are joined into one line. Other errors
// are returned unchanged.
func redactPosted(err error, posted []byte) error {
	var refusal *verdict.Refusal
	if !errors.As(err, &refusal) {
		return err
	}
	eachEntity(posted, func(plural string, entity json.RawMessage) {
		if openKinds[strings.TrimSuffix(plural, "s")] {
			return
		}
		for _, value := range newScrubber("", entity).values {
			if len(value) < shortest {
				continue
			}
			for i := range refusal.Problems {
				p := &refusal.Problems[i]
				p.Message = redact(p.Message, value)
				p.Field = redact(p.Field, value)
			}
		}
	})
	// In one line only now: a value may be several, and would not have been found any more.
	for i := range refusal.Problems {
		p := &refusal.Problems[i]
		p.Message = strings.Join(strings.Fields(p.Message), " ")
	}
	return err
}

// redact removes a value from a text, and the beginning of a value where the text was clipped.
func redact(text, value string) string {
	text = strings.ReplaceAll(text, value, redacted)
	head, rest, clipped := strings.Cut(text, ellipsis)
	if !clipped {
		return text
	}
	for n := min(len(value)-1, len(head)); n >= shortest; n-- {
		if strings.HasSuffix(head, value[:n]) {
			return head[:len(head)-n] + redacted + rest
		}
	}
	return text
}

// eachEntity visits the entities of a flat declarative configuration without a second copy of it in memory.
func eachEntity(posted []byte, visit func(plural string, entity json.RawMessage)) {
	d := json.NewDecoder(bytes.NewReader(posted))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return
		}
		value, err := d.Token()
		if err != nil {
			return
		}
		if value != json.Delim('[') {
			if _, nested := value.(json.Delim); nested {
				return // not flat
			}
			continue
		}
		for d.More() {
			var entity json.RawMessage
			if d.Decode(&entity) != nil {
				return
			}
			visit(key.(string), entity)
		}
		if _, err := d.Token(); err != nil {
			return
		}
	}
}
