package store

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/kong/target"
	"github.com/silverback-gateway/silverback/services/translator/internal/desired"
)

// Records are JSON, so that an operator can read them with etcdctl and a newer version can add fields that an older one ignores.

type revisionRecord struct {
	Group      string           `json:"group"`
	Number     int64            `json:"number"`
	Digest     string           `json:"digest"`
	Size       int64            `json:"size"`
	Entities   map[string]int64 `json:"entities"`
	Sources    []sourceRef      `json:"sources"`
	Source     string           `json:"source"`
	Author     string           `json:"author"`
	Message    string           `json:"message,omitempty"`
	CreateTime time.Time        `json:"create_time"`
	Changes    desired.Summary  `json:"changes"`
	RequestID  string           `json:"request_id,omitempty"`
	Trace      string           `json:"traceparent,omitempty"`
	Replaces   []string         `json:"replaces_unmanaged,omitempty"`
	Restored   int64            `json:"restored_revision,omitempty"`
	Pins       []pinnedSource   `json:"pins,omitempty"`
	Streak     target.Streak    `json:"target_streak,omitzero"`
}

type sourceRef struct {
	Name     string `json:"name"`
	Fragment string `json:"fragment"`
	Entities int64  `json:"entities"`
}

type sourceRecord struct {
	Fragment   string    `json:"fragment"`
	Entities   int64     `json:"entities"`
	Documents  []string  `json:"documents"`
	Revision   int64     `json:"revision"`
	Author     string    `json:"author"`
	UpdateTime time.Time `json:"update_time"`
	Pin        *pin      `json:"pin,omitempty"` // an older version does not know it, and leaves it out of what it writes
}

type pinnedSource struct {
	sourceRef
	Pin pin `json:"pin"`
}

type pin struct {
	Reason          string          `json:"reason"`
	Author          string          `json:"author"`
	CreateTime      time.Time       `json:"create_time"`
	Rollout         string          `json:"rollout,omitempty"`
	Good            int64           `json:"good_revision,omitempty"`
	Refused         int64           `json:"refused_revision,omitempty"`
	RefusedFragment string          `json:"refused_fragment,omitempty"`
	Problems        []fleet.Problem `json:"problems,omitempty"`
}

func encodePin(p *desired.Pin) *pin {
	if p == nil {
		return nil
	}
	return &pin{
		Reason: p.Reason, Author: p.Author, CreateTime: p.CreateTime, Rollout: p.Rollout, Good: int64(p.Good), Refused: int64(p.Refused),
		RefusedFragment: string(p.RefusedFragment), Problems: p.Problems,
	}
}

func decodePin(record *pin) *desired.Pin {
	if record == nil {
		return nil
	}
	return &desired.Pin{
		Reason: record.Reason, Author: record.Author, CreateTime: record.CreateTime, Rollout: record.Rollout,
		Good: fleet.Revision(record.Good), Refused: fleet.Revision(record.Refused), RefusedFragment: fleet.Digest(record.RefusedFragment),
		Problems: record.Problems,
	}
}

func encodeRevision(r *desired.Revision) ([]byte, error) {
	record := revisionRecord{
		Group: string(r.Group), Number: int64(r.Number), Digest: string(r.Digest), Size: r.Size, Entities: r.Entities,
		Source: string(r.Source), Author: r.Author, Message: r.Message, CreateTime: r.CreateTime, Changes: r.Changes, RequestID: r.RequestID,
		Trace: string(r.Trace), Replaces: r.Replaces, Restored: int64(r.Restored),
		Streak: r.Streak,
	}
	for _, s := range r.Sources {
		record.Sources = append(record.Sources, recordOfRef(s))
	}
	for i := range r.Pins {
		record.Pins = append(record.Pins, pinnedSource{recordOfRef(r.Pins[i].SourceRef), *encodePin(&r.Pins[i].Pin)})
	}
	return json.Marshal(record)
}

func decodeRevision(key string, value []byte) (*desired.Revision, error) {
	var record revisionRecord
	if err := json.Unmarshal(value, &record); err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	r := &desired.Revision{
		Group: fleet.GroupID(record.Group), Number: fleet.Revision(record.Number), Digest: fleet.Digest(record.Digest), Size: record.Size,
		Entities: record.Entities,
		Source:   fleet.SourceID(record.Source), Author: record.Author, Message: record.Message, CreateTime: record.CreateTime,
		Changes: record.Changes, RequestID: record.RequestID,
		Trace: telemetry.TraceParent(record.Trace), Replaces: record.Replaces, Restored: fleet.Revision(record.Restored),
		Streak: record.Streak,
	}
	for _, s := range record.Sources {
		r.Sources = append(r.Sources, s.ref())
	}
	for _, p := range record.Pins {
		r.Pins = append(r.Pins, desired.PinnedSource{SourceRef: p.ref(), Pin: *decodePin(&p.Pin)})
	}
	return r, nil
}

func recordOfRef(s desired.SourceRef) sourceRef {
	return sourceRef{Name: string(s.Name), Fragment: string(s.Fragment), Entities: s.Entities}
}

func (s sourceRef) ref() desired.SourceRef {
	return desired.SourceRef{Name: fleet.SourceID(s.Name), Fragment: fleet.Digest(s.Fragment), Entities: s.Entities}
}

func encodeSource(s *desired.Source) ([]byte, error) {
	return json.Marshal(sourceRecord{
		Fragment: string(s.Fragment), Entities: s.Entities, Documents: s.Documents, Revision: int64(s.Revision), Author: s.Author,
		UpdateTime: s.UpdateTime, Pin: encodePin(s.Pin),
	})
}

func decodeSource(g fleet.GroupID, name fleet.SourceID, value []byte) (desired.Source, error) {
	var record sourceRecord
	if err := json.Unmarshal(value, &record); err != nil {
		return desired.Source{}, fmt.Errorf("read source %s of group %s: %w", name, g, err)
	}
	return desired.Source{
		Group: g, Name: name, Fragment: fleet.Digest(record.Fragment), Entities: record.Entities, Documents: record.Documents,
		Revision: fleet.Revision(record.Revision), Author: record.Author, UpdateTime: record.UpdateTime,
		Pin: decodePin(record.Pin),
	}, nil
}
