package controller_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/rpc"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/services/distributor/internal/controller"
)

// lines receives the lines of a log.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	select {
	case l <- string(bytes.TrimSpace(p)):
	default: // the first lines are enough
	}
	return len(p), nil
}

// nobody implements controller.Sessions without agents.
type nobody struct{}

func (nobody) Enrolled(fleet.GroupID, fleet.NodeID, string) {}
func (nobody) Quarantine(fleet.GroupID, fleet.NodeID, bool) {}

func TestTheLogSaysWhyAWatchBroke(t *testing.T) {
	conn, err := rpc.Dial(rpc.ClientConfig{Addresses: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	logged := make(lines, 1)
	c := controller.NewCache(translatorv1.NewTranslatorServiceClient(conn), registryv1.NewRegistryServiceClient(conn), nobody{},
		slog.New(slog.NewTextHandler(logged, nil)))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = c.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	select {
	case line := <-logged:
		if !strings.Contains(line, "watch broke") || !strings.Contains(line, "127.0.0.1:1") || strings.Contains(line, "rpc error") ||
			strings.Contains(line, "desc =") {
			t.Errorf("the log says %s", line)
		}
	case <-time.After(time.Minute):
		t.Fatal("nothing was logged")
	}
}
