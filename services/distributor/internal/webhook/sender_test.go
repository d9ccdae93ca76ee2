package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/services/distributor/internal/event"
)

const (
	secret   = "correct horse battery staple"
	patience = time.Minute
)

// received is a request that a server got.
type received struct {
	sequence int64
	body     []byte
	header   http.Header
}

// server is a real server whose answers are scripted: one for each request, then 204.
type server struct {
	*httptest.Server
	got chan received

	mu      sync.Mutex
	answers []func(http.ResponseWriter, *http.Request)
}

func serve(t *testing.T, answers ...func(http.ResponseWriter, *http.Request)) *server {
	t.Helper()
	s := &server{got: make(chan received, 1000), answers: answers}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		n, _ := strconv.ParseInt(r.Header.Get("X-Silverback-Sequence"), 10, 64)
		s.got <- received{n, text, r.Header}
		s.mu.Lock()
		answer := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }
		if len(s.answers) > 0 {
			answer, s.answers = s.answers[0], s.answers[1:]
		}
		s.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) next(t *testing.T) received {
	t.Helper()
	select {
	case r := <-s.got:
		return r
	case <-time.After(patience):
		t.Fatal("no request came")
		return received{}
	}
}

func status(code int, header ...string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
	}
}

// ledger is the events and the places of hooks.
type ledger struct {
	mu      sync.Mutex
	reading event.Reading
	changed chan struct{}
	places  map[string]event.Sequence
	set     chan event.Sequence
	read    chan event.Sequence // the newest event of each reading
	fails   error
}

func newLedger() *ledger {
	l := &ledger{changed: make(chan struct{}), places: map[string]event.Sequence{}, set: make(chan event.Sequence, 1000),
		read: make(chan event.Sequence, 1000)}
	l.reading.Changed = l.changed
	return l
}

func (l *ledger) Read() event.Reading {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.read <- l.reading.Newest()
	return l.reading
}

// tell adds an event and returns its sequence.
func (l *ledger) tell(reason event.Reason) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := int64(len(l.reading.Batches) + 1)
	e := event.Event{Sequence: event.SequenceAt(0, at, 0), Reason: reason, Group: "g", Time: time.Now(), Message: "it is so"}
	l.reading.Batches = append(l.reading.Batches, event.Batch{Events: []event.Event{e}, At: at})
	close(l.changed)
	l.changed = make(chan struct{})
	l.reading.Changed = l.changed
	return int64(e.Sequence)
}

func (l *ledger) Place(_ context.Context, hook string) (event.Sequence, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, known := l.places[hook]
	return at, known, l.fails
}

func (l *ledger) SetPlace(_ context.Context, hook string, at event.Sequence) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fails != nil {
		return l.fails
	}
	l.places[hook] = at
	l.set <- at
	return nil
}

// reached waits until the place of the hook is a sequence.
func (l *ledger) reached(t *testing.T, want int64) {
	t.Helper()
	for {
		select {
		case at := <-l.set:
			if int64(at) == want {
				return
			}
		case <-time.After(patience):
			t.Fatalf("the place did not become %d", want)
		}
	}
}

func secretFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// lead starts a sender for one hook and returns what it logs and a function that ends it.
func lead(t *testing.T, l *ledger, url string, edit func(*Hook)) (log *safeBuffer, m *Metrics, stop func()) {
	t.Helper()
	log, m, stop, _ = begin(t, l, url, edit)
	return log, m, stop
}

