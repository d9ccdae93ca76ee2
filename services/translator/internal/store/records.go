package store

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/telemetry"
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
}

func encodeRevision(r *desired.Revision) ([]byte, error) {
	record := revisionRecord{
		Group: string(r.Group), Number: int64(r.Number), Digest: string(r.Digest), Size: r.Size, Entities: r.Entities,
		Source: string(r.Source), Author: r.Author, Message: r.Message, CreateTime: r.CreateTime, Changes: r.Changes, RequestID: r.RequestID,
		Trace: string(r.Trace), Replaces: r.Replaces,
	}
	for _, s := range r.Sources {
		record.Sources = append(record.Sources, sourceRef{Name: string(s.Name), Fragment: string(s.Fragment), Entities: s.Entities})
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
		Trace: telemetry.TraceParent(record.Trace), Replaces: record.Replaces,
	}
	for _, s := range record.Sources {
		r.Sources = append(r.Sources, desired.SourceRef{Name: fleet.SourceID(s.Name), Fragment: fleet.Digest(s.Fragment), Entities: s.Entities})
	}
	return r, nil
}

func encodeSource(s *desired.Source) ([]byte, error) {
	return json.Marshal(sourceRecord{
		Fragment: string(s.Fragment), Entities: s.Entities, Documents: s.Documents, Revision: int64(s.Revision), Author: s.Author,
		UpdateTime: s.UpdateTime,
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
	}, nil
}
