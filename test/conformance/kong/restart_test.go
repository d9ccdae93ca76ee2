package kong_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

func TestF29_TheConfigurationSurvivesARestart(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		k.restartable(t)
		if k.root(t).Configuration.Declarative != "" {
			return // F30 says what happens then
		}
		text := routes(ending("kept", `"paths":["/kept"]`))
		k.load(t, text)
		k.restart(t)
		k.settled(t, md5Hex(text))
		k.served(t, "/kept", 200, "kept")
		if got := k.post(t, text); got.code != http.StatusNotModified {
			t.Errorf("the same text after the restart: %s", got)
		}
	})
}

func TestF30_WithADeclarativeFileEveryStartReturnsToIt(t *testing.T) {
	returns := func(t *testing.T, k *target, file string) {
		k.restartable(t)
		text, err := os.ReadFile(file)
		if err != nil {
			k.lacks(t, "the gateway's declarative_config cannot be read from here: %v", err)
		}
		other := routes(ending("posted", `"paths":["/posted"]`))
		k.load(t, other)
		k.served(t, "/posted", 200, "posted")
		k.restart(t)
		eventually(t, "the gateway is back at its file", func() error {
			if got := k.hash(t); got != md5Hex(string(text)) && got != zeros { // zeros: a file without entities
				return fmt.Errorf("hash %s", got)
			}
			return nil
		})
		k.served(t, "/posted", 404, "")
	}
	t.Run("simulated", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "kong.json")
		if err := os.WriteFile(file, []byte(baseline), 0o600); err != nil {
			t.Fatal(err)
		}
		returns(t, simulate(t, kongtest.Options{DeclarativeConfig: file, Workers: 2}), file)
	})
	t.Run("real", func(t *testing.T) {
		k := live(t)
		file := k.root(t).Configuration.Declarative
		if file == "" {
			k.lacks(t, "the gateway was started without declarative_config")
		}
		returns(t, k, file)
	})
}

func TestF31_TheNodeIDChangesWithEachStart(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		k.restartable(t)
		before := k.root(t)
		if before.Configuration.NodeID != "" {
			return // it was given one to keep
		}
		k.restart(t)
		if after := k.root(t); after.NodeID == before.NodeID {
			t.Errorf("it stays %s", after.NodeID)
		}
	})
}

// The last test: until the restart at its end there is no way back.
func TestF32_DrainingIsOneWay(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		k.restartable(t)
		k.load(t, routes(ending("a", `"paths":["/a"]`)))
		ready := k.status + "/status/ready"
		if got := ask(t, http.MethodPost, ready, `{"status":"draining"}`, "Content-Type", "application/json"); got.code != http.StatusNoContent {
			t.Fatal(got)
		}
		eventually(t, "it drains", func() error {
			if got := get(t, ready); got.code != 503 || got.message() != "draining" {
				return fmt.Errorf("%s", got)
			}
			return nil
		})
		if got := ask(t, http.MethodPost, ready, `{"status":"ready"}`, "Content-Type", "application/json"); got.code != 400 || !got.html() {
			t.Errorf("back: %s", got)
		}
		k.served(t, "/a", 200, "a")
		if got := k.post(t, routes(ending("b", `"paths":["/b"]`))); got.code != http.StatusCreated {
			t.Errorf("a post while draining: %s", got)
		}
		k.served(t, "/b", 200, "b")
		k.restart(t)
		eventually(t, "a restart ends it", func() error {
			if got := get(t, ready); got.message() == "draining" {
				return fmt.Errorf("%s", got)
			}
			return nil
		})
	})
}
