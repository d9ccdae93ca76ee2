package endpoints

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/silverback-gateway/silverback/sources/kubernetes/declarative"
)

// A Change is what a configuration changes against another one.
type Change int

// The changes.
const (
	None Change = iota
	// Targets changes which targets upstreams have, or their weights, and nothing else.
	Targets
	// More changes something else too.
	More
)

// A Print is a configuration as far as changes are told by it. The zero Print is that of nothing: every change against it is More.
type Print struct{ whole, rest [sha256.Size]byte }

// PrintOf returns the Print of a configuration, which it does not change.
func PrintOf(config declarative.Config) (Print, error) {
	var p Print
	var err error
	if p.whole, err = digest(config); err != nil {
		return Print{}, err
	}
	upstreams := make([]declarative.Upstream, 0, len(config.Upstreams))
	for _, u := range config.Upstreams {
		u.Targets = nil
		upstreams = append(upstreams, u)
	}
	config.Upstreams = upstreams
	p.rest, err = digest(config)
	return p, err
}

func digest(config declarative.Config) ([sha256.Size]byte, error) {
	text, err := json.Marshal(config)
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("configuration: %w", err)
	}
	return sha256.Sum256(text), nil
}

// ChangeTo returns what after changes.
func (p Print) ChangeTo(after Print) Change {
	switch {
	case p == after && p != Print{}:
		return None
	case p.rest == after.rest && p != Print{}:
		return Targets
	}
	return More
}

// A Pace is how often changed targets may be submitted.
type Pace struct {
	Settle       time.Duration // from the first change on, for others to come with it
	Window       time.Duration // between two submissions
	LoadInterval time.Duration // of the group, as far as it is known
}

// The default pace.
const (
	DefaultSettle = time.Second
	DefaultWindow = 10 * time.Second
)

// Due returns when a change is to be submitted. changed is when the first change came that is not submitted yet, last when something was
// submitted last, whatever it was: a submission costs each gateway a load. The zero last is never.
//
// Targets alone wait until the window or the load interval is over, whichever is longer; then all that came in between goes at once. More
// is due when it has settled. None is never due: the zero time.
func (p Pace) Due(c Change, changed, last time.Time) time.Time {
	settled := changed.Add(p.Settle)
	switch {
	case c == None:
		return time.Time{}
	case c == More || last.IsZero():
		return settled
	}
	if next := last.Add(max(p.Window, p.LoadInterval)); next.After(settled) {
		return next
	}
	return settled
}
