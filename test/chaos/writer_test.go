package chaos_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"

	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/test/chaos/check"
	"github.com/silverback-gateway/silverback/test/process"
)

const (
	callTime   = 4 * time.Second        // of one call; one that takes longer is made again
	answerTime = time.Minute            // until a writer must have a definite answer, faults or not
	retryPause = 150 * time.Millisecond // between two calls of the same submission
)

// badRoute is refused by every gateway of these fleets, and by no translator.
const badRoute = "refused-by-gateways"

// A writer owns a source whose one route answers with the number of its last submission.
type writer struct {
	name   string
	client int // of the linear history
	number int
	rec    *recorder
	api    translatorv1.TranslatorServiceClient
	ops    *ops
}

// ops is what was done to the group's newest revision.
type ops struct {
	mu  sync.Mutex
	all []check.Op
}

func (o *ops) add(op check.Op) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all = append(o.all, op)
}

func (o *ops) reset() { o.take() }

// take returns what was done since it was taken last.
func (o *ops) take() (all []check.Op) {
	o.mu.Lock()
	defer o.mu.Unlock()
	all, o.all = o.all, nil
	return all
}

func newWriters(t *testing.T, f *process.Fleet, r *recorder, names ...string) (all []*writer, history *ops) {
	t.Helper()
	history = &ops{}
	for i, name := range names {
		conn, err := rpc.Dial(rpc.ClientConfig{Addresses: f.CLI().Translator})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		all = append(all, &writer{name: name, client: i, rec: r, api: translatorv1.NewTranslatorServiceClient(conn), ops: history})
	}
	return all, history
}

// text is the source with a number in its route's answer, and with what gateways refuse beside it when it is bad.
func (w *writer) text(number int, bad bool) string {
	text := fmt.Sprintf("_format_version: \"3.0\"\nroutes:\n- name: %s\n  paths: [/%s]\n  plugins:\n  - name: request-termination\n    "+
		"config: {status_code: 200, message: mark-%d}\n", w.name, w.name, number)
	if bad {
		text += fmt.Sprintf("- {name: %s, paths: [/%s]}\n", badRoute, badRoute)
	}
	return text
}

// submit submits the writer's next number, and goes on until it has a definite answer: a repeated call carries the same request id, so
// it has one effect at most. Zero is returned when the expected revision was not the newest any more.
func (w *writer) submit(ctx context.Context, expected int64, bad bool) (int64, error) {
	number := w.number + 1
	op := check.Op{Client: w.client, Call: w.rec.now(), Expected: expected}
	answer, err := w.definite(ctx, w.text(number, bad), expected, fmt.Sprintf("%s-%d-%d", w.name, number, w.rec.start.UnixNano()))
	op.Return = w.rec.now()
	if status.Code(err) == codes.FailedPrecondition && expected > 0 {
		op.Refused = true
		w.ops.add(op)
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("%s submits number %d: %w", w.name, number, err)
	}
	w.number = number
	op.Got = answer.GetRevision().GetNumber()
	w.ops.add(op)
	w.rec.add(check.Event{Kind: check.Submitted, Writer: w.name, Number: number, Revision: op.Got, Bad: bad})
	return op.Got, nil
}

// definite repeats a submission until the answer says what became of it.
func (w *writer) definite(ctx context.Context, text string, expected int64, request string) (*translatorv1.SubmitConfigResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	for {
		call, done := context.WithTimeout(ctx, callTime)
		answer, err := w.api.SubmitConfig(call, &translatorv1.SubmitConfigRequest{
			Group: process.Group, Source: w.name, RequestId: request, ExpectedRevision: expected,
			Documents: []*translatorv1.Document{{Name: w.name + ".yaml", Content: []byte(text)}}, AllowShrink: true,
		})
		done()
		switch status.Code(err) {
		case codes.OK, codes.InvalidArgument, codes.FailedPrecondition, codes.NotFound, codes.PermissionDenied, codes.Internal:
			return answer, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("no definite answer within %s: %w", answerTime, err)
		case <-time.After(retryPause):
		}
	}
}

// repeat submits what stands already, which must make no revision.
func (w *writer) repeat(ctx context.Context, bad bool) error {
	answer, err := w.definite(ctx, w.text(w.number, bad), 0, "")
	if err != nil {
		return fmt.Errorf("%s repeats number %d: %w", w.name, w.number, err)
	}
	w.rec.add(check.Event{Kind: check.Repeated, Writer: w.name, Number: w.number, Revision: answer.GetRevision().GetNumber(),
		Made: !answer.GetUnchanged()})
	return nil
}

// newest reads the group's newest revision, and notes it as an operation unless nobody answered.
func (w *writer) newest(ctx context.Context) int64 {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	op := check.Op{Client: w.client, Call: w.rec.now(), Read: true}
	answer, err := w.api.ListRevisions(ctx, &translatorv1.ListRevisionsRequest{Group: process.Group, PageSize: 1})
	if op.Return = w.rec.now(); err != nil || len(answer.GetRevisions()) == 0 {
		return 0
	}
	op.Got = answer.GetRevisions()[0].GetNumber()
	w.ops.add(op)
	return op.Got
}

// write submits until the context ends, now and then on a condition, and with a pause that is drawn.
func (w *writer) write(ctx context.Context, chance *rand.Rand, pause time.Duration) error {
	for ctx.Err() == nil {
		expected := int64(0)
		if chance.IntN(3) == 0 {
			expected = w.newest(ctx)
		}
		// What was begun is brought to its end: only then is its answer definite.
		if _, err := w.submit(context.WithoutCancel(ctx), expected, false); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(chance.Int64N(int64(pause)))):
		}
	}
	return nil
}
