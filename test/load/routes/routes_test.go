package routes_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/silverback-gateway/silverback/test/load/routes"
)

func TestAnEditChangesOneRoute(t *testing.T) {
	for name, of := range map[string]func(routes.Config) []byte{"YAML": routes.Config.YAML, "JSON": routes.Config.JSON} {
		old := bytes.Split(of(routes.Config{N: 100}), []byte("\n"))
		now := bytes.Split(of(routes.Config{N: 100, Edit: 1}), []byte("\n"))
		changed := 0
		for i := range old {
			if !bytes.Equal(old[i], now[i]) {
				changed++
			}
		}
		if len(old) != len(now) || changed != 1 {
			t.Errorf("%s: %d of %d lines differ, want 1", name, changed, len(old))
		}
	}
}

func TestJSONIsJSON(t *testing.T) {
	for _, n := range []int{0, 1, 10, 11} {
		if text := (routes.Config{N: n}).JSON(); !json.Valid(text) {
			t.Errorf("%d routes: not JSON:\n%s", n, text)
		}
	}
}
