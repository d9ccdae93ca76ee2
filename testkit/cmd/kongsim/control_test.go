package main

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/testkit/kongtest"
	"github.com/silverback-gateway/silverback/testkit/port"
)

func TestFaultsAreAskedFor(t *testing.T) {
	g := kongtest.Start(t)
	address := port.Address(t)
	server, err := control(address, g)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	ask := func(method, url, body string) int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "text/yaml")
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
		return answer.StatusCode
	}
	post := func() int {
		return ask(http.MethodPost, g.AdminURL()+"/config", "_format_version: \"3.0\"\nroutes:\n- {name: a, paths: [/a]}\n")
	}
	count := func() string {
		answer, err := http.Get("http://" + address + "/posts")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(body))
	}
	for _, step := range []struct {
		faults       string
		answer, post int
	}{
		{`{}`, 200, 201},
		{`{"refuse_route": "a"}`, 200, 400},
		{`{"fail_next": 1}`, 200, 500},
		{`{"nosuch": 1}`, 400, 201}, // and what was asked for before stands: there was one failure to come, and it came
		{`{}`, 200, 201},
	} {
		if got := ask(http.MethodPut, "http://"+address+"/faults", step.faults); got != step.answer {
			t.Errorf("PUT /faults %s: %d, want %d", step.faults, got, step.answer)
		}
		if got := post(); got != step.post && (step.post != 201 || got != 304) {
			t.Errorf("after %s the gateway answers %d, want %d", step.faults, got, step.post)
		}
	}
	if got := count(); got != "5" {
		t.Errorf("GET /posts: %s, want the 5 above", got)
	}
	var stderr bytes.Buffer
	if got := run(t.Context(), []string{"-admin=127.0.0.1:0", "-proxy=127.0.0.1:0", "-status=127.0.0.1:0", "-control=0.0.0.0:0"}, io.Discard,
		&stderr); got != 1 {
		t.Errorf("a listener for faults beyond loopback: exit status %d: %s", got, &stderr)
	}
}
