package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// patience is for what announces itself by no event. It bounds a broken fleet, and says nothing of how long things take.
const patience = 2 * time.Minute

// What is promised of a change that gateways accept and traffic does not survive.
const (
	maxBack  = 15 * time.Second // from the first request that failed to the last
	maxShare = 0.01             // of all requests between the submission and the moment when every gateway serves what it served before
)

// bootTime is how long a gateway that restarts alone may take from its proxy's first answer to serving what it served before.
const bootTime = time.Second

// demo is one run.
type demo struct {
	stand   stand
	out     io.Writer
	lb      string
	traffic *traffic
	step    int
}

func (d *demo) run(ctx context.Context) error {
	began := time.Now()
	d.title("Start etcd, the services, three gateways with their agents, a load balancer and an upstream")
	if err := d.up(ctx); err != nil {
		return err
	}
	defer func() {
		if d.traffic != nil {
			d.traffic.stop()
		}
	}()
	for _, s := range []struct {
		title string
		do    func(context.Context) error
	}{
		{"Apply a configuration, and ask for it through the load balancer", d.apply},
		{"Apply one that gateways refuse: it stops at the first wave, and traffic flows", d.broken},
		{"Apply one that gateways accept and traffic does not survive: it is taken back", d.harmful},
		{"Kill the leader in the middle of an apply", d.leader},
		{"Drain a gateway", d.drain},
		{"Stop the whole control plane and etcd, and restart a gateway: it serves what it served", d.alone},
		{"Bring everything back", d.back},
		{"Look at the dashboards", d.watched},
	} {
		d.title(s.title)
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("step %d, %s: %w", d.step, s.title, err)
		}
	}
	all := d.traffic.now()
	d.title("The end")
	d.say("%d requests went through the load balancer in all, and %s. It took %s.", all.requests, failures(all),
		time.Since(began).Round(time.Second))
	return nil
}

func (d *demo) title(text string) {
	if d.step > 0 {
		fmt.Fprintln(d.out)
	}
	d.step++
	fmt.Fprintf(d.out, "%d. %s\n", d.step, text)
}

func (d *demo) say(format string, args ...any) {
	fmt.Fprintln(d.out, indent(fmt.Sprintf(format, args...)))
}

// result is how a command ended.
type result struct {
	text string
	code int
}

// cli runs the command line and prints it with what it says. Each line is told to watch as it comes.
func (d *demo) cli(ctx context.Context, in string, watch func(string), args ...string) (result, error) {
	from := ""
	if in != "" {
		from = " < shop.yaml"
	}
	d.say("$ silverback %s%s", shown(args), from)
	return d.quiet(ctx, in, func(line string) {
		d.say("%s", line)
		if watch != nil {
			watch(line)
		}
	}, args...)
}

// shown puts arguments as a shell wants them.
func shown(args []string) string {
	var all []string
	for _, a := range args {
		if strings.Contains(a, " ") {
			a = "\"" + a + "\""
		}
		all = append(all, a)
	}
	return strings.Join(all, " ")
}

// quiet runs the command line.
func (d *demo) quiet(ctx context.Context, in string, watch func(string), args ...string) (result, error) {
	var r result
	var text strings.Builder
	var err error
	r.code, err = d.stand.CLI(ctx, in, func(line string) {
		text.WriteString(line + "\n")
		if watch != nil {
			watch(line)
		}
	}, args...)
	r.text = text.String()
	return r, err
}

// want says what is missing of a result.
func (r result) want(code int, texts ...string) error {
	if r.code != code {
		return fmt.Errorf("exit code %d, want %d:\n%s", r.code, code, r.text)
	}
	for _, text := range texts {
		if !strings.Contains(r.text, text) {
			return fmt.Errorf("%q was not said:\n%s", text, r.text)
		}
	}
	return nil
}

// shop is a configuration whose orders the upstream answers, under a version that can be seen. Gateways count their requests.
func (d *demo) shop(version int, more string) string {
	return fmt.Sprintf(`_format_version: "3.0"
services:
- name: orders
  url: http://%[1]s/orders-v%[2]d
  routes:
  - name: orders
    paths: [/orders]
%[3]splugins:
- name: prometheus
  config: {status_code_metrics: true, latency_metrics: true}
`, d.stand.Upstream(), version, more)
}

// refusedPlugin has a mistake in its Lua, which only a gateway sees: what the schemas of the gateways can tell is refused before, at the
// submission.
const refusedPlugin = `    plugins:
    - name: pre-function
      config:
        access: ["kong.response.exit(200"]
`

