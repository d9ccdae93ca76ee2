package endurance_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/services/distributor"
	"github.com/silverback-gateway/silverback/test/load/routes"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
	"github.com/silverback-gateway/silverback/testkit/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// course is how long an endurance test is.
type course struct {
	submissions     int
	routes, sources int           // of the group; each source has as many routes
	quota           int64         // of etcd
	history         time.Duration // that etcd keeps
	hurry           time.Duration // how much older a revision grows in a second
	keep            int
	pause           time.Duration
	every           int // submissions between two lines of the report
	checked         int // one in so many revisions that are kept is merged with what is there now, too
}

// short is what the usual tests run: etcd would be full after about two thirds of it if nothing was collected.
var short = course{
	submissions: 600, routes: 600, sources: 2, quota: 8 << 20, history: time.Second, hurry: time.Hour, keep: 5, pause: 50 * time.Millisecond,
	every: 100, checked: 1,
}

// long is a course of a fleet: the defaults of distributors and the clock of everybody.
func long(submissions int) course {
	return course{submissions: submissions, routes: 10_000, sources: 10, quota: 128 << 20, history: time.Minute, hurry: time.Second,
		keep: distributor.DefaultKeepRevisions, pause: distributor.DefaultCollectPause, every: 500, checked: 20}
}

// TestEtcdStaysWithinItsBound submits one change after the other of a large configuration. Etcd has no room for all of them. At the end
// every revision that is kept is read and restored.
func TestEtcdStaysWithinItsBound(t *testing.T) {
	c := short
	if text := os.Getenv("ENDURANCE_SUBMISSIONS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		c = long(n)
	}
	began := time.Now()
	now := func() time.Time { return began.Add(time.Duration(float64(time.Since(began)) * c.hurry.Seconds())) }
	p := newPlane(t, etcdtest.StartBounded(t, c.quota, c.history), now)
	r := p.translator()
	translator := translatorv1.NewTranslatorServiceClient(r.conn)
	leader := p.distributor(distributor.Config{
		ReplicaID: "d-1", CollectInterval: distributor.DefaultCollectInterval, CollectPause: c.pause, KeepRevisions: c.keep,
		KeepAge: distributor.DefaultKeepAge,
	}, p.client(), translator)
	course := &submitter{t: t, course: c, plane: p, translator: translator, made: map[int64]edited{}, since: began}
	for source := range c.sources {
		course.submit(source, 0)
	}
	peak := int64(0)
	for i := range c.submissions {
		course.submit(i%c.sources, i+1)
		peak = max(peak, course.size(i+1))
	}
	kept := course.restoreAll()
	t.Logf("%d submissions, each of one of %d sources of %d routes, in %s: %d revisions are left, at most %d KiB of %d KiB were in etcd's "+
		"file, %v collections, %v failed",
		c.submissions, c.sources, c.routes, time.Since(began).Round(time.Second), kept, peak>>10, c.quota>>10,
		leader.value(t, "silverback_distributor_collections_total", "done"),
		leader.value(t, "silverback_distributor_collections_total", "failed"))
	// As many may come by until the next collection as there may be.
	if most := 2*fleet.MostKept*c.keep + c.submissions/4; kept > most {
		t.Errorf("%d revisions are left, more than %d", kept, most)
	}
}

// submitter is a course under way.
type submitter struct {
	t          *testing.T
	course     course
	plane      *plane
	translator translatorv1.TranslatorServiceClient
	made       map[int64]edited // by revision
	slowest    time.Duration
	since      time.Time
}

// edited is a submission as it was made.
type edited struct {
	source string
	routes.Config
	digest string // of its revision
}

// submit submits a source. An edit of 0 is none.
func (r *submitter) submit(source, edit int) {
	r.t.Helper()
	n := r.course.routes / r.course.sources
	e := edited{source: fmt.Sprintf("team-%d", source), Config: routes.Config{N: n, First: source * n, Edit: edit}}
	began := time.Now()
	revision := r.send(e.source, e.JSON())
	r.slowest = max(r.slowest, time.Since(began))
	e.digest = revision.GetDigest()
	r.made[revision.GetNumber()] = e
}

// send submits a document as a source.
func (r *submitter) send(source string, document []byte) *translatorv1.Revision {
	r.t.Helper()
	answer, err := r.translator.SubmitConfig(r.t.Context(), &translatorv1.SubmitConfigRequest{
		Group: group, Source: source, Documents: []*translatorv1.Document{{Name: source + ".json", Content: document}}, AllowShrink: true,
	})
	if err != nil {
		r.t.Fatalf("submission after revision %d: %v", len(r.made), err)
	}
	return answer.GetRevision()
}

