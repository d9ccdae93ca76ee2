package command_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/command"
	"github.com/silverback-gateway/silverback/kit/fault"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// A service that nobody reached is named, with its addresses and with the flag that sets them.
func TestAServiceThatIsAwayIsNamed(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"registry":    {"get", "groups", "--registry", "127.0.0.1:1"},
		"translator":  {"get", "sources"},
		"distributor": {"get", "rollouts", "--distributor", "127.0.0.1:1"},
	} {
		code, out, errs := run("127.0.0.1:1", args...)
		want := "error: the " + name + " does not answer at 127.0.0.1:1: dial tcp 127.0.0.1:1: connect: connection refused\n" +
			"Is it running? Its addresses are set by --" + name + " or SILVERBACK_" + strings.ToUpper(name) + ".\n"
		if code != app.ExitError || out != "" || errs != want {
			t.Errorf("%v ended with %d, %q and\n%swant\n%s", args, code, out, errs, want)
		}
	}
}

// A stream that breaks is as much a service's as a call.
func TestAStreamThatIsAwayIsNamed(t *testing.T) {
	t.Parallel()
	if _, _, errs := run("127.0.0.1:1", "dump", "-g", "g"); !strings.Contains(errs, "the translator does not answer at 127.0.0.1:1") {
		t.Errorf("dump says %q", errs)
	}
}

// A service that answers that it cannot is running, and nobody should look for its address.
func TestAServiceWithoutEtcdIsNotTakenForAway(t *testing.T) {
	t.Parallel()
	address := serveRefuser(t, fault.NoLedger(errors.New("no leader")))
	_, _, errs := run(address, "delete", "source", "s", "-g", "g")
	if want := "error: the translator answers: the ledger does not answer; try again\nCheck etcd first: it holds all state. " +
		"Gateways keep serving without it.\n"; errs != want {
		t.Errorf("says\n%swant\n%s", errs, want)
	}
	address = serveRefuser(t, fault.New(fault.Down, "STOPPING", "this replica is stopping"))
	if _, _, errs := run(address, "delete", "source", "s", "-g", "g"); errs != "error: the translator answers: this replica is stopping\n" {
		t.Errorf("says %q", errs)
	}
}

type silent struct {
	registryv1.UnimplementedRegistryServiceServer
}

func (silent) ListGroups(ctx context.Context, _ *registryv1.ListGroupsRequest) (*registryv1.ListGroupsResponse, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestWhoTookTooLongIsNamed(t *testing.T) {
	t.Parallel()
	address := serve(t, func(s *grpc.Server) { registryv1.RegisterRegistryServiceServer(s, silent{}) })
	_, _, errs := run("127.0.0.1:1", "get", "groups", "--registry", address, "--timeout", "100ms")
	if errs != "error: no answer from the registry within 100ms; --timeout allows more\n" {
		t.Errorf("says %q", errs)
	}
}

// The remedy of a connection that is secured differently is not to look whether somebody runs.
func TestTheRemedyOfAnotherSecurity(t *testing.T) {
	t.Parallel()
	plain := serve(t, func(s *grpc.Server) {
		translatorv1.RegisterTranslatorServiceServer(s, translatorv1.UnimplementedTranslatorServiceServer{})
	})
	dir := t.TempDir()
	var discard bytes.Buffer
	a := &app.App{Out: &discard, Err: &discard, LookupEnv: func(string) (string, bool) { return "", false }, Now: time.Now}
	if code := command.Run(context.Background(), a, "test", []string{"certs", "--dir", dir, "--user", "ann=admin"}); code != app.ExitDone {
		t.Fatal(discard.String())
	}
	_, _, errs := run(plain, "get", "sources", "--ca-file", dir+"/ca.crt")
	if !strings.Contains(errs, "Does --ca-file hold the authority") || strings.Contains(errs, "Is it running?") {
		t.Errorf("says %q", errs)
	}
}

// What a command lacks is said with the flag, what it is, and where else it may stand.
func TestFlagsThatAreWrong(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"apply", "kong.yaml"}, "error: silverback apply needs -g or --group, the group of gateways; or SILVERBACK_GROUP\n"},
		{[]string{"certs"}, "error: silverback certs needs --dir, folder for the files; created if missing; or SILVERBACK_DIR\n"},
		{[]string{"apply", "-g", "g", "--wiat", "kong.yaml"}, "error: unknown flag: --wiat; see silverback apply --help\n"},
		{[]string{"get", "nodes", "-o", "xml"}, "error: invalid argument \"xml\" for \"-o, --output\" flag: choose one of table, wide, json, " +
			"yaml; see silverback get --help\n"},
	} {
		if code, out, errs := run("127.0.0.1:1", tt.args...); code != app.ExitError || out != "" || errs != tt.want {
			t.Errorf("%v ended with %d, %q and\n%swant\n%s", tt.args, code, out, errs, tt.want)
		}
	}
}

// twoGroups is a registry of two groups without nodes.
type twoGroups struct {
	registryv1.UnimplementedRegistryServiceServer
}