func (d *demo) up(ctx context.Context) error {
	d.say("the command line here: %s", d.stand.Shown())
	if err := d.stand.Up(ctx); err != nil {
		return err
	}
	if err := eventually(ctx, upTime, "three gateways are known", func() error {
		nodes, err := d.nodes(ctx)
		if err == nil && len(nodes) != gateways {
			err = fmt.Errorf("%d nodes", len(nodes))
		}
		for _, n := range nodes {
			if n.State == "STATE_UNREACHABLE" || n.State == "STATE_GONE" {
				err = errors.Join(err, fmt.Errorf("%s: %s", n.Name, n.State))
			}
		}
		return err
	}); err != nil {
		return err
	}
	r, err := d.cli(ctx, "", nil, "get", "nodes")
	if err != nil {
		return err
	}
	if d.lb, err = d.stand.URL(ctx, "load-balancer"); err != nil {
		return err
	}
	return r.want(0, numbered("kong", gateways)...)
}

type node struct{ Name, State string }

func (d *demo) nodes(ctx context.Context) ([]node, error) {
	r, err := d.quiet(ctx, "", nil, "get", "nodes", "-g", group, "-o", "json")
	if err != nil {
		return nil, err
	}
	if err := r.want(0); err != nil {
		return nil, err
	}
	var answer struct{ Nodes []node }
	if err := json.Unmarshal([]byte(r.text), &answer); err != nil {
		return nil, fmt.Errorf("read the nodes: %w", err)
	}
	return answer.Nodes, nil
}

const everywhere = "is served by every online gateway of default (3)"

func (d *demo) apply(ctx context.Context) error {
	r, err := d.cli(ctx, d.shop(1, ""), nil, "apply", "-g", group, "--wait", "-m", "open the shop", "-")
	if err = errors.Join(err, r.want(0, everywhere)); err != nil {
		return err
	}
	if err := d.served(ctx, "orders-v1"); err != nil {
		return err
	}
	// Agents tell their readiness at once; the load balancer asks for it.
	if err := eventually(ctx, patience, "the load balancer sends requests on",
		func() error { return answers(ctx, d.lb+"/orders", "orders-v1") }); err != nil {
		return err
	}
	_, body, err := get(ctx, d.lb+"/orders")
	d.say("$ curl %s/orders\n%s", d.lb, strings.TrimSpace(body))
	d.traffic = startTraffic(ctx, d.lb+"/orders")
	d.say("From here on %d clients ask for it all the time.", clients)
	return err
}

// answers is nil when a URL answers 200 with a text.
func answers(ctx context.Context, url, text string) error {
	status, body, err := get(ctx, url)
	if err == nil && (status != http.StatusOK || !strings.Contains(body, text)) {
		err = fmt.Errorf("%s answers %d: %.200s", url, status, body)
	}
	return err
}

