package etcdkv

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/kit/backoff"
)

const (
	askEvery   = 2 * time.Second // while etcd answers
	askAgain   = time.Second     // while it does not
	askTimeout = 2 * time.Second
	// lookEvery is how often etcd is asked for its alarms, which costs it a consensus.
	lookEvery = 5 * time.Second
	// tolerated is for how long questions may go unanswered before anybody is told: a member that goes leaves its work to the others in less.
	tolerated = 3 * time.Second
	// Reminders come after pauses that double.
	firstPause = time.Minute
	lastPause  = time.Hour
)

// A HealthProbe asks etcd whether it answers, also for a service that has nothing else to ask it, and tells the log when it stops to
// answer, now and then while it is silent, and when it answers again. It decides nothing: what a service knows stays, however long etcd is
// away.
type HealthProbe struct {
	client *clientv3.Client
	key    string
	log    *slog.Logger
	change func(silent bool)

	mu    sync.Mutex
	state outage
	full  bool // etcd's alarm for space is on
}

// NewHealthProbe returns a contact, which does nothing before Run. The key is what is read: one that the service may read and that need not
// be there.
func NewHealthProbe(client *clientv3.Client, key string, log *slog.Logger) *HealthProbe {
	return &HealthProbe{client: client, key: key, log: log, change: func(bool) {}}
}

// OnChange has a function called when etcd is found silent, and when it answers again. Call it before Run. The function must not block.
func (c *HealthProbe) OnChange(f func(silent bool)) { c.change = f }

// Run asks until ctx ends, and returns its cause; or until etcd is found to have gone back in time, and returns ErrWentBack. Watches wait
// in vain then for revisions that were, and what a service has read is of no use any more.
func (c *HealthProbe) Run(ctx context.Context) error {
	c.set(outage{since: time.Now(), never: true})
	var looked time.Time
	for {
		err := c.ask(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if errors.Is(err, ErrWentBack) {
			return err
		}
		if err == nil && time.Since(looked) >= lookEvery {
			looked = time.Now()
			c.look(ctx)
		}
		was := c.get()
		now, news := was.heard(time.Now(), err)
		c.set(now)
		c.tell(news, was, now)
		switch news {
		case lost:
			c.change(true)
		case back:
			c.change(false)
		case nothing, still:
		}
		wait := askEvery
		if err != nil {
			wait = askAgain
		}
		if err := backoff.Sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// Outage says since when and why etcd does not answer. Empty means that it answers, or has been silent for a moment only.
func (c *HealthProbe) Outage() string {
	s := c.get()
	if s.told.IsZero() {
		return ""
	}
	return fmt.Sprintf("etcd at %s has not answered for %s: %s", strings.Join(c.client.Endpoints(), ", "), since(s.since), s.reason)
}

// Warning is shown on /readyz: etcd does not answer, or has no space. Empty means none.
func (c *HealthProbe) Warning() string {
	if s := c.Outage(); s != "" {
		return s
	}
	if c.isFull() {
		return "LEDGER_FULL: " + full
	}
	return ""
}

// Register adds the metric of etcd's alarm.
func (c *HealthProbe) Register(r prometheus.Registerer) {
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "silverback_etcd_full", Help: "1 while etcd has its alarm for space on and takes no writes.",
	}, func() float64 {
		if c.isFull() {
			return 1
		}
		return 0
	}))
}

func (c *HealthProbe) isFull() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.full
}

// look asks for etcd's alarms. Without an answer what was known stays.
func (c *HealthProbe) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	answer, err := c.client.AlarmList(ctx)
	if err != nil {
		return
	}
	is := slices.ContainsFunc(answer.Alarms, func(a *etcdserverpb.AlarmMember) bool { return a.Alarm == etcdserverpb.AlarmType_NOSPACE })
	c.mu.Lock()
	was := c.full
	c.full = is
	c.mu.Unlock()
	switch {
	case is && !was:
		c.log.Error(full)
	case was && !is:
		c.log.Info("etcd has space again")
	}
}

// NotReady is the error of a replica whose ledger is not read yet, with the reason when that is known.
func (c *HealthProbe) NotReady() error {
	if s := c.Outage(); s != "" {
		return fmt.Errorf("the ledger is not read yet: %s", s)
	}
	return fmt.Errorf("the ledger is not read yet")
}

// ask makes one attempt, past the client's own retries: these hide what stands in the way until the time is over. It goes past the client's
// prefix with them. It is not answered by a member without a majority.
func (c *HealthProbe) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	_, err := etcdserverpb.NewKVClient(c.client.ActiveConnection()).Range(ctx,
		&etcdserverpb.RangeRequest{Key: []byte(Full(c.client, c.key)), CountOnly: true})
	return err
}

func (c *HealthProbe) tell(n news, was, now outage) {
	endpoints := strings.Join(c.client.Endpoints(), ",")
	switch {
	case n == lost && now.never:
		c.log.Warn("etcd does not answer yet; this replica is not ready before, and asks every second", "endpoints", endpoints, "silent",
			since(now.since), "error", now.reason)
	case n == lost:
		c.log.Warn("etcd does not answer; what is known stays, and this replica asks every second", "endpoints", endpoints, "silent",
			since(now.since), "error", now.reason)
	case n == still:
		c.log.Warn("etcd still does not answer", "endpoints", endpoints, "silent", since(now.since), "error", now.reason, "next_reminder",
			now.pause)
	case n == back && was.never:
		c.log.Info("etcd answers", "endpoints", endpoints, "silent", since(was.since))
	case n == back:
		c.log.Info("etcd answers again", "endpoints", endpoints, "silent", since(was.since))
	}
}

func (c *HealthProbe) get() outage {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

func (c *HealthProbe) set(s outage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state = s
}

func since(t time.Time) time.Duration { return time.Since(t).Round(100 * time.Millisecond) }

// outage is the time without an answer.
type outage struct {
	since  time.Time // the last answer, or the start
	never  bool      // there was no answer since the start
	failed time.Time // the first question without an answer; zero is none
	told   time.Time // when the log was told last; zero is not yet
	pause  time.Duration
	reason string
}

// news is what the log is to be told.
type news int

const (
	nothing news = iota
	lost         // etcd does not answer
	still        // nor does it now
	back         // it answers again
)

// heard is what follows from the end of one question.
func (s outage) heard(now time.Time, err error) (outage, news) {
	if err == nil {
		if s.told.IsZero() {
			return outage{since: now}, nothing
		}
		return outage{since: now}, back
	}
	if s.failed.IsZero() {
		s.failed = now
	}
	s.reason = reasonOf(err)
	switch {
	case s.told.IsZero() && now.Sub(s.failed) >= tolerated:
		s.told, s.pause = now, firstPause
		return s, lost
	case !s.told.IsZero() && now.Sub(s.told) >= s.pause:
		s.told, s.pause = now, min(2*s.pause, lastPause)
		return s, still
	}
	return s, nothing
}

// reasonOf says why there was no answer, without what gRPC wraps around it.
func reasonOf(err error) string {
	s := status.Convert(err)
	reason := s.Message()
	for _, wrapper := range []string{`desc = "`, "transport: ", "Error while dialing: "} {
		if _, inside, wrapped := strings.Cut(reason, wrapper); wrapped {
			reason = strings.TrimSuffix(inside, `"`)
		}
	}
	if s.Code() != codes.DeadlineExceeded {
		return reason
	}
	if reason == s.Message() {
		return fmt.Sprintf("no answer within %s", askTimeout)
	}
	return fmt.Sprintf("no answer within %s: %s", askTimeout, reason)
}
