package tlsfiles_test

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/silverback-gateway/silverback/kit/tlsfiles"
	"github.com/silverback-gateway/silverback/kit/tlsfiles/tlstest"
)

func TestFilesThatDoNotFitChangeNothing(t *testing.T) {
	ca := tlstest.New(t)
	f := ca.Issue("leaf")
	good, err := os.ReadFile(f.Cert)
	if err != nil {
		t.Fatal(err)
	}
	// The clock is the bubble's: a look is due when the test says so.
	synctest.Test(t, func(t *testing.T) {
		var logs bytes.Buffer
		s, err := tlsfiles.Server(f, slog.New(slog.NewTextHandler(&logs, nil)), "h2")
		if err != nil {
			t.Fatal(err)
		}
		before := s.Config()
		for range 3 {
			if err := os.WriteFile(f.Cert, []byte("half a cert"), 0o600); err != nil {
				t.Fatal(err)
			}
			// As if it were written once: the clock of the file system is not the bubble's.
			if err := os.Chtimes(f.Cert, time.Time{}, time.Unix(1_700_000_000, 0)); err != nil {
				t.Fatal(err)
			}
			<-time.After(2 * time.Second)
			if s.Config() != before {
				t.Fatal("files that cannot be used were used")
			}
		}
		if n := strings.Count(logs.String(), "cannot be used"); n != 1 {
			t.Errorf("the log says it %d times, want once: %s", n, logs.String())
		}
		if err := os.WriteFile(f.Cert, append(good, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
		<-time.After(2 * time.Second)
		if s.Config() == before {
			t.Error("files that are good again were not read")
		}
		now := s.Config()
		<-time.After(2 * time.Second)
		if s.Config() != now {
			t.Error("files that did not change were read again")
		}
	})
}

func TestExpiryTellsTheFirst(t *testing.T) {
	ca := tlstest.New(t)
	f := ca.Issue("leaf")
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(tlsfiles.Expiry(f.Cert, "", f.Cert, f.CA, "no-such-file"))
	if n, err := testutil.GatherAndCount(metrics); err != nil || n != 2 {
		t.Errorf("%d samples, %v; want one for each file that is there", n, err)
	}
}