// served is nil when every gateway answers with a text.
func (d *demo) served(ctx context.Context, text string) error {
	for _, name := range numbered("kong", gateways) {
		url, err := d.stand.URL(ctx, name)
		if err == nil {
			err = answers(ctx, url+"/orders", text)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (d *demo) broken(ctx context.Context) error {
	before := d.traffic.now()
	r, err := d.cli(ctx, d.shop(2, refusedPlugin), nil, "apply", "-g", group, "--wait", "-m", "a typing error", "-")
	if err = errors.Join(err, r.want(2, "wave 1 of 2 (halted): 0/1 serving, 1 refused", `plugin "pre-function"`,
		"refused by kong-")); err != nil {
		return err
	}
	if err := d.served(ctx, "orders-v1"); err != nil {
		return err
	}
	d.say("All three gateways serve orders-v1.")
	return d.unharmed(ctx, before)
}

// closedPlugin is accepted by every gateway, and refuses every request.
const closedPlugin = `    plugins:
    - name: request-termination
      config: {status_code: 503, message: closed}
`

// harmful has a gate find what a configuration does to traffic. Only the canary serves it, for some seconds, and the load balancer sends
// the canary few requests.
func (d *demo) harmful(ctx context.Context) error {
	if r, err := d.cli(ctx, "", nil, "update", "group", group, "--waves", "canary=true:20s,100%:1s", "--gate", "error-ratio=1%",
		"--gate", "probes", "--probe", "/orders,interval=1s"); err != nil || r.code != 0 {
		return errors.Join(err, r.want(0))
	}
	before := d.traffic.now()
	r, err := d.cli(ctx, d.shop(2, closedPlugin), nil, "apply", "-g", group, "--wait", "-m", "closed by mistake", "-")
	if err = errors.Join(err, r.want(2, "wave 1 of 2, canary=true (rolled back): 1/1 serving, 3 in all", "rolled back: gate ",
		"failed in wave 1 of 2", "is pinned at its last good content")); err != nil {
		return err
	}
	if err := eventually(ctx, patience, "all gateways serve orders-v1", func() error { return d.served(ctx, "orders-v1") }); err != nil {
		return err
	}
	s := d.traffic.since(before)
	share := float64(s.failed) / float64(max(1, s.requests))
	d.say("All three gateways serve orders-v1 again. Of %d requests since the change was submitted %d failed, %.1f %%, within %s: only %s, "+
		"the canary, served it.", s.requests, s.failed, 100*share, s.lasted.Round(100*time.Millisecond), canary)
	switch {
	case share >= maxShare:
		return fmt.Errorf("less than %.0f %% is promised", 100*maxShare)
	case s.lasted > maxBack:
		return fmt.Errorf("it was back later than %s after the first evidence", maxBack)
	}
	after := d.traffic.now()
	if err := d.unharmed(ctx, after); err != nil {
		return err
	}
	r, err = d.quiet(ctx, "", nil, "update", "group", group, "--gate", "none", "--no-probes", "--waves", "1,100%")
	return errors.Join(err, r.want(0))
}

// unharmed waits for a little more traffic, and fails when a request since then did.
func (d *demo) unharmed(ctx context.Context, before seen) error {
	now := d.traffic.now().requests
	if err := eventually(ctx, patience, "traffic flows", func() error {
		if d.traffic.now().requests < now+20*clients {
			return errors.New("too few requests")
		}
		return nil
	}); err != nil {
		return err
	}
	s := d.traffic.since(before)
	d.say("%d requests went through the load balancer meanwhile, and %s.", s.requests, failures(s))
	if s.failed > 0 {
		return fmt.Errorf("%d of %d requests failed, the last at %s", s.failed, s.requests, s.last)
	}
	return nil
}

func failures(s seen) string {
	if s.failed == 0 {
		return "none failed"
	}
	return fmt.Sprintf("%d failed", s.failed)
}

// leading returns the distributor that leads.
func (d *demo) leading(ctx context.Context) (string, error) {
	var leaders []string
	for _, name := range numbered("distributor", distributors) {
		url, err := d.stand.URL(ctx, name)
		if err != nil {
			continue // one that does not run has no address
		}
		if _, body, err := get(ctx, url+"/metrics"); err == nil && strings.Contains(body, "\nsilverback_leader 1\n") {
			leaders = append(leaders, name)
		}
	}
	if len(leaders) != 1 {
		return "", fmt.Errorf("%d distributors say that they lead: %v", len(leaders), leaders)
	}
	return leaders[0], nil
}

func (d *demo) leader(ctx context.Context) error {
	var old string
	err := eventually(ctx, patience, "one distributor leads", func() (err error) { old, err = d.leading(ctx); return err })
	if err != nil {
		return err
	}
	// A soak after the first wave, so that there is a middle to be killed in.
	if r, err := d.cli(ctx, "", nil, "update", "group", group, "--waves", "1:3s,100%"); err != nil || r.code != 0 {
		return errors.Join(err, r.want(0))
	}
	before := d.traffic.now()
	var once sync.Once
	killed := make(chan error, 1) // the one kill
	r, err := d.cli(ctx, d.shop(3, ""), func(line string) {
		if strings.Contains(line, "wave 1 of 2") && strings.Contains(line, "1/1 serving") {
			once.Do(func() {
				d.say("(%s leads, and is killed now)", old)
				killed <- d.stand.Kill(ctx, old)
			})
		}
	}, "apply", "-g", group, "--wait", "-m", "third edition", "-")
	select {
	case killErr := <-killed:
		err = errors.Join(err, killErr)
	default:
		err = errors.Join(err, errors.New("the first wave was not seen, so the leader was not killed"))
	}
	if err = errors.Join(err, r.want(0, everywhere)); err != nil {
		return err
	}
	if err := d.served(ctx, "orders-v3"); err != nil {
		return err
	}
	var next string
	if err := eventually(ctx, patience, "another distributor leads", func() (err error) {
		next,
			err = d.leading(ctx)
		return err
	}); err != nil {
		return err
	}
	if next == old {
		return fmt.Errorf("%s leads, though it was killed", old)
	}
	d.say("%s leads now, and all three gateways serve orders-v3.", next)
	if err := d.unharmed(ctx, before); err != nil {
		return err
	}
	if err := d.stand.Start(ctx, old); err != nil {
		return err
	}
	r, err = d.quiet(ctx, "", nil, "update", "group", group, "--waves", "1,100%")
	return errors.Join(err, r.want(0))
}

func (d *demo) drain(ctx context.Context) error {
	const name = "kong-2"
	before := d.traffic.now()
	r, err := d.cli(ctx, "", nil, "drain", name, "-g", group, "--reason", "maintenance")
	if err = errors.Join(err, r.want(0)); err != nil {
		return err
	}
	if err := eventually(ctx, patience, "requests go past "+name, func() error { return d.turns(ctx, name, false) }); err != nil {
		return err
	}
	url, err := d.stand.URL(ctx, name)
	if err == nil {
		err = answers(ctx, url+"/orders", "orders-v3")
	}
	if err != nil {
		return err
	}
	d.say("The load balancer sends %s no requests any more; it would still answer them.", name)
	if r, err = d.cli(ctx, "", nil, "undrain", name, "-g", group); err != nil || r.code != 0 {
		return errors.Join(err, r.want(0))
	}
	if err := eventually(ctx, patience, "requests come to "+name, func() error { return d.turns(ctx, name, true) }); err != nil {
		return err
	}
	d.say("It has its share again.")
	return d.unharmed(ctx, before)
}

// turns is nil when the next requests have come to a gateway, or have not, as wanted.
func (d *demo) turns(ctx context.Context, name string, wanted bool) error {
	const some = 30
	before := d.traffic.now()
	return eventually(ctx, patience, "traffic flows", func() error {
		s := d.traffic.since(before)
		switch {
		case wanted && s.by[name] > 0:
			return nil
		case s.requests < some:
			return errors.New("too few requests")
		case !wanted && s.by[name] > 0:
			before = d.traffic.now()
			return fmt.Errorf("%d of %d requests came to %s", s.by[name], s.requests, name)
		case wanted:
			return fmt.Errorf("none of %d requests came to %s", s.requests, name)
		}
		return nil
	})
}

func (d *demo) alone(ctx context.Context) error {
	const name, agent = "kong-3", "agent-3"
	before := d.traffic.now()
	if err := d.stand.Stop(ctx, append(controlPlane(), agent)...); err != nil {
		return err
	}
	d.say("Stopped: %s, %s.", strings.Join(controlPlane(), ", "), agent)
	if err := d.unharmed(ctx, before); err != nil {
		return err
	}
	url, err := d.stand.URL(ctx, name)
	if err != nil {
		return err
	}
	if err := d.stand.Kill(ctx, name); err != nil {
		return err
	}
	if _, _, err := get(ctx, url+"/orders"); err == nil {
		return fmt.Errorf("%s answers, though it was killed", name)
	}
	began := time.Now()
	started := make(chan error, 1) // the one start
	go func() { started <- d.stand.Start(ctx, name) }()
	var first, good time.Time // the proxy's first answer of any kind, and its first good one
	err = eventually(ctx, patience, name+" serves", func() error {
		status, body, err := get(ctx, url+"/orders")
		if err == nil && first.IsZero() {
			first = time.Now()
		}
		if err == nil && (status != http.StatusOK || !strings.Contains(body, "orders-v3")) {
			err = fmt.Errorf("%d: %.200s", status, body)
		}
		good = time.Now()
		return err
	})
	if err = errors.Join(err, <-started); err != nil {
		return err
	}
	took := good.Sub(first)
	d.say("%s was killed and started again, with nobody to ask. It answered after %s, and served orders-v3 %s after that.",
		name, first.Sub(began).Round(time.Millisecond), took.Round(time.Millisecond))
	if took > bootTime {
		return fmt.Errorf("that is more than %s", bootTime)
	}
	return d.served(ctx, "orders-v3")
}

func (d *demo) back(ctx context.Context) error {
	before := d.traffic.now()
	parts := controlPlane()
	// What others need comes first.
	for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
		parts[i], parts[j] = parts[j], parts[i]
	}
	if err := d.stand.Start(ctx, append(parts, "agent-3")...); err != nil {
		return err
	}
	if err := eventually(ctx, patience, "the fleet is in sync", func() error {
		r, err := d.quiet(ctx, "", nil, "status", "-g", group)
		if err = errors.Join(err, r.want(0, "in sync", "3 known, 3 online, 3 serving")); err == nil &&
			strings.Contains(r.text, "DistributorUnreachable") {
			err = errors.New("an agent has yet to find a distributor: a rollout would not wait for it")
		}
		return err
	}); err != nil {
		return err
	}
	r, err := d.cli(ctx, "", nil, "status")
	if err = errors.Join(err, r.want(0)); err != nil {
		return err
	}
	r, err = d.cli(ctx, d.shop(4, ""), nil, "apply", "-g", group, "--wait", "-m", "fourth edition", "-")
	if err = errors.Join(err, r.want(0, everywhere)); err != nil {
		return err
	}
	if err := d.served(ctx, "orders-v4"); err != nil {
		return err
	}
	d.say("All three gateways serve orders-v4.")
	return d.unharmed(ctx, before)
}
