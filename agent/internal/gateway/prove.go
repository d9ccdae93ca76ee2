package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/proof"
)

const (
	askTimeout = 5 * time.Second // a gateway on one worker answers late while it builds its router (fact F27)
	minPause   = 2 * time.Millisecond
	maxPause   = 50 * time.Millisecond
)

// Prove returns nil when the gateway was seen serving the snapshot, as far as the form can tell: every worker (Worker),
// as many answers in a row as would likely reach every worker (Route), or the hash and the readiness alone (None). It
// returns a *verdict.Failure when that was not seen in time.
func (g *Gateway) Prove(ctx context.Context, digest fleet.Digest, hash fleet.GatewayHash, form proof.Form, workers int) error {
	ctx, cancel := context.WithTimeout(ctx, g.opts.ProofTimeout)
	defer cancel()
	w := newWitness(digest, form, workers)
	pause := minPause
	for {
		var proven, progress bool
		last := w.last
		if form == proof.None {
			proven = g.seenHash(ctx, hash, w)
		} else {
			proven, progress = w.take(g.ask(ctx))
		}
		if !proven && ctx.Err() != nil {
			w.last = last // the end of the time cut the question off: what it lacks says nothing of the gateway
		}
		if proven {
			return nil
		}
		if progress {
			pause = minPause
			continue // the next connection may be another worker's
		}
		select {
		case <-ctx.Done():
			return &verdict.Failure{Reason: verdict.NotProven, Message: w.missing()}
		case <-time.After(pause):
		}
		pause = min(2*pause, maxPause)
	}
}

// witness counts what was seen. It is pure.
type witness struct {
	digest fleet.Digest
	form   proof.Form
	want   int          // answers in a row, for Route
	seen   map[int]bool // workers that serve it
	idle   int          // answers since the last new worker
	count  int          // of workers, as the answers say
	last   string       // what kept the proof from being complete
}

func newWitness(digest fleet.Digest, form proof.Form, workers int) *witness {
	return &witness{digest: digest, form: form, want: max(8, 4*workers), seen: map[int]bool{}, last: "no answer"}
}

// take notes an answer. Progress means that asking again at once is worthwhile.
func (w *witness) take(a proof.Answer, err error) (proven, progress bool) {
	switch {
	case err != nil:
		w.last = err.Error()
		if w.form == proof.Route {
			w.idle = 0
		}
		return false, false
	case a.Digest != w.digest:
		// A worker that turns later than others, or one that turned back: it serves something else now.
		w.last = "a worker serves another snapshot"
		delete(w.seen, a.Worker)
		if w.form == proof.Route {
			w.idle = 0
		}
		return false, false
	}
	if w.form == proof.Route {
		w.idle++
		w.last = fmt.Sprintf("%d of %d answers in a row", w.idle, w.want)
		return w.idle >= w.want, true
	}
	if a.Workers == 0 {
		w.last = "the answer names no worker"
		return false, false
	}
	if a.Workers != w.count {
		w.count = a.Workers
		clear(w.seen) // another set of processes
	}
	if !w.seen[a.Worker] {
		w.seen[a.Worker], w.idle = true, 0
	}
	w.idle++
	w.last = fmt.Sprintf("%d of %d workers serve it", len(w.seen), w.count)
	// Which worker a connection reaches is the kernel's choice, so known ones come again; but not for ever without a pause.
	return len(w.seen) >= w.count, w.idle < 8*w.count
}

func (w *witness) missing() string {
	if len(w.seen) > 0 {
		return fmt.Sprintf("only %d of %d workers were seen serving it in time: %s", len(w.seen), w.count, w.last)
	}
	return "not seen serving it in time: " + w.last
}

func (g *Gateway) seenHash(ctx context.Context, hash fleet.GatewayHash, w *witness) bool {
	s, err := g.Look(ctx)
	switch {
	case err != nil:
		w.last = "the gateway does not answer"
	case s.Hash != hash:
		w.last = "the gateway reports another hash"
	case !s.Ready && s.Hash != fleet.NoGatewayHash && s.Unready != "draining":
		w.last = "the gateway is not ready"
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
		return proof.Answer{}, errors.New("the proxy's URL cannot be asked")
	}
	req.Host = proof.Host
	req.Header.Set(proof.Header, proof.HeaderValue)
	resp, err := g.proxy.client.Do(req)
	if err != nil {
		return proof.Answer{}, errors.New("the proxy does not answer")
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return proof.Answer{}, fmt.Errorf("the reserved route answered %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if err != nil {
		return proof.Answer{}, errors.New("the proxy broke off its answer")
	}
	return proof.ParseAnswer(body)
}