// size returns the size of etcd's file after so many submissions, and prints it now and then.
func (r *submitter) size(n int) int64 {
	r.t.Helper()
	etcd := r.plane.etcd.Client(r.t)
	defer func() { _ = etcd.Close() }()
	status, err := etcd.Status(r.t.Context(), r.plane.etcd.Endpoints[0])
	if err != nil {
		r.t.Fatal(err)
	}
	if n%r.course.every == 0 {
		list := r.revisions()
		r.t.Logf("%5d submissions: etcd's file %7d KiB, in use %7d KiB, of %d KiB; %d revisions; %s a submission, the slowest %s",
			n, status.DbSize>>10, status.DbSizeInUse>>10, r.course.quota>>10, len(list),
			(time.Since(r.since) / time.Duration(r.course.every)).Round(time.Millisecond), r.slowest.Round(time.Millisecond))
		r.since, r.slowest = time.Now(), 0
	}
	return status.DbSize
}

// revisions lists what is kept, the newest first.
func (r *submitter) revisions() (all []*translatorv1.Revision) {
	r.t.Helper()
	token := ""
	for {
		page, err := r.translator.ListRevisions(r.t.Context(), &translatorv1.ListRevisionsRequest{
			Group: group, PageSize: 1000, PageToken: token,
		})
		if err != nil {
			r.t.Fatal(err)
		}
		all = append(all, page.GetRevisions()...)
		if token = page.GetNextPageToken(); token == "" {
			return all
		}
	}
}

// restoreAll has a translator that remembers nothing read and restore every revision that is kept, and returns how many there are.
func (r *submitter) restoreAll() int {
	r.t.Helper()
	fresh := r.plane.translator()
	r.translator = translatorv1.NewTranslatorServiceClient(fresh.conn)
	all := r.revisions()
	for i, revision := range all {
		made := r.made[revision.GetNumber()]
		if digest := fleet.DigestOf(r.snapshot(revision.GetNumber(), "")); string(digest) != made.digest {
			r.t.Errorf("revision %d is %s now, and was %s", revision.GetNumber(), digest, made.digest)
		}
		// The content of its source is the one that was submitted then.
		if !bytes.Contains(r.snapshot(revision.GetNumber(), made.source), []byte(made.Edited()+`"`)) {
			r.t.Errorf("revision %d does not have %s in its source %s", revision.GetNumber(), made.Edited(), made.source)
		}
		if i%r.course.checked == 0 {
			if _, err := r.restore(revision.GetNumber(), true); err != nil {
				r.t.Errorf("revision %d cannot be restored: %v", revision.GetNumber(), err)
			}
		}
	}
	for _, i := range []int{len(all) - 1, len(all) / 2} {
		answer, err := r.restore(all[i].GetNumber(), false)
		if err != nil || answer.GetRevision().GetDigest() != all[i].GetDigest() {
			r.t.Errorf("revision %d restored is %v, %v", all[i].GetNumber(), answer.GetRevision(), err)
		}
	}
	return len(all)
}

func (r *submitter) restore(to int64, only bool) (*translatorv1.RestoreSourcesResponse, error) {
	return r.translator.RestoreSources(r.t.Context(), &translatorv1.RestoreSourcesRequest{
		Group: group, ToRevision: to, Reason: "endurance", AllowShrink: true, ValidateOnly: only,
	})
}

// snapshot reads a revision, or the part of a source.
func (r *submitter) snapshot(revision int64, source string) []byte {
	r.t.Helper()
	content, err := r.content(revision, source)
	if err != nil {
		r.t.Errorf("revision %d, source %q: %v", revision, source, err)
	}
	return content
}

func (r *submitter) content(revision int64, source string) ([]byte, error) {
	stream, err := r.translator.GetSnapshot(r.t.Context(), &translatorv1.GetSnapshotRequest{
		Group: group, Revision: revision, Source: source, Format: translatorv1.RenderConfigRequest_FORMAT_CANONICAL,
	})
	var content bytes.Buffer
	for err == nil {
		var piece *translatorv1.GetSnapshotResponse
		if piece, err = stream.Recv(); err == nil {
			content.Write(piece.GetContent())
		}
	}
	if errors.Is(err, io.EOF) {
		return content.Bytes(), nil
	}
	return nil, err
}