// begin is lead, and over is closed when the sender has ended.
func begin(t *testing.T, l *ledger, url string, edit func(*Hook)) (log *safeBuffer, m *Metrics, stop func(), over <-chan struct{}) {
	t.Helper()
	h := Hook{Name: "chat", URL: url, SecretFile: secretFile(t, secret+"\n"), Timeout: 5 * time.Second, RetryFor: time.Hour}
	if edit != nil {
		edit(&h)
	}
	log, m = &safeBuffer{}, NewMetrics(prometheus.NewRegistry())
	s := New(Deps{Hooks: []Hook{h}, Read: l.Read, Log: slog.New(slog.NewTextHandler(log, nil)), Metrics: m,
		Retries: backoff.Policy{Base: time.Millisecond, Cap: 5 * time.Millisecond}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Lead(ctx, l) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return log, m, stop, done
}

// safeBuffer is a log that tests may read meanwhile.
type safeBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func count(m *Metrics) string {
	s := m.of("chat")
	return fmt.Sprint(testutil.ToFloat64(s.sent), testutil.ToFloat64(s.failed), testutil.ToFloat64(s.dead))
}

func TestEventsAreSentInOrderAndSigned(t *testing.T) {
	l, s := newLedger(), serve(t)
	l.tell(event.RolloutStarted) // before the hook was there
	_, m, _ := lead(t, l, s.URL, func(h *Hook) { h.Reasons = []string{"GateFailed", "RolloutRolledBack"} })
	l.reached(t, 256)
	want := []int64{l.tell(event.GateFailed)}
	l.tell(event.WaveStarted) // not wanted
	want = append(want, l.tell(event.RolloutRolledBack))
	for _, n := range want {
		r := s.next(t)
		if r.sequence != n || r.header.Get("Idempotency-Key") != fmt.Sprint(n) || r.header.Get("Content-Type") != "application/json" {
			t.Errorf("got %d with %v, want %d", r.sequence, r.header, n)
		}
		var b struct{ Sequence, Reason, Group, Message string }
		if err := json.Unmarshal(r.body, &b); err != nil || b.Sequence != fmt.Sprint(n) || b.Group != "g" || b.Message != "it is so" ||
			b.Reason != r.header.Get("X-Silverback-Event") {
			t.Errorf("got %s, %v", r.body, err)
		}
		// As a receiver checks it.
		var at, mac string
		for _, part := range strings.Split(r.header.Get("X-Silverback-Signature"), ",") {
			switch name, value, _ := strings.Cut(part, "="); name {
			case "t":
				at = value
			case "v1":
				mac = value
			}
		}
		sum := hmac.New(sha256.New, []byte(secret))
		sum.Write([]byte(at + "." + string(r.body)))
		if mac != hex.EncodeToString(sum.Sum(nil)) || mac == "" {
			t.Errorf("the signature %q does not fit", r.header.Get("X-Silverback-Signature"))
		}
	}
	l.reached(t, want[1])
	if got := count(m); got != "2 0 0" {
		t.Errorf("counted %s", got)
	}
}

func TestASignatureIsStable(t *testing.T) {
	// openssl dgst -sha256 -hmac sixteen-bytes-ok over "1700000000.{}".
	want := "t=1700000000,v1=" + hexMAC("sixteen-bytes-ok", "1700000000.{}")
	if got := Signature([]byte("sixteen-bytes-ok"), time.Unix(1700000000, 0), []byte("{}")); got != want {
		t.Errorf("it is %s, want %s", got, want)
	}
}

func hexMAC(key, text string) string {
	sum := hmac.New(sha256.New, []byte(key))
	sum.Write([]byte(text))
	return hex.EncodeToString(sum.Sum(nil))
}

func TestWhatAnAnswerLeadsTo(t *testing.T) {
	slow := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	cut := func(w http.ResponseWriter, _ *http.Request) {
		conn, _, _ := http.NewResponseController(w).Hijack()
		_ = conn.Close()
	}
	huge := func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		piece := bytes.Repeat([]byte("x"), 64<<10)
		for { // until the client has had enough
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	}
	manyHeaders := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Large", strings.Repeat("x", 2*maxHeader))
		w.WriteHeader(http.StatusOK)
	}
	for _, tt := range []struct {
		name     string
		answers  []func(http.ResponseWriter, *http.Request)
		requests int // for the first event
		counted  string
		logged   string
	}{
		{"taken", nil, 1, "2 0 0", ""},
		{"errors of the server are tried again", []func(http.ResponseWriter, *http.Request){status(500), status(503), status(429), status(408)},
			5, "2 4 0", "trying again"},
		{"a connection that breaks is tried again", []func(http.ResponseWriter, *http.Request){cut}, 2, "2 1 0", "trying again"},
		{"no answer in time is tried again", []func(http.ResponseWriter, *http.Request){slow}, 2, "2 1 0", "trying again"},
		{"a refusal is final", []func(http.ResponseWriter, *http.Request){status(403)}, 1, "1 1 1", "given up"},
		{"a redirect is not followed", []func(http.ResponseWriter, *http.Request){status(302, "Location", "/elsewhere")}, 1, "1 1 1",
			"it answered 302"},
		{"an endless answer is not read", []func(http.ResponseWriter, *http.Request){huge}, 1, "2 0 0", ""},
		{"large headers are not read", []func(http.ResponseWriter, *http.Request){manyHeaders}, 2, "2 1 0", "trying again"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l, s := newLedger(), serve(t, tt.answers...)
			log, m, _ := lead(t, l, s.URL+"/hook?token=hidden-in-the-url", func(h *Hook) { h.Timeout = time.Second })
			l.reached(t, 0)
			first, second := l.tell(event.GateFailed), l.tell(event.RolloutRolledBack)
			for i := range tt.requests {
				if r := s.next(t); r.sequence != first {
					t.Fatalf("request %d is event %d, want %d", i, r.sequence, first)
				}
			}
			if r := s.next(t); r.sequence != second {
				t.Errorf("then comes event %d, want %d", r.sequence, second)
			}
			l.reached(t, second)
			if got := count(m); got != tt.counted {
				t.Errorf("counted %s, want %s", got, tt.counted)
			}
			text := log.String()
			if !strings.Contains(text, tt.logged) || tt.logged == "" && text != "" {
				t.Errorf("it logs %s", text)
			}
			if strings.Contains(text, "hidden-in-the-url") || strings.Contains(text, secret) {
				t.Errorf("a secret is in the log: %s", text)
			}
		})
	}
}

