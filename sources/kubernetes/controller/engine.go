package controller

import (
	"context"
	"log/slog"
	"time"

	"github.com/silverback-gateway/silverback/client"
	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/sources/kubernetes/content"
	"github.com/silverback-gateway/silverback/sources/kubernetes/delivery"
)

const (
	// maxHalts bounds how often in a row objects are left out since gateways refused a revision, while nothing changes in the cluster.
	maxHalts = 5
	// maxSuspects bounds the objects that are left out when a revision is taken back and nobody knows which of them was to blame.
	maxSuspects = 200
	// resync is how often everything is looked at although nothing happened: certificates expire without an event.
	resync = 10 * time.Minute
	// readyPoll is how often it is asked whether all objects are known.
	readyPoll = 200 * time.Millisecond
	// moveRetry is after which time it is looked again whether entities can be moved between sources.
	moveRetry = time.Second
	// callTimeout bounds a call of a service.
	callTimeout = time.Minute
	// maxMessage bounds the message of a revision, in bytes.
	maxMessage = 4000
)

// engine keeps one source what the share of it means. Its fields belong to the Run of sources.
type engine struct {
	Config
	log      *slog.Logger
	metrics  *metrics
	sources  *sources
	remote   *remote
	now      func() time.Time
	share    string
	learned  bool // what the source holds is known
	gauges   gauges
	referred int // entities that stay since sources of namespaces refer to them

	compiler  compiler // of what is submitted
	whole     compiler // of all objects, the broken ones included
	broken    broken
	submitted *content.Content  // what was last submitted; nil before the first
	committed *content.Content  // what the source holds, as far as that is known
	digest    string            // of that, as revisions name it
	pin       *translatorv1.Pin // of the source, while it was not looked at
	pinned    string            // the pin that was looked at last
	drains    drains
	changedAt time.Time     // when the first change came that is not submitted yet; zero when there is none
	heldBy    time.Duration // the load interval that the plan waits for; 0 when it waits for none
	head      int64         // the newest revision that holds it
	history   history
	contents  map[int64]delivery.Remembered
	plan      *plan
	waits     string // why the plan is not submitted
	held      bool   // that a person or a time has to come first
	notices   []delivery.Notice
	halts     int
	rollout   *client.Rollout // the newest that was looked at
	handled   string          // the rollout whose end was looked at
	retry     backoff.Backoff
	again     time.Time // when to try again; zero is not
}

func newEngine(s *sources, share string) *engine {
	f := &remote{Client: s.remote.Client, group: s.remote.group, source: sourceOf(s.remote.source, share)}
	return &engine{Config: s.Config, log: s.shareLog(share), metrics: s.metrics, sources: s, remote: f, now: s.now, share: share,
		broken: s.broken, contents: map[int64]delivery.Remembered{},
		retry: backoff.Backoff{Policy: retryPolicy}}
}

var retryPolicy = backoff.Policy{Base: time.Second, Cap: 30 * time.Second, Jitter: 0.3}

// over says whether nothing is left of a share, and of its source.
func (e *engine) over() bool {
	return e.learned && e.plan != nil && len(e.plan.content.Entities()) == 0 && e.submitted == nil && len(e.drains.mine) == 0
}

// look takes the news of the fleet and, when objects changed or the news demands it, submits.
func (e *engine) look(ctx context.Context, changed bool) {
	if !e.learned {
		if err := e.learnOnce(ctx); err != nil {
			e.waitFor("the present configuration cannot be read: "+why(err), false)
			e.log.Warn("the present configuration cannot be read, and nothing is submitted before it is", telemetry.Err, err)
			e.later()
			return
		}
		changed = true
	}
	news := e.sources.known()
	if err := e.follow(ctx, news.revision, news.rollout); err != nil {
		e.waitFor("the services do not answer: "+why(err), false)
		e.log.Warn("the state of the group cannot be read", telemetry.Err, err)
		e.later()
	} else {
		first := e.plan == nil
		if blamed := e.judge(news.rollout); changed || blamed || first || loadInterval(news.rollout) < e.heldBy {
			e.work(ctx)
		}
		// A rollout that ended before this process began makes no more news, and is led back to objects by the first plan.
		if first && e.judge(news.rollout) {
			e.work(ctx)
		}
	}
	e.drain(ctx)
}
