package rpcserver

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

func TestWhoChangesWhatIsLogged(t *testing.T) {
	submit := translatorv1.TranslatorService_SubmitConfig_FullMethodName
	content := []*translatorv1.Document{{Name: "a.yaml", Content: []byte("a secret")}}
	for _, tt := range []struct {
		name    string
		method  string
		request any
		err     error
		want    []string // nothing is not logged
	}{
		{
			name: "a submission", method: submit, want: []string{"method=" + submit, "group=g", "source=s", "request_id=r1", "code=OK", "caller=",
				"role="},
			request: &translatorv1.SubmitConfigRequest{Group: "g", Source: "s", RequestId: "r1", Documents: content},
		},
		{name: "one that is refused", method: submit, request: &translatorv1.SubmitConfigRequest{Group: "g"},
			err: status.Error(codes.Aborted, "no"), want: []string{"code=Aborted"}},
		{name: "one that only validates", method: submit, request: &translatorv1.SubmitConfigRequest{Group: "g", ValidateOnly: true}},
		{name: "a deletion", method: registryv1.RegistryService_DeleteNode_FullMethodName,
			request: &registryv1.DeleteNodeRequest{Group: "g", Node: "n\x1b[2J\nx"}, want: []string{"node="}},
		{name: "a look", method: registryv1.RegistryService_ListNodes_FullMethodName, request: &registryv1.ListNodesRequest{Group: "g"}},
		{name: "a renewal", method: registryv1.RegistryService_RenewNode_FullMethodName, request: &registryv1.RenewNodeRequest{Group: "g"}},
	} {
		var out bytes.Buffer
		log := slog.New(slog.NewTextHandler(&out, nil))
		_, err := logMutations(log)(t.Context(), tt.request, &grpc.UnaryServerInfo{FullMethod: tt.method},
			func(context.Context, any) (any, error) { return nil, tt.err })
		if status.Code(err) != status.Code(tt.err) {
			t.Errorf("%s: %v", tt.name, err)
		}
		text := out.String()
		if (text != "") != (tt.want != nil) {
			t.Errorf("%s is logged as %q", tt.name, text)
		}
		for _, want := range tt.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s is logged as %q, without %s", tt.name, text, want)
			}
		}
		if strings.Contains(text, "secret") || strings.Contains(text, "\x1b") || strings.Count(text, "\n") > 1 {
			t.Errorf("%s is logged as %q", tt.name, text)
		}
	}
}
