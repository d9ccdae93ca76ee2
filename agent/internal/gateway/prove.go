package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/proof"
)

const askTimeout = 5 * time.Second // a gateway on one worker answers late while it builds its router (fact F27)

// asks spaces the requests of a proof that made no progress.
var asks = backoff.Policy{Base: 2 * time.Millisecond, Cap: 50 * time.Millisecond}

// Claim is what a proof must show.
type Claim struct {
	Digest  fleet.Digest
	Hash    fleet.GatewayHash
	Form    proof.Form
	Workers int           // as the gateway reported last; 0: not known
	Grace   time.Duration // how long workers may still serve the previous configuration; after that such an answer ends the proof
}

// Prove returns nil when the gateway was seen serving the snapshot, as far as the form can tell: every worker, and then
// nothing else over so many fresh connections that whoever shares the listener would have been met (Worker), as many
// answers in a row (Route), or the hash and the readiness alone (None). It returns a *verdict.Failure when that was not
// seen in time: StrayWorker or StaleRouter as soon as it is known. Stray says in words which processes share a worker's
// place although they serve the snapshot; empty when none do.
func (g *Gateway) Prove(ctx context.Context, c Claim) (stray string, err error) {
	ctx, cancel := context.WithTimeout(ctx, g.opts.ProofTimeout)
	defer cancel()
	state := newProofState(c.Digest, c.Form, c.Workers)
	began := time.Now()
	pause := backoff.Backoff{Policy: asks}
	for {
		var proven, progress bool
		last := state.last
		if c.Form == proof.None {
			proven = g.hashProves(ctx, c.Hash, state)
		} else {
			proven, progress = state.add(g.ask(ctx))
		}
		if !proven && ctx.Err() != nil {
			state.last, state.other = last, false // the timeout cut this request off, so its error says nothing about the gateway
		}
		switch {
		case proven:
			g.keepProcesses(state.processes)
			return state.strays, nil
		case state.other && time.Since(began) > c.Grace:
			return "", state.mismatch()
		case progress:
			pause.Reset()
			continue // the next connection may be another worker's
		}
		if pause.Wait(ctx) != nil {
			return "", &verdict.Failure{Reason: verdict.NotProven, Message: state.incomplete()}
		}
	}
}

func (g *Gateway) hashProves(ctx context.Context, hash fleet.GatewayHash, state *proofState) bool {
	s, err := g.Observe(ctx)
	switch {
	case err != nil:
		state.last = "the gateway does not answer"
	case s.Hash != hash:
		state.last = "the gateway reports another hash"
	case !s.Ready && s.Hash != fleet.NoGatewayHash && s.Unready != "draining":
		state.last = "the gateway is not ready"
	default:
		return true
	}
	return false
}

// ask requests the reserved route over a connection of its own.
func (g *Gateway) ask(ctx context.Context) (proof.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.proxy.base+proof.Path, nil)
	if err != nil {
		return proof.Answer{}, errors.New("the proxy's URL is not valid")
	}
	req.Host = proof.Host
	req.Header.Set(proof.Header, proof.HeaderValue)
	resp, err := g.proxy.client.Do(req)
	if err != nil {
		return proof.Answer{}, errors.New("the proxy does not answer")
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		return proof.Answer{}, errNoRoute
	}
	if resp.StatusCode != http.StatusOK {
		return proof.Answer{}, fmt.Errorf("the reserved route answered %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if err != nil {
		return proof.Answer{}, errors.New("the proxy broke off its answer")
	}
	return proof.ParseAnswer(body)
}
