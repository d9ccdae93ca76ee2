// Package proof puts the reserved route into the bytes that a gateway is given, and parses the answers of that route. A gateway that
// answers with a digest serves the snapshot of that digest. Nothing weaker is called proof.
//
// The package only handles text. It calls no gateway, does not choose a form for one, and never parses or reorders the snapshot.
package proof

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// What marks the reserved route. A GET with this host, path and header, made over
// loopback or a socket, is answered by the gateway itself and never reaches a
// service.
const (
	RouteName   = "silverback-proof"
	Host        = "silverback.internal"
	Path        = "/.well-known/silverback"
	Header      = "X-Silverback"
	HeaderValue = "proof"
	Tag         = "silverback"

	// RouteID is the id that Kong would give a route of that name.
	RouteID = "1448fce5-bfeb-5f3b-a2c5-51d464655867"
)

// Form is how much the reserved route can prove.
type Form int

const (
	// None inserts nothing. Only the gateway hash can be compared.
	None Form = iota
	// Route answers the digest, but not which worker answered. It answers only after global authentication plugins let the request through.
	Route
	// Worker answers the digest, the worker and the number of workers, before every other plugin. It needs pre-function and an enabled Lua
	// sandbox.
	Worker
)

// String returns the word for flags, logs and outcomes.
func (f Form) String() string {
	switch f {
	case None:
		return "hash"
	case Route:
		return "route"
	case Worker:
		return "worker"
	}
	return fmt.Sprintf("Form(%d)", int(f))
}

// ParseForm is the inverse of String.
func ParseForm(word string) (Form, error) {
	for _, f := range []Form{None, Route, Worker} {
		if f.String() == word {
			return f, nil
		}
	}
	return None, fmt.Errorf("proof %q is not one of worker, route, hash", word)
}

// Plugins returns the plugins that a gateway needs for a form.
func (f Form) Plugins() []string {
	switch f {
	case Route:
		return []string{"ip-restriction", "request-termination"}
	case Worker:
		return []string{"pre-function"}
	}
	return nil
}

// Answer is what the reserved route said. Workers is 0 when the form that
// answered cannot tell workers apart. Process is the worker's process id, 0 when
// it is not said: a worker that was replaced, or that a killed master left
// behind, has the number of another one but not its process id (fact F48).
type Answer struct {
	Digest  fleet.Digest
	Worker  int
	Workers int
	Process int
}

// ParseAnswer reads the body of a 200 of the reserved route. A body that names
// no digest, or a worker outside the count it claims, is an error: whatever
// answered, it was not the reserved route.
func ParseAnswer(body []byte) (Answer, error) {
	var parsed struct {
		Digest  string `json:"digest"`
		Worker  *int   `json:"worker"`
		Workers int    `json:"workers"`
		Process int    `json:"pid"`
	}
	if err := json.Unmarshal(body, &parsed); err != nil {
		return Answer{}, errors.New("the answer is not the reserved route's JSON")
	}
	digest, err := fleet.ParseDigest(parsed.Digest)
	if err != nil {
		return Answer{}, fmt.Errorf("the answer names no digest: %w", err)
	}
	answer := Answer{Digest: digest, Workers: parsed.Workers}
	if parsed.Worker == nil {
		answer.Workers = 0
		return answer, nil
	}
	if *parsed.Worker < 0 || *parsed.Worker >= parsed.Workers {
		return Answer{}, fmt.Errorf("the answer names worker %d of %d", *parsed.Worker, parsed.Workers)
	}
	if parsed.Process < 0 {
		return Answer{}, fmt.Errorf("the answer names process %d", parsed.Process)
	}
	answer.Worker, answer.Process = *parsed.Worker, parsed.Process
	return answer, nil
}