func TestAnEventThatIsNotTakenInTimeIsADeadLetter(t *testing.T) {
	l := newLedger()
	down := serve(t)
	address := down.URL
	down.Close()
	log, m, _ := lead(t, l, address, func(h *Hook) { h.RetryFor = 20 * time.Millisecond })
	l.reached(t, 0)
	for range 2 {
		l.reached(t, l.tell(event.GateFailed))
	}
	if n := testutil.CollectAndCount(m, "silverback_distributor_webhook_lag_seconds"); n != 1 {
		t.Errorf("%d hooks have a lag", n)
	}
	if s := m.of("chat"); testutil.ToFloat64(s.dead) != 2 || testutil.ToFloat64(s.failed) < 4 || testutil.ToFloat64(s.sent) != 0 {
		t.Errorf("counted %s", count(m))
	}
	if !strings.Contains(log.String(), "connection refused") {
		t.Errorf("it logs %s", log)
	}
}

// A leader that dies after a delivery and before its place is stored leaves it to the next one, which sends the event again.
func TestTheNextLeaderGoesOn(t *testing.T) {
	l, s := newLedger(), serve(t)
	_, _, stop := lead(t, l, s.URL, nil)
	l.reached(t, 0)
	first := l.tell(event.GateFailed)
	l.reached(t, first)
	l.mu.Lock()
	l.fails = errors.New("etcd is away")
	l.mu.Unlock()
	second := l.tell(event.RolloutRolledBack)
	if a, b := s.next(t), s.next(t); a.sequence != first || b.sequence != second {
		t.Errorf("sent %d and %d", a.sequence, b.sequence)
	}
	stop()
	third := l.tell(event.SourcePinned)
	l.mu.Lock()
	l.fails = nil
	l.mu.Unlock()
	_, _, _ = lead(t, l, s.URL, nil)
	if a, b := s.next(t), s.next(t); a.sequence != second || b.sequence != third {
		t.Errorf("the next leader sent %d and %d, want %d and %d", a.sequence, b.sequence, second, third)
	}
}

func TestALeaderThatWasReplacedSendsNothingMore(t *testing.T) {
	l, s := newLedger(), serve(t)
	_, _, _, over := begin(t, l, s.URL, nil)
	l.reached(t, 0)
	l.mu.Lock()
	l.fails = fault.New(fault.StaleTerm, "STALE_TERM", "term 7 is over")
	l.mu.Unlock()
	first := l.tell(event.GateFailed)
	l.tell(event.RolloutRolledBack)
	select {
	case <-over: // by itself
	case <-time.After(patience):
		t.Fatal("it goes on")
	}
	if r := s.next(t); r.sequence != first || len(s.got) > 0 {
		t.Errorf("sent %d and %d more", r.sequence, len(s.got))
	}
}

// A hook that wants little keeps its place among the events that are there.
func TestThePlaceOfAQuietHookIsNotTrimmed(t *testing.T) {
	l, s := newLedger(), serve(t)
	_, m, stop := lead(t, l, s.URL, func(h *Hook) { h.Reasons = []string{"GateFailed"} })
	l.reached(t, 0)
	l.tell(event.WaveStarted)
	for seen := l.tell(event.WaveStarted); int64(<-l.read) != seen; {
	}
	l.mu.Lock()
	l.reading.Trimmed = event.SequenceAt(0, 1, 0)
	l.mu.Unlock()
	last := l.tell(event.WaveStarted)
	l.reached(t, last)
	stop()
	if got := count(m); got != "0 0 0" {
		t.Errorf("counted %s", got)
	}
}

func TestEventsThatWereDeletedBeforeTheyWereTakenAreCounted(t *testing.T) {
	l, s := newLedger(), serve(t)
	for range 5 {
		l.tell(event.GateFailed)
	}
	l.places["chat"] = event.SequenceAt(0, 1, 0)
	l.reading.Trimmed, l.reading.Batches = event.SequenceAt(0, 3, 0), l.reading.Batches[3:]
	log, m, _ := lead(t, l, s.URL, nil)
	if r := s.next(t); r.sequence != int64(event.SequenceAt(0, 4, 0)) {
		t.Errorf("sent %d", r.sequence)
	}
	l.reached(t, int64(event.SequenceAt(0, 5, 0)))
	if got := count(m); got != "2 0 1" || !strings.Contains(log.String(), "events were deleted") {
		t.Errorf("counted %s, logged %s", got, log)
	}
}

func TestTheSecretIsReadAnew(t *testing.T) {
	l, s := newLedger(), serve(t)
	file := secretFile(t, "short")
	log, _, _ := lead(t, l, s.URL, func(h *Hook) { h.SecretFile = file })
	l.reached(t, 0)
	n := l.tell(event.GateFailed)
	deadline := time.After(patience)
	for !strings.Contains(log.String(), "too short") {
		select {
		case <-deadline:
			t.Fatalf("it logs %s", log)
		case <-time.After(time.Millisecond):
		}
	}
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := s.next(t); r.sequence != n {
		t.Errorf("sent %d", r.sequence)
	}
}
