// Package dashboards reads the Grafana dashboards of deploy/observability, for whoever wants to know what they ask of Prometheus.
package dashboards

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A Dashboard is one file, as far as tests look at it.
type Dashboard struct {
	File       string  `json:"-"`
	UID        string  `json:"uid"`
	Title      string  `json:"title"`
	Rows       []Panel `json:"panels"`
	Templating struct {
		List []struct {
			Name       string `json:"name"`
			Definition string `json:"definition"`
		} `json:"list"`
	} `json:"templating"`
}

// A Panel shows what its targets ask for. One of the type "row" is a heading, and holds the panels under it when it is closed.
type Panel struct {
	ID      int     `json:"id"`
	Type    string  `json:"type"`
	Title   string  `json:"title"`
	Text    string  `json:"description"`
	Inside  []Panel `json:"panels"`
	Targets []struct {
		Expr       string            `json:"expr"`
		DataSource map[string]string `json:"datasource"`
	} `json:"targets"`
}

// Read reads the dashboards in a folder, in the order of their files' names. A folder without any is an error.
func Read(folder string) ([]Dashboard, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no dashboards in %s", folder)
	}
	var all []Dashboard
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		d := Dashboard{File: filepath.Base(file)}
		if err := json.Unmarshal(text, &d); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		all = append(all, d)
	}
	return all, nil
}

// Panels returns the panels that show something, those of closed rows too.
func (d Dashboard) Panels() (shown []Panel) {
	for _, p := range d.Rows {
		shown = append(shown, p.Inside...)
		if p.Type != "row" {
			shown = append(shown, p)
		}
	}
	return shown
}

var variables = strings.NewReplacer("$__rate_interval", "5m", "$group", ".*", "$node", ".*")

// Plain is an expression with Grafana's variables filled, as they are when nothing is chosen.
func Plain(expr string) string { return variables.Replace(expr) }
