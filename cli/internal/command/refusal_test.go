package command_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	"google.golang.org/grpc"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/command"
	"github.com/silverback-gateway/silverback/kit/fault"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// refuser is a translator that refuses whatever it is asked.
type refuser struct {
	translatorv1.UnimplementedTranslatorServiceServer
	with error
}

func (r refuser) SubmitConfig(context.Context, *translatorv1.SubmitConfigRequest) (*translatorv1.SubmitConfigResponse, error) {
	return nil, fault.ToStatus(r.with).Err()
}

func (r refuser) DiffConfig(context.Context, *translatorv1.DiffConfigRequest) (*translatorv1.DiffConfigResponse, error) {
	return nil, fault.ToStatus(r.with).Err()
}

func (r refuser) RenderConfig(context.Context, *translatorv1.RenderConfigRequest) (*translatorv1.RenderConfigResponse, error) {
	return nil, fault.ToStatus(r.with).Err()
}

func (r refuser) DeleteSource(context.Context, *translatorv1.DeleteSourceRequest) (*translatorv1.DeleteSourceResponse, error) {
	return nil, fault.ToStatus(r.with).Err()
}

func (r refuser) GetSnapshot(_ *translatorv1.GetSnapshotRequest,
	stream grpc.ServerStreamingServer[translatorv1.GetSnapshotResponse]) error {
	if err := stream.Send(&translatorv1.GetSnapshotResponse{Content: []byte("{}")}); err != nil {
		return err
	}
	return fault.ToStatus(r.with).Err()
}

// serveRefuser serves a translator that refuses.
func serveRefuser(t *testing.T, with error) (address string) {
	t.Helper()
	return serve(t, func(s *grpc.Server) { translatorv1.RegisterTranslatorServiceServer(s, refuser{with: with}) })
}

func serve(t *testing.T, register func(*grpc.Server)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	register(server)
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() { server.Stop(); <-done })
	return l.Addr().String()
}

// run runs the command line against a translator; the variable DECK_HOST is not set.
func run(address string, args ...string) (code int, out, errs string) {
	var stdout, stderr bytes.Buffer
	a := &app.App{In: strings.NewReader(""), Out: &stdout, Err: &stderr, LookupEnv: func(string) (string, bool) { return "", false },
		Now: time.Now}
	code = command.Run(context.Background(), a, "test", append(args, "--translator", address))
	return code, stdout.String(), stderr.String()
}

