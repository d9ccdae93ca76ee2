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
	interval      = 2 * time.Second // while etcd answers
	retryInterval = time.Second     // while it does not
	askTimeout    = 2 * time.Second
	// alarmInterval is how often the alarms are read, which costs etcd a consensus round.
	alarmInterval = 5 * time.Second
	// tolerated is how long an outage lasts before it is logged. A failover to another etcd member takes less.
	tolerated = 3 * time.Second
	// Reminders come after pauses that double.
	firstPause = time.Minute
	lastPause  = time.Hour
)

// A HealthProbe checks whether etcd answers. It logs when etcd stops answering, reminders during the outage, and the recovery. It takes no
// action: a service keeps its state for as long as etcd is unreachable.
type HealthProbe struct {
	client *clientv3.Client
	key    string
	log    *slog.Logger
	change func(silent bool)

	mu    sync.Mutex
	state outage
	full  bool // etcd's NOSPACE alarm is on
}

// NewHealthProbe returns a probe, which is idle until Run. It reads the key, which the service must be allowed to read and which need not
// exist.
func NewHealthProbe(client *clientv3.Client, key string, log *slog.Logger) *HealthProbe {
	return &HealthProbe{client: client, key: key, log: log, change: func(bool) {}}
}

// OnChange sets a function that is called when etcd stops answering, and when it answers again. Call OnChange before Run. The function must
// not block.
func (c *HealthProbe) OnChange(f func(silent bool)) { c.change = f }

// Run probes until ctx ends, and returns its cause. It returns ErrWentBack when etcd's revision went back: watches would then wait for past
// revisions, and what the service has read is obsolete.
func (c *HealthProbe) Run(ctx context.Context) error {
	c.set(outage{since: time.Now(), never: true})
	var alarmsRead time.Time
	for {
		err := c.ask(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if errors.Is(err, ErrWentBack) {
			return err
		}
		if err == nil && time.Since(alarmsRead) >= alarmInterval {
			alarmsRead = time.Now()
			c.readAlarms(ctx)
		}
		was := c.get()
		now, event := was.next(time.Now(), err)
		c.set(now)
		c.report(event, was, now)
		switch event {
		case lost:
			c.change(true)
		case back:
			c.change(false)
		case nothing, still:
		}
		wait := interval
		if err != nil {
			wait = retryInterval
		}
		if err := backoff.Sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// Outage returns since when and why etcd does not answer. Empty means that it answers, or that the outage is still short.
func (c *HealthProbe) Outage() string {
	s := c.get()
	if s.logged.IsZero() {
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
		Name: "silverback_etcd_full", Help: "1 while etcd's NOSPACE alarm is on and it takes no writes.",
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

// readAlarms reads the alarms of etcd. Without an answer it changes nothing.
func (c *HealthProbe) readAlarms(ctx context.Context) {
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

// NotReady returns the error of a replica that has not read its ledger yet, with the reason when it is known.
func (c *HealthProbe) NotReady() error {
	if s := c.Outage(); s != "" {
		return fmt.Errorf("the ledger is not read yet: %s", s)
	}
	return fmt.Errorf("the ledger is not read yet")
}

// ask makes one attempt. It bypasses the client's retries, which hide the reason, and with them the client's prefix. A member without a
// majority does not answer.
func (c *HealthProbe) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	_, err := etcdserverpb.NewKVClient(c.client.ActiveConnection()).Range(ctx,
		&etcdserverpb.RangeRequest{Key: []byte(Full(c.client, c.key)), CountOnly: true})
	return err
}

func (c *HealthProbe) report(e transition, was, now outage) {
	endpoints := strings.Join(c.client.Endpoints(), ",")
	switch {
	case e == lost && now.never:
		c.log.Warn("etcd does not answer yet; this replica becomes ready when it does, and retries every second", "endpoints", endpoints,
			"silent", since(now.since), "error", now.reason)
	case e == lost:
		c.log.Warn("etcd does not answer; this replica keeps its state and retries every second", "endpoints", endpoints, "silent",
			since(now.since), "error", now.reason)
	case e == still:
		c.log.Warn("etcd still does not answer", "endpoints", endpoints, "silent", since(now.since), "error", now.reason, "next_reminder",
			now.pause)
	case e == back && was.never:
		c.log.Info("etcd answers", "endpoints", endpoints, "silent", since(was.since))
	case e == back:
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
	failed time.Time // the first unanswered probe; zero means none
	logged time.Time // when it was last logged; zero means not yet
	pause  time.Duration
	reason string
}

// transition is the change to log.
type transition int

const (
	nothing transition = iota
	lost               // etcd does not answer
	still              // it still does not answer
	back               // it answers again
)

// next returns the state after one probe, and the change to log.
func (s outage) next(now time.Time, err error) (outage, transition) {
	if err == nil {
		if s.logged.IsZero() {
			return outage{since: now}, nothing
		}
		return outage{since: now}, back
	}
	if s.failed.IsZero() {
		s.failed = now
	}
	s.reason = reasonOf(err)
	switch {
	case s.logged.IsZero() && now.Sub(s.failed) >= tolerated:
		s.logged, s.pause = now, firstPause
		return s, lost
	case !s.logged.IsZero() && now.Sub(s.logged) >= s.pause:
		s.logged, s.pause = now, min(2*s.pause, lastPause)
		return s, still
	}
	return s, nothing
}

// reasonOf returns the reason of an error without the text that gRPC wraps around it.
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
