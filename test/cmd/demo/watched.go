package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/api"
	prometheus "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/silverback-gateway/silverback/test/dashboards"
)

// dashboardFolder is where Grafana's dashboards lie, from the root of the checkout.
var dashboardFolder = filepath.Join("deploy", "observability", "grafana", "dashboards")

// watched asks the fleet's Prometheus what each panel of each dashboard would ask.
func (d *demo) watched(ctx context.Context) error {
	if !d.stand.Watched() {
		d.say("No Prometheus runs beside plain processes; make compose-demo looks at the dashboards.")
		return nil
	}
	url, err := d.stand.URL(ctx, "prometheus")
	if err != nil {
		return err
	}
	client, err := api.NewClient(api.Config{Address: url})
	if err != nil {
		return err
	}
	ask := prometheus.NewAPI(client)
	if err := eventually(ctx, patience, "Prometheus reaches every target", func() error { return d.targets(ctx, ask) }); err != nil {
		return err
	}
	all, err := dashboards.Read(dashboardFolder)
	if err != nil {
		return err
	}
	for _, board := range all {
		n := 0
		for _, panel := range board.Panels() {
			for _, target := range panel.Targets {
				if err := eventually(ctx, patience, fmt.Sprintf("the panel %q of %s has data: %s", panel.Title, board.File, target.Expr), func() error {
					return filled(ctx, ask, dashboards.Plain(target.Expr))
				}); err != nil {
					return err
				}
				n++
			}
		}
		d.say("%-34s %2d panels, %2d queries: all have data", board.Title, len(board.Panels()), n)
	}
	return d.alerts(ctx, ask)
}

// targets is nil when all that Prometheus is told to scrape answers.
func (d *demo) targets(ctx context.Context, ask prometheus.API) error {
	targets, err := ask.Targets(ctx)
	if err != nil {
		return err
	}
	for _, t := range targets.Active {
		if t.Health != prometheus.HealthGood {
			err = errors.Join(err, fmt.Errorf("%s: %s: %s", t.ScrapeURL, t.Health, t.LastError))
		}
	}
	if err == nil && len(targets.Active) == 0 {
		err = errors.New("it has none")
	}
	return err
}

// filled is nil when an expression has a value now.
func filled(ctx context.Context, ask prometheus.API, expr string) error {
	value, _, _, err := ask.Query(ctx, expr, time.Now())
	if err != nil {
		return err
	}
	switch v := value.(type) {
	case *model.Scalar:
		return nil
	case model.Vector:
		for _, sample := range v {
			if sample.Value == sample.Value { // NaN is none
				return nil
			}
		}
	}
	return errors.New("no data")
}

// alerts says which alert rules stand, and that each could be judged.
func (d *demo) alerts(ctx context.Context, ask prometheus.API) error {
	answer, err := ask.Rules(ctx, nil)
	if err != nil {
		return err
	}
	rules, states := 0, map[string][]string{}
	for _, group := range answer.Groups {
		for _, r := range group.Rules {
			rule, ok := r.(prometheus.AlertingRule)
			if !ok {
				continue
			}
			if rule.Health != prometheus.RuleHealthGood {
				return fmt.Errorf("the rule %s is %s: %s", rule.Name, rule.Health, rule.LastError)
			}
			rules++
			states[rule.State] = append(states[rule.State], rule.Name)
		}
	}
	if rules == 0 {
		return errors.New("no alert rules are loaded")
	}
	d.say("%d alert rules are judged. Firing: %s. Pending: %s.", rules, names(states["firing"]), names(states["pending"]))
	return nil
}

func names(all []string) string {
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, ", ")
}
