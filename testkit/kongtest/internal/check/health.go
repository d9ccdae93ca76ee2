package check

import (
	"fmt"
	"strings"

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/entity"
)

// healthRanges are the least and the greatest number in each field of a health check, by its path.
var healthRanges = map[string][2]float64{
	"threshold":                       {0, 100},
	"active.timeout":                  {0, 65535},
	"active.concurrency":              {1, 1 << 31},
	"active.healthy.interval":         {0, 65535},
	"active.healthy.successes":        {0, 255},
	"active.healthy.http_statuses":    {100, 999},
	"active.unhealthy.interval":       {0, 65535},
	"active.unhealthy.timeouts":       {0, 255},
	"active.unhealthy.http_failures":  {0, 255},
	"active.unhealthy.tcp_failures":   {0, 255},
	"active.unhealthy.http_statuses":  {100, 999},
	"passive.healthy.successes":       {0, 255},
	"passive.healthy.http_statuses":   {100, 999},
	"passive.unhealthy.timeouts":      {0, 255},
	"passive.unhealthy.http_failures": {0, 255},
	"passive.unhealthy.tcp_failures":  {0, 255},
	"passive.unhealthy.http_statuses": {100, 999},
}

// healthRules checks the numbers of an upstream's health checks.
func healthRules(n *entity.Node, complain func(string, ...any)) {
	checks, _ := n.Own["healthchecks"].(map[string]any)
	for path, between := range healthRanges {
		names := strings.Split(path, ".")
		at, record := []any{"healthchecks"}, checks
		for _, name := range names[:len(names)-1] {
			at = append(at, name)
			record, _ = record[name].(map[string]any)
		}
		last := names[len(names)-1]
		at = append(at, last)
		inRange(record[last], between, func(message string) { complain(message, at...) })
	}
}

// inRange checks a number, or each number of a list.
func inRange(value any, between [2]float64, complain func(message string)) {
	switch value := value.(type) {
	case []any:
		for _, item := range value {
			inRange(item, between, complain)
		}
	case float64:
		if value < between[0] || value > between[1] {
			complain(fmt.Sprintf("value should be between %.0f and %.0f", between[0], between[1]))
		}
	}
}