type printed struct {
	Problems []struct {
		Document, Kind, Name, Field, Class, Message string
		Line                                        int
	}
	ProblemCount    int64                                 `json:"problem_count" yaml:"problem_count"`
	FieldViolations []struct{ Field, Description string } `json:"field_violations" yaml:"field_violations"`
	Error           struct {
		Code, Reason, Message string
		Metadata              map[string]string
	}
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kong.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func invalid() error {
	e := fault.New(fault.Invalid, "INVALID_CONFIG", "2 problems")
	e.Problems = []*fleetv1.Problem{
		{Document: "kong.yaml", Line: 7, Kind: "route", Name: "orders", Field: "paths[0]", Class: fleetv1.Problem_CLASS_BAD_VALUE,
			Message: "must begin with /"},
		{Document: "kong.yaml", Line: 9, Message: "no such field"},
	}
	return e
}

func TestARefusedConfigurationIsPrintedForPrograms(t *testing.T) {
	address := serveRefuser(t, invalid())
	for _, args := range [][]string{{"apply", "-g", "g"}, {"diff", "-g", "g"}, {"render"}} {
		for format, decode := range map[string]func([]byte, any) error{"json": json.Unmarshal, "yaml": yaml.Unmarshal} {
			code, out, errs := run(address, append(args, file(t, "{}"), "-o", format)...)
			var p printed
			if err := decode([]byte(out), &p); err != nil {
				t.Fatalf("%v printed no %s: %v\n%s", args, format, err, out)
			}
			if code != app.ExitDifference || len(p.Problems) != 2 || p.ProblemCount != 2 || p.Error.Code != "INVALID_ARGUMENT" ||
				p.Error.Reason != "INVALID_CONFIG" {
				t.Errorf("%v -o %s ended with %d and\n%s", args, format, code, out)
			} else if first := p.Problems[0]; first.Line != 7 || first.Kind != "route" || first.Field != "paths[0]" ||
				first.Class != "CLASS_BAD_VALUE" {
				t.Errorf("the first problem is %+v", first)
			}
			if !strings.Contains(errs, `kong.yaml:7: route "orders": paths[0]: must begin with /`) ||
				!strings.Contains(errs, "refused: 2 problems") {
				t.Errorf("people are told %q", errs)
			}
		}
		if _, out, _ := run(address, append(args, file(t, "{}"))...); out != "" {
			t.Errorf("%v without -o printed %q", args, out)
		}
	}
}

func TestATemplateIsRefusedLikeTheRest(t *testing.T) {
	path := file(t, "_format_version: \"3.0\"\nservices:\n- host: ${{ env \"DECK_HOST\" }}\n")
	for _, args := range [][]string{{"apply", "-g", "g"}, {"diff", "-g", "g"}, {"validate"}, {"render"}} {
		code, out, _ := run("127.0.0.1:1", append(args, path, "-o", "json")...)
		var p printed
		if err := json.Unmarshal([]byte(out), &p); err != nil {
			t.Fatalf("%v printed no JSON: %v\n%s", args, err, out)
		}
		if code != app.ExitDifference || len(p.Problems) != 1 || p.Problems[0].Document != path || p.Problems[0].Line != 3 ||
			p.Problems[0].Class != "CLASS_ENV" || p.ProblemCount != 1 {
			t.Errorf("%v ended with %d and\n%s", args, code, out)
		}
	}
}

func TestOtherAnswersWithDetailsArePrintedForPrograms(t *testing.T) {
	shrink := fault.New(fault.WrongState, "CONFIG_SHRINK", "90 of 100 entities would go")
	shrink.Metadata = map[string]string{"removed": "90"}
	fields := fault.InvalidFields(fault.Violation{Field: "group", Description: "is no name"})
	for _, tt := range []struct {
		name    string
		args    []string
		with    error
		code    int
		outcome func(printed) bool
	}{
		{"a refusal of what is valid", []string{"delete", "source", "s", "-g", "g"}, shrink, app.ExitError, func(p printed) bool {
			return p.Error.Code == "FAILED_PRECONDITION" && p.Error.Reason == "CONFIG_SHRINK" && p.Error.Metadata["removed"] == "90" &&
				p.Problems == nil
		}},
		{"a field that is not well formed", []string{"delete", "source", "s", "-g", "g"}, fields, app.ExitDifference, func(p printed) bool {
			return p.Error.Code == "INVALID_ARGUMENT" && len(p.FieldViolations) == 1 && p.FieldViolations[0].Field == "group" &&
				p.FieldViolations[0].Description == "is no name"
		}},
	} {
		code, out, _ := run(serveRefuser(t, tt.with), append(tt.args, "-o", "json")...)
		var p printed
		if err := json.Unmarshal([]byte(out), &p); err != nil || code != tt.code || !tt.outcome(p) {
			t.Errorf("%s: %d %v\n%s", tt.name, code, err, out)
		}
	}
}

type emptyRegistry struct {
	registryv1.UnimplementedRegistryServiceServer
}

func (emptyRegistry) GetGroup(context.Context, *registryv1.GetGroupRequest) (*registryv1.GetGroupResponse, error) {
	return nil, fault.ToStatus(fault.New(fault.Missing, "GROUP_NOT_FOUND", "not here")).Err()
}

// A misspelt group is why the revision is not there, in the reason as in the words.
func TestAMissingGroupIsTheReason(t *testing.T) {
	translator := serve(t, func(s *grpc.Server) {
		translatorv1.RegisterTranslatorServiceServer(s, refuser{with: fault.New(fault.Missing, "NO_SUCH_REVISION", "there is none")})
	})
	registry := serve(t, func(s *grpc.Server) { registryv1.RegisterRegistryServiceServer(s, emptyRegistry{}) })
	code, out, errs := run(translator, "delete", "source", "s", "-g", "nowhere", "-o", "json", "--registry", registry)
	var p printed
	if err := json.Unmarshal([]byte(out), &p); err != nil || p.Error.Reason != "GROUP_NOT_FOUND" ||
		!strings.Contains(p.Error.Message, `no group "nowhere"`) {
		t.Errorf("%v in\n%s", err, out)
	}
	if code != app.ExitError || errs != "error: there is no group \"nowhere\"; silverback get groups lists them\n" {
		t.Errorf("people are told %q, with exit code %d", errs, code)
	}
}

// What stands on standard output already is an answer, or a part of one; nobody can read two.
func TestNothingFollowsAnAnswer(t *testing.T) {
	code, out, errs := run(serveRefuser(t, fault.New(fault.Missing, "NO_REVISION", "there is none")), "dump", "-g", "g", "-o", "json",
		"--registry", "127.0.0.1:1")
	if code != app.ExitError || out != "{}" || !strings.Contains(errs, "there is none") {
		t.Errorf("dump ended with %d, %q and %q", code, out, errs)
	}
}

// Who got no answer prints none.
func TestAServiceThatIsAwayIsNoAnswer(t *testing.T) {
	code, out, errs := run("127.0.0.1:1", "apply", "-g", "g", file(t, "{}"), "-o", "json", "--timeout", "5s")
	if code != app.ExitError || out != "" || errs == "" {
		t.Errorf("apply ended with %d, %q and %q", code, out, errs)
	}
}
