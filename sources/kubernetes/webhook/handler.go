package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	admission "k8s.io/api/admission/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/silverback-gateway/silverback/client"
	"github.com/silverback-gateway/silverback/kit/clean"
)

// Path is where reviews are asked for.
const Path = "/review"

// The bounds of what is read and said. An API server takes objects of 3 MiB, and sends the new and the old state of one. It shows 256
// characters of a warning.
const (
	maxBody     = 7 << 20
	maxWarnings = 10
	maxWarning  = 240
	maxRefusals = 10
	maxRefusal  = 1000
)

var (
	errBusy    = errors.New("too many reviews are being made")
	errTimeout = errors.New("the review takes too long")
)

// ServeHTTP answers a review that an API server asks for. What is no review is refused with 400 or 413; the failurePolicy of the
// ValidatingWebhookConfiguration says what becomes of it.
func (r *Reviewer) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	ctx, cancel := context.WithTimeoutCause(request.Context(), r.Timeout, errTimeout)
	defer cancel()
	text, err := io.ReadAll(http.MaxBytesReader(w, request.Body, maxBody))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		http.Error(w, fmt.Sprintf("the review is larger than %d bytes", maxBody), http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil {
		http.Error(w, "the review cannot be read", http.StatusBadRequest)
		return
	}
	var review admission.AdmissionReview
	if json.Unmarshal(text, &review) != nil || review.Request == nil || review.APIVersion != admission.SchemeGroupVersion.String() {
		http.Error(w, "not an AdmissionReview of "+admission.SchemeGroupVersion.String(), http.StatusBadRequest)
		return
	}
	answer := admission.AdmissionReview{TypeMeta: review.TypeMeta, Response: r.Review(ctx, review.Request)}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

// Review reviews one object within the time that ctx has.
func (r *Reviewer) Review(ctx context.Context, request *admission.AdmissionRequest) *admission.AdmissionResponse {
	began := time.Now()
	v, name, err := r.inTurn(ctx, request)
	answer := &admission.AdmissionResponse{UID: request.UID, Allowed: true}
	outcome := outcomeAdmitted
	switch {
	case len(v.refused) > 0:
		outcome = outcomeRefused
		answer.Allowed, answer.Result = false, refusal(v.refused)
	case err != nil && r.Fail == FailClosed:
		outcome = outcomeClosed
		answer.Allowed = false
		answer.Result = refusal([]string{fmt.Sprintf("%s was not reviewed: %s; the webhook refuses what it cannot review (--fail closed)",
			name, reasonOf(err))})
	case err != nil:
		outcome = outcomeOpen
		v.warnings = append([]string{fmt.Sprintf("%s was admitted without a whole review (--fail open): %s", name, reasonOf(err))},
			v.warnings...)
	}
	answer.Warnings = warnings(v.warnings)
	r.metrics.reviewed(outcome, began)
	if err != nil {
		r.Log.Warn("an object was not reviewed", "object", name, "outcome", outcome, "error", reasonOf(err))
	} else {
		r.Log.Debug("an object was reviewed", "object", name, "operation", request.Operation, "outcome", outcome)
	}
	return answer
}

// reviewed is what becomes of a review.
type reviewed struct {
	verdict verdict
	name    string
	err     error
}

// inTurn makes a review when there are not too many, and stops waiting for it when its time is over. A review that goes on holds its turn
// until it ends, so that those that nobody waits for do not pile up.
func (r *Reviewer) inTurn(ctx context.Context, request *admission.AdmissionRequest) (verdict, string, error) {
	name := clean.Text(fmt.Sprintf("%s/%s/%s", request.Kind.Kind, request.Namespace, request.Name), maxWarning)
	select {
	case r.turns <- struct{}{}:
	case <-ctx.Done():
		return verdict{}, name, errBusy
	}
	if ctx.Err() != nil {
		<-r.turns
		return verdict{}, name, errBusy
	}
	done := make(chan reviewed, 1) // nobody may be there to take it
	go func() {
		defer func() { <-r.turns }()
		done <- r.guarded(ctx, request, name)
	}()
	select {
	case made := <-done:
		return made.verdict, made.name, made.err
	case <-ctx.Done():
		return verdict{}, name, context.Cause(ctx)
	}
}

// guarded is a review that fails where it would end the process.
func (r *Reviewer) guarded(ctx context.Context, request *admission.AdmissionRequest, name string) (made reviewed) {
	defer func() {
		if p := recover(); p != nil {
			r.Log.Error("a review panicked", "object", name, "panic", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
			made = reviewed{name: name, err: errors.New("the review failed inside; the log of the webhook has more")}
		}
	}()
	v, ref, err := r.review(ctx, request)
	return reviewed{v, clean.Text(ref.String(), maxWarning), err}
}

// reasonOf is why something was not reviewed, in words without addresses or content.
func reasonOf(err error) string {
	var refused *client.Error
	switch {
	case errors.Is(err, errTimeout), errors.Is(err, context.DeadlineExceeded):
		return errTimeout.Error()
	case errors.As(err, &refused) && refused.Reason == "":
		return "the translator does not answer"
	case errors.As(err, &refused):
		return "the translator does not check it: " + clean.Text(refused.Message, maxWarning)
	}
	return clean.Text(err.Error(), maxWarning)
}

// refusal is the answer that kubectl shows.
func refusal(reasons []string) *meta.Status {
	shown := bounded(reasons, maxRefusals, maxRefusal)
	return &meta.Status{
		Status: meta.StatusFailure, Code: http.StatusUnprocessableEntity, Reason: meta.StatusReasonInvalid, Message: strings.Join(shown, "; "),
	}
}

func warnings(list []string) []string { return bounded(list, maxWarnings, maxWarning) }

// bounded cuts a list to so many sentences of so many bytes, and says how many there are beside them.
func bounded(list []string, count, length int) []string {
	left := max(0, len(list)-count)
	list = slices.Clone(list[:len(list)-left])
	for i := range list {
		list[i] = clean.Text(list[i], length)
	}
	if left > 0 {
		list = append(list, fmt.Sprintf("and %d more", left))
	}
	return list
}
