package groups_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/rpc"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/translator/internal/groups"
)

// lines hands on what is logged.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	select {
	case l <- string(bytes.TrimSpace(p)):
	default: // the first line is enough
	}
	return len(p), nil
}

func TestTheLogSaysWhyTheRegistryIsNotHeard(t *testing.T) {
	conn, err := rpc.Dial(rpc.ClientConfig{Addresses: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	logged := make(lines, 1)
	g := groups.New(registryv1.NewRegistryServiceClient(conn), slog.New(slog.NewTextHandler(logged, nil)))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = g.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	select {
	case line := <-logged:
		if !strings.Contains(line, "watch of the registry's groups broke") || !strings.Contains(line, "127.0.0.1:1") ||
			strings.Contains(line, "rpc error") || strings.Contains(line, "desc =") {
			t.Errorf("the log says %s", line)
		}
	case <-time.After(time.Minute):
		t.Fatal("nothing was logged")
	}
}
