package gateway

import (
	"errors"
	"testing"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/proof"
)

// A proof is that every worker was seen serving the digest, or, where workers cannot be told apart, as many answers in a row as would likely reach all.
func TestWhatProves(t *testing.T) {
	const digest, other = "sha256:a", "sha256:b"
	says := func(worker int, digest string) proof.Answer {
		return proof.Answer{Digest: fleet.Digest(digest), Worker: worker, Workers: 2}
	}
	type step struct {
		answer proof.Answer
		err    error
		proven bool
	}
	a1, a2, b1 := says(1, digest), says(2, digest), says(1, other)
	silent := step{err: errors.New("no answer")}
	for _, tt := range []struct {
		name  string
		form  proof.Form
		steps []step
	}{
		{name: "one worker of two is no proof, however often it answers", form: proof.Worker, steps: []step{{answer: a1}, {answer: a1}, {answer: a1}}},
		{name: "every worker is", form: proof.Worker, steps: []step{{answer: a1}, {answer: a2, proven: true}}},
		{name: "a worker that turned back counts no more", form: proof.Worker, steps: []step{{answer: a1}, {answer: b1}, {answer: a2}, {answer: a1, proven: true}}},
		{name: "a lost answer takes nothing back", form: proof.Worker, steps: []step{{answer: a1}, silent, {answer: a2, proven: true}}},
		{name: "an answer that names no worker proves nothing", form: proof.Worker, steps: []step{{answer: proof.Answer{Digest: digest}}, {answer: proof.Answer{Digest: digest}}}},
		{
			name: "another number of workers is another set of processes", form: proof.Worker,
			steps: []step{{answer: a1}, {answer: proof.Answer{Digest: digest, Worker: 2, Workers: 3}}, {answer: proof.Answer{Digest: digest, Worker: 3, Workers: 3}}, {answer: proof.Answer{Digest: digest, Worker: 1, Workers: 3}, proven: true}},
		},
		{name: "answers in a row", form: proof.Route, steps: []step{{answer: a1}, {answer: a1}, {answer: a1}, {answer: a1}, {answer: a1}, {answer: a1}, {answer: a1}, {answer: a1, proven: true}}},
		{name: "another digest breaks the row", form: proof.Route, steps: []step{{answer: a1}, {answer: a1}, {answer: a1}, {answer: a1}, {answer: a1}, {answer: a1}, {answer: a1}, {answer: b1}, {answer: a1}}},
		{name: "no answer breaks the row", form: proof.Route, steps: []step{{answer: a1}, {answer: a1}, {answer: a1}, {answer: a1}, {answer: a1}, {answer: a1}, {answer: a1}, silent, {answer: a1}}},
	} {
		w := newWitness(digest, tt.form, 2)
		for i, s := range tt.steps {
			if proven, _ := w.take(s.answer, s.err); proven != s.proven {
				t.Errorf("%s: after step %d proven is %v: %s", tt.name, i+1, proven, w.missing())
			}
		}
	}
}
