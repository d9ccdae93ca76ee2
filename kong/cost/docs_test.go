package cost

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// The table of docs/sizing.md is what Forecast says.
func TestTheTableOfThePageIsTheForecast(t *testing.T) {
	page, err := os.ReadFile("../../docs/sizing.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		routes  int64
		name    string
		workers int
	}{
		{100, "100", 2}, {1000, "1,000", 2}, {5000, "5,000", 2}, {10_000, "10,000", 2}, {10_000, "10,000", 8}, {30_000, "30,000", 2},
		{30_000, "30,000", 8},
	} {
		load := Forecast(services(row.routes), row.workers)
		interval := "none"
		if d := Interval(load.Serving); d > 0 {
			interval = d.String()
		}
		want := fmt.Sprintf("| %s | %d | %.1f s | %.1f s | %d MB | %s |", row.name, row.workers, load.CPU.Seconds(), load.Serving.Seconds(),
			load.Memory/1_000_000, interval)
		if !strings.Contains(string(page), want+"\n") {
			t.Errorf("docs/sizing.md has no row\n%s", want)
		}
	}
}