func (twoGroups) ListGroups(context.Context, *registryv1.ListGroupsRequest) (*registryv1.ListGroupsResponse, error) {
	return &registryv1.ListGroupsResponse{Groups: []*registryv1.Group{{Name: "default"}, {Name: "edge"}}}, nil
}

func (twoGroups) ListNodes(context.Context, *registryv1.ListNodesRequest) (*registryv1.ListNodesResponse, error) {
	return &registryv1.ListNodesResponse{}, nil
}

// decided is a distributor with the same rollout for every group.
type decided struct {
	distributorv1.UnimplementedRolloutServiceServer
}

func (decided) GetRollout(context.Context, *distributorv1.GetRolloutRequest) (*distributorv1.GetRolloutResponse, error) {
	return &distributorv1.GetRolloutResponse{Rollout: &distributorv1.Rollout{CandidateRevision: 7,
		State: distributorv1.Rollout_STATE_COMPLETED, Wave: 2, WaveCount: 2}}, nil
}

func (r refuser) GetRevision(context.Context, *translatorv1.GetRevisionRequest) (*translatorv1.GetRevisionResponse, error) {
	return nil, fault.ToStatus(r.with).Err()
}

// The first command of who looks for a failure says what is known without those that failed.
func TestStatusShowsWhatIsKnown(t *testing.T) {
	t.Parallel()
	registry := serve(t, func(s *grpc.Server) { registryv1.RegisterRegistryServiceServer(s, twoGroups{}) })
	distributor := serve(t, func(s *grpc.Server) { distributorv1.RegisterRolloutServiceServer(s, decided{}) })
	down := serveRefuser(t, fault.NoLedger(errors.New("no leader")))
	code, out, errs := run(down, "status", "--registry", registry, "--distributor", distributor)
	const unknown = `: not known
  gateways  0 known, 0 online
  revision  not known: the translator cannot say
  rollout   revision 7: wave 2 of 2 (completed): 0/0 serving
`
	if want := "GROUP default" + unknown + "\nGROUP edge" + unknown; code != app.ExitError || out != want {
		t.Errorf("status ended with %d and\n%swant\n%s", code, out, want)
	}
	if strings.Count(errs, "the translator answers: the ledger does not answer") != 1 {
		t.Errorf("says %q", errs)
	}
	if code, out, _ := run(down, "status", "-o", "json", "--registry", registry, "--distributor", distributor); code != app.ExitError ||
		strings.Contains(out, `"groups"`) || !strings.Contains(out, "LEDGER_DOWN") {
		t.Errorf("status for programs ended with %d and\n%s", code, out)
	}

	missing := serveRefuser(t, fault.New(fault.Missing, "NO_REVISION", "nothing was submitted"))
	code, out, errs = run(missing, "status", "-g", "edge", "--registry", registry, "--distributor", "127.0.0.1:1")
	want := "GROUP edge: nothing submitted yet\n  gateways  0 known, 0 online, 0 serving the newest revision\n  rollout   not known: the " +
		"distributor cannot say\n"
	if code != app.ExitError || out != want || !strings.Contains(errs, "the distributor does not answer at 127.0.0.1:1") {
		t.Errorf("status without a distributor ended with %d, %q and\n%swant\n%s", code, errs, out, want)
	}
}

// timed is a distributor, or a translator, that tells until when it may answer; the distributor takes its time.
type timed struct {
	distributorv1.UnimplementedRolloutServiceServer
	translatorv1.UnimplementedTranslatorServiceServer
	until chan time.Time
}

const longAnswer = 200 * time.Millisecond

func (s timed) GetRollout(ctx context.Context, _ *distributorv1.GetRolloutRequest) (*distributorv1.GetRolloutResponse, error) {
	until, _ := ctx.Deadline()
	s.until <- until
	<-time.After(longAnswer)
	return nil, fault.ToStatus(fault.New(fault.Missing, "ROLLOUT_NOT_FOUND", "there is none")).Err()
}

func (s timed) GetRevision(ctx context.Context, _ *translatorv1.GetRevisionRequest) (*translatorv1.GetRevisionResponse, error) {
	until, _ := ctx.Deadline()
	s.until <- until
	return nil, fault.ToStatus(fault.New(fault.Missing, "NO_REVISION", "nothing was submitted")).Err()
}

// A distributor that uses up its time must not leave the translator none, or both seem to be away.
func TestStatusGivesEachServiceATimeOfItsOwn(t *testing.T) {
	t.Parallel()
	services := timed{until: make(chan time.Time, 2)}
	registry := serve(t, func(s *grpc.Server) { registryv1.RegisterRegistryServiceServer(s, twoGroups{}) })
	address := serve(t, func(s *grpc.Server) {
		distributorv1.RegisterRolloutServiceServer(s, services)
		translatorv1.RegisterTranslatorServiceServer(s, services)
	})
	run(address, "status", "-g", "edge", "--registry", registry, "--distributor", address, "--timeout", "1m")
	if distributor, translator := <-services.until, <-services.until; translator.Sub(distributor) < longAnswer/2 {
		t.Errorf("the distributor may answer until %s, and the translator until %s", distributor, translator)
	}
}
