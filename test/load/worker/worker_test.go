package worker_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/test/load/worker"
)

func TestServeAnswersEachQuestion(t *testing.T) {
	methods := map[string]worker.Method{
		"double": worker.Do(func(_ context.Context, n int) (int, error) { return 2 * n, nil }),
		"fail":   worker.Do(func(context.Context, worker.None) (int, error) { return 0, errors.New("no luck") }),
	}
	in := `{"method":"double","args":21}{"method":"fail","args":{}}{"method":"absent","args":{}}{"method":"double","args":"x"}`
	var out bytes.Buffer
	if err := worker.Serve(t.Context(), strings.NewReader(in), &out, methods); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	want := []string{`{"result":42}`, `{"error":"no luck"}`, `no method`, `read arguments`}
	if len(lines) != len(want) {
		t.Fatalf("got %d answers, want %d:\n%s", len(lines), len(want), out.String())
	}
	for i := range want {
		if !strings.Contains(lines[i], want[i]) {
			t.Errorf("answer %d: got %s, want %s", i, lines[i], want[i])
		}
	}
}
