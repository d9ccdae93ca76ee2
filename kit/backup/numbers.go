package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fleet"
)

// numbered are the prefixes of records whose number orders them: nodes compare that of assignments and targets, and clients that of events.
// Their etcd revision is the number until they are restored.
var numbered = []string{assignmentsPrefix, targetsPrefix, eventsPrefix}

// The versions of such a record, without and with a mark.
const (
	plainRecord  = 1
	markedRecord = 2
)

// gap is how far the numbers of a restored ledger are at least ahead of those that it has: what was lost after the backup had some of
// those in between, and no event gets the sequence of a lost one.
const gap = 100_000_000

// numberedRecord is the form of such a record.
type numberedRecord struct {
	Version int `json:"v"`
	etcdkv.Mark
	Value json.RawMessage `json:"value"`
}

func numberedOf(value []byte) (r numberedRecord, err error) {
	if err := json.Unmarshal(value, &r); err != nil {
		return r, err
	}
	if r.Version != plainRecord && r.Version != markedRecord {
		return r, fmt.Errorf("version %d of the record is unknown here", r.Version)
	}
	if r.At < 0 || r.At > etcdkv.MaxNumber || r.Shift < 0 || r.Shift > etcdkv.MaxNumber {
		return r, errors.New("the number of the record is out of range")
	}
	return r, nil
}

// carried returns the value that another etcd must have: it gives the record the number that it had. A record that is no JSON stays as it
// is, for nobody reads it.
func carried(e Entry) ([]byte, error) {
	if !hasPrefix(e.Key, numbered) || !json.Valid(e.Value) {
		return e.Value, nil
	}
	r, err := numberedOf(e.Value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; restore with a later version of Silverback", e.Key, err)
	}
	r.Mark, r.Version = etcdkv.Mark{At: r.Number(e.Revision)}, markedRecord
	return json.Marshal(r)
}

// life is the record of the epoch, which the distributor writes and a restore completes.
type life struct {
	Version int                        `json:"v"`
	Value   map[string]json.RawMessage `json:"value"`
}

// lifeOf reads the record of the epoch; nothing is the first epoch.
func lifeOf(value []byte) (l life, epoch fleet.Epoch, shift int64, err error) {
	l = life{Version: plainRecord, Value: map[string]json.RawMessage{"epoch": json.RawMessage("0")}}
	if value != nil {
		if err = json.Unmarshal(value, &l); err == nil && (l.Version != plainRecord || l.Value == nil) {
			err = errors.New("it has another version")
		}
	}
	if err == nil && l.Value["epoch"] != nil {
		err = json.Unmarshal(l.Value["epoch"], &epoch)
	}
	if err == nil && l.Value["shift"] != nil {
		err = json.Unmarshal(l.Value["shift"], &shift)
	}
	if err == nil && (shift < 0 || shift > etcdkv.MaxNumber || epoch < 0) {
		err = errors.New("its numbers are out of range")
	}
	if err != nil {
		err = fmt.Errorf("the key %s holds no epoch that this version can read: %w", epochKey, err)
	}
	return l, epoch, shift, err
}

// An Origin is what the record of the epoch says of the last restore, for people who look with etcdctl.
type Origin struct {
	Time       time.Time `json:"time"`
	Backup     ID        `json:"backup"`
	Made       time.Time `json:"made"`
	Revision   int64     `json:"revision"`
	Silverback string    `json:"silverback"`
}

// began returns the number at which a restored ledger goes on: beyond every number of the backup, and of what was in etcd.
func began(backup, there int64) (int64, error) {
	at := (max(backup, there)/gap + 2) * gap //nolint:mnd // a whole gap at least
	if at > etcdkv.MaxNumber {
		return 0, fmt.Errorf("the numbers of decisions are used up: the last one is %d", max(backup, there))
	}
	return at, nil
}
