package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"github.com/silverback-gateway/silverback/agent/internal/verdict"
)

// shortest is the length from which on a value is looked for in every message. A shorter one would be found by chance, in words of Kong's.
const shortest = 6

// redactPosted takes out of a refusal whatever the posted configuration holds in entities that may hold secrets. Kong's answers are
// scrubbed by their form already; this does not trust the form. Messages come out in one line. Other errors are returned as they are.
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

// redact takes a value out of a text, and the beginning of one at the place where the text was clipped.
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

// eachEntity visits a flat declarative configuration without having all of it in memory a second time.
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
