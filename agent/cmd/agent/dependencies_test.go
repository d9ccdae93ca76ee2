package main

import (
	"os/exec"
	"strings"
	"testing"
)

// An agent stands beside every gateway, and what it links it holds in memory: nothing that only servers need, and no templates, which
// call methods by name, so that the linker has to keep every method there is.
func TestNothingIsLinkedThatOnlyServersNeed(t *testing.T) {
	// With the tag that binaries are built with: without it gRPC has pages of templates.
	out, err := exec.Command("go", "list", "-deps", "-tags", "grpcnotrace", ".").Output()
	if err != nil {
		t.Fatalf("list what the agent links: %v", err)
	}
	linked := strings.Fields(string(out))
	if len(linked) < 100 {
		t.Fatalf("the list is not whole: %s", linked)
	}
	for _, pkg := range linked {
		for _, unwanted := range []string{
			"github.com/silverback-gateway/silverback/kit/rpcserver", "github.com/silverback-gateway/silverback/kit/etcdkv",
			"buf.build/go/protovalidate", "cel.dev/", "github.com/antlr4-go/", "github.com/grpc-ecosystem/go-grpc-middleware/",
			"go.etcd.io/", "google.golang.org/grpc/reflection", "google.golang.org/protobuf/types/dynamicpb", "text/template", "html/template",
		} {
			if strings.HasPrefix(pkg+"/", strings.TrimSuffix(unwanted, "/")+"/") {
				t.Errorf("%s is linked; `go list -deps -f '{{.ImportPath}} {{.Imports}}' ./agent/cmd/agent` tells by what", pkg)
			}
		}
	}
}
