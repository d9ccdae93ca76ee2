package chaos_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"

	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/test/chaos/check"
	"github.com/silverback-gateway/silverback/test/process"
)

// replicas are clients of each replica by itself: a call and its repetition may come to different ones.
type replicas struct {
	rollouts    []distributorv1.RolloutServiceClient
	targets     []distributorv1.TargetServiceClient
	translators []translatorv1.TranslatorServiceClient
	registries  []registryv1.RegistryServiceClient
}

func dialEach(t *testing.T, f *process.Fleet) *replicas {
	t.Helper()
	dial := func(s *process.Service) *grpc.ClientConn {
		conn, err := rpc.Dial(rpc.ClientConfig{Addresses: []string{s.GRPC}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	r := &replicas{}
	for _, s := range f.Distributors {
		conn := dial(s)
		r.rollouts = append(r.rollouts, distributorv1.NewRolloutServiceClient(conn))
		r.targets = append(r.targets, distributorv1.NewTargetServiceClient(conn))
	}
	for _, s := range f.Translators {
		r.translators = append(r.translators, translatorv1.NewTranslatorServiceClient(dial(s)))
	}
	for _, s := range f.Registries {
		r.registries = append(r.registries, registryv1.NewRegistryServiceClient(dial(s)))
	}
	return r
}

// acks is what was answered, since the fleet began.
type acks struct {
	mu  sync.Mutex
	all []check.Ack
}

func (a *acks) add(one check.Ack) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all = append(a.all, one)
}

func (a *acks) list() []check.Ack {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]check.Ack(nil), a.all...)
}

// insist makes a call until its answer says what became of it. Each repetition may go to another replica; now and then a call that was
// answered is made once more. It returns every definite answer.
func insist[A any](ctx context.Context, chance *rand.Rand, call func(context.Context) (A, error)) (answers []A, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTime)
	defer cancel()
	again := chance.IntN(4) == 0
	for {
		one, done := context.WithTimeout(ctx, callTime)
		answer, err := call(one)
		done()
		switch status.Code(err) {
		case codes.OK:
			if answers = append(answers, answer); !again || len(answers) > 1 {
				return answers, nil
			}
			continue
		case codes.InvalidArgument, codes.FailedPrecondition, codes.NotFound, codes.PermissionDenied, codes.Internal, codes.AlreadyExists:
			return answers, err
		}
		select {
		case <-ctx.Done():
			return answers, fmt.Errorf("no definite answer within %s: %w", answerTime, err)
		case <-time.After(retryPause):
		}
	}
}

// kind is what a submission of a team is like.
type kind int

const (
	good    kind = iota
	refused      // by every gateway
	harmful      // accepted, and its route fails
)

// A team owns a source. Its route answers with the number of its last submission.
type team struct {
	name   string
	number int    // of the last that was accepted
	tried  int    // of the last that was submitted
	last   string // its text
	to     *replicas
	acks   *acks
	rec    *recorder
	cli    process.CLI
	start  int64
	calls  int
}

func (x *team) text(number int, k kind) string {
	code, more := 200, ""
	switch k {
	case harmful:
		code = 503
	case refused:
		more = fmt.Sprintf("- {name: %s, paths: [/%s]}\n", badRoute, badRoute)
	case good:
	}
	return fmt.Sprintf("_format_version: \"3.0\"\nroutes:\n- name: %s\n  paths: [/%s]\n  plugins:\n  - name: request-termination\n    "+
		"config: {status_code: %d, message: mark-%d}\n%s", x.name, x.name, code, number, more)
}

// submit submits the next number, or with again what was submitted last.
func (x *team) submit(ctx context.Context, chance *rand.Rand, k kind, again bool) error {
	if !again || x.last == "" {
		x.tried++
		x.last = x.text(x.tried, k)
	}
	number := x.tried
	x.calls++
	ack := check.Ack{ID: fmt.Sprintf("%s-%d-%d", x.name, x.calls, x.start), Verb: "submit", Writer: x.name, Number: number}
	answers, err := insist(ctx, chance, func(ctx context.Context) (*translatorv1.SubmitConfigResponse, error) {
		return pick(chance, x.to.translators).SubmitConfig(ctx, &translatorv1.SubmitConfigRequest{
			Group: process.Group, Source: x.name, RequestId: ack.ID, AllowShrink: true,
			Documents: []*translatorv1.Document{{Name: x.name + ".yaml", Content: []byte(x.last)}},
		})
	})
	switch {
	case status.Code(err) == codes.FailedPrecondition || status.Code(err) == codes.InvalidArgument:
		// The source is pinned by hand, or another team has the route that gateways refuse.
		ack.Refused = err.Error()
		x.acks.add(ack)
		return nil
	case err != nil:
		return fmt.Errorf("%s submits number %d: %w", x.name, number, err)
	}
	for _, a := range answers[1:] {
		if a.GetRevision().GetNumber() != answers[0].GetRevision().GetNumber() || a.GetUnchanged() != answers[0].GetUnchanged() {
			return fmt.Errorf("%s was answered %v, and %v when it was repeated", ack.ID, answers[0], a)
		}
	}
	x.number = number
	ack.Revision, ack.Unchanged = answers[0].GetRevision().GetNumber(), answers[0].GetUnchanged()
	ack.Held = answers[0].GetHeldBack() != nil
	x.acks.add(ack)
	x.rec.add(check.Event{Kind: check.Submitted, Writer: x.name, Number: number, Revision: ack.Revision, Bad: k != good, Text: ack.ID})
	return nil
}

// express has the command line submit the next number past all waves, and then submits it again: whatever became of the command, the
// answer to that is definite.
func (x *team) express(ctx context.Context, chance *rand.Rand, t *testing.T) error {
	x.tried++
	x.last = x.text(x.tried, good)
	cli, file := x.cli, x.name+".yaml" // the name is part of the source
	cli.Dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(cli.Dir, file), []byte(x.last), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	r := cli.Run(t, "apply", "-g", process.Group, "-s", x.name, "--allow-shrink", "--express", "--reason=for the test", file)
	x.rec.add(check.Event{Kind: check.Ordered, Text: fmt.Sprintf("express of number %d of %s: %d", x.tried, x.name, r.Code)})
	if found := committed.FindStringSubmatch(r.Stdout + r.Stderr); found != nil {
		x.acks.add(check.Ack{Verb: "express", Writer: x.name, Number: x.tried, Revision: int64(atoi(found[1]))})
	}
	return x.submit(ctx, chance, good, true)
}

// work submits until the context ends: good changes, and now and then what gateways refuse, what harms, or the same file again.
func (x *team) work(ctx context.Context, chance *rand.Rand, t *testing.T) error {
	for ctx.Err() == nil {
		var err error
		switch n := chance.IntN(20); {
		case n < 3:
			err = x.submit(ctx, chance, refused, false)
		case n < 6:
			err = x.submit(ctx, chance, harmful, false)
		case n < 9:
			err = x.submit(ctx, chance, good, true)
		case n < 10:
			err = x.express(ctx, chance, t)
		default:
			err = x.submit(ctx, chance, good, false)
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(300+chance.IntN(1500)) * time.Millisecond):
		}
	}
	return nil
}
