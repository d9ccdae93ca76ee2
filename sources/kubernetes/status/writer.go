package status

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
	core "k8s.io/api/core/v1"
	events "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// WriterOptions are how a Writer writes.
type WriterOptions struct {
	// Controller signs fields and Events, such as silverback.dev/kubernetes; Instance names the replica.
	Controller, Instance string
	// PerSecond bounds the requests; 0 is 50.
	PerSecond float64
	// Parallel bounds how many are made at once; 0 is 4.
	Parallel int
	// Now is the clock; nil is the real one.
	Now func() time.Time
}

// Writer carries work out. It is safe for concurrent use, and then bounds the requests of all callers together.
type Writer struct {
	client  dynamic.Interface
	options WriterOptions
	limit   *rate.Limiter
}

// Outcome counts what became of work.
type Outcome struct {
	Written int // statuses and Events
	Skipped int // of objects that are gone, or whose status already said it
	Failed  int
	Left    int // when the context ended
	// Unsaid are the Events among them. A later plan has the statuses again, but no Event of what it knows from this one.
	Unsaid []Event
}

// Defaults of WriterOptions, and how often a write is tried when others write at the same time.
const (
	defaultPerSecond = 50
	defaultParallel  = 4
	attempts         = 5
	shownErrors      = 10
	requestTimeout   = 20 * time.Second // of one request: an API server that does not answer holds nothing up for longer
)

// NewWriter makes a Writer that asks client.
func NewWriter(client dynamic.Interface, options WriterOptions) *Writer {
	if options.PerSecond <= 0 {
		options.PerSecond = defaultPerSecond
	}
	if options.Parallel <= 0 {
		options.Parallel = defaultParallel
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	return &Writer{client: client, options: options, limit: rate.NewLimiter(rate.Limit(options.PerSecond), int(options.PerSecond)+1)}
}

// How soon work is done: each class before the next.
const (
	urgent = iota // statuses that turned bad
	warned        // Events of type Warning
	normal        // other statuses that turned
	told          // other Events
	lazy          // statuses of which only words differ
	classes
)

// Write writes statuses and Events, what is bad first. What fails is in the error, of which ten are shown, and stops nothing else. When ctx
// ends the rest is left: a plan that is made later has the statuses again, and the outcome names the Events.
func (w *Writer) Write(ctx context.Context, work Work) (Outcome, error) {
	t := tally{outcome: Outcome{Left: len(work.Updates) + len(work.Events)}}
	steps := make([][]func(), classes)
	for _, u := range work.Updates {
		steps[u.urgency()] = append(steps[u.urgency()], func() {
			written, err := w.writeStatus(ctx, u)
			t.add(ctx, "status", object.RefOf(u.Object), written, err)
		})
	}
	said := make([]bool, len(work.Events))
	for i, e := range work.Events {
		class := told
		if e.Kind == core.EventTypeWarning {
			class = warned
		}
		steps[class] = append(steps[class], func() { said[i] = t.add(ctx, "event", e.About, true, w.writeEvent(ctx, e)) })
	}
	w.each(ctx, slices.Concat(steps...))
	for i, e := range work.Events {
		if !said[i] {
			t.outcome.Unsaid = append(t.outcome.Unsaid, e)
		}
	}
	if err := context.Cause(ctx); err != nil {
		return t.outcome, errors.Join(append(t.errs, err)...)
	}
	return t.outcome, errors.Join(t.errs...)
}

// each takes the steps in their order, a few at a time, until ctx ends.
func (w *Writer) each(ctx context.Context, steps []func()) {
	var running sync.WaitGroup
	slots := make(chan struct{}, w.options.Parallel)
	defer running.Wait()
	for _, step := range steps {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		running.Go(func() {
			defer func() { <-slots }()
			step()
		})
	}
}

// request waits until the next request may be made, and makes it.
func (w *Writer) request(ctx context.Context, do func(context.Context) error) error {
	if err := w.wait(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return do(ctx)
}

// wait waits until the next request may be made. Unlike the limiter's own it never gives up early: what a plan wants first is written
// first.
func (w *Writer) wait(ctx context.Context) error {
	next := w.limit.Reserve()
	timer := time.NewTimer(next.Delay())
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		next.Cancel()
		return context.Cause(ctx)
	}
}

// tally gathers what became of work.
type tally struct {
	mu      sync.Mutex
	outcome Outcome
	errs    []error
}

// add counts one, and says whether it is done: what failed since ctx ended is not.
func (t *tally) add(ctx context.Context, what string, ref object.Ref, written bool, err error) (done bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil && ctx.Err() != nil {
		return false
	}
	t.outcome.Left--
	switch {
	case err != nil:
		t.outcome.Failed++
		if len(t.errs) < shownErrors {
			t.errs = append(t.errs, fmt.Errorf("write %s of %s: %w", what, ref, err))
		}
	case written:
		t.outcome.Written++
	default:
		t.outcome.Skipped++
	}
	return true
}

// writeStatus writes one status, of the version of the object that the plan was made of. If somebody was faster the difference is made
// anew, of what is there now. Written is false for an object that is gone, and for one that already says it.
func (w *Writer) writeStatus(ctx context.Context, u Update) (written bool, err error) {
	target, err := w.target(u.Object)
	if err != nil {
		return false, err
	}
	patch, version := u.Patch, u.Object.GetResourceVersion()
	for attempt := 1; ; attempt++ {
		err := w.patchStatus(ctx, target, u.Object, patch, version)
		switch {
		case err == nil:
			return true, nil
		case apierrors.IsNotFound(err):
			return false, nil
		case !apierrors.IsConflict(err) || attempt == attempts:
			return false, err
		}
		live, err := w.read(ctx, target, u.Object.GetName())
		if apierrors.IsNotFound(err) || err == nil && live.GetUID() != u.Object.GetUID() {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		current, err := json.Marshal(live.Object["status"])
		if err != nil {
			return false, err
		}
		var differs bool
		if patch, _, differs = u.Status.patch(current, w.options.Now()); !differs {
			return false, nil
		}
		version = live.GetResourceVersion()
	}
}

// patchStatus merges a patch into the status of an object, if that still has a version.
func (w *Writer) patchStatus(ctx context.Context, target dynamic.ResourceInterface, obj object.Object, patch []byte, version string) error {
	body := map[string]any{}
	if err := json.Unmarshal(patch, &body); err != nil {
		return err
	}
	identity := map[string]any{}
	if version != "" {
		identity["resourceVersion"] = version
	}
	if obj.GetUID() != "" {
		identity["uid"] = obj.GetUID()
	}
	body["metadata"] = identity
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return w.request(ctx, func(ctx context.Context) error {
		_, err := target.Patch(ctx, obj.GetName(), types.MergePatchType, text, meta.PatchOptions{FieldManager: w.options.Controller}, "status")
		return err
	})
}

func (w *Writer) read(ctx context.Context, target dynamic.ResourceInterface, name string) (live *unstructured.Unstructured, err error) {
	err = w.request(ctx, func(ctx context.Context) error {
		live, err = target.Get(ctx, name, meta.GetOptions{})
		return err
	})
	return live, err
}

// target is where the objects of a kind and a namespace are.
func (w *Writer) target(obj object.Object) (dynamic.ResourceInterface, error) {
	resource, ok := ResourceOf(obj.GetObjectKind().GroupVersionKind())
	if !ok {
		return nil, fmt.Errorf("objects of kind %s have no status of ours", obj.GetObjectKind().GroupVersionKind().Kind)
	}
	if obj.GetNamespace() == "" {
		return w.client.Resource(resource), nil
	}
	return w.client.Resource(resource).Namespace(obj.GetNamespace()), nil
}

// writeEvent writes an Event under a name that is made of what it says, so that saying it again, or by another replica, counts it up.
func (w *Writer) writeEvent(ctx context.Context, e Event) error {
	made, err := w.eventOf(e)
	if err != nil {
		return err
	}
	target := w.client.Resource(events.SchemeGroupVersion.WithResource("events")).Namespace(made.GetNamespace())
	for attempt := 1; ; attempt++ {
		err := w.request(ctx, func(ctx context.Context) error {
			_, err := target.Create(ctx, made, meta.CreateOptions{FieldManager: w.options.Controller})
			return err
		})
		if !apierrors.IsAlreadyExists(err) {
			return err
		}
		if err = w.countEvent(ctx, target, made.GetName()); err == nil || attempt == attempts ||
			!apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return err
		}
	}
}

// countEvent says that an Event was seen once more.
func (w *Writer) countEvent(ctx context.Context, target dynamic.ResourceInterface, name string) error {
	known, err := w.read(ctx, target, name)
	if err != nil {
		return err
	}
	seen, _, err := unstructured.NestedInt64(known.Object, "series", "count")
	if err != nil {
		return err
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": known.GetResourceVersion()},
		"series":   events.EventSeries{Count: int32(max(seen, 1) + 1), LastObservedTime: meta.NewMicroTime(w.options.Now())},
	})
	if err != nil {
		return err
	}
	return w.request(ctx, func(ctx context.Context) error {
		_, err := target.Patch(ctx, name, types.MergePatchType, patch, meta.PatchOptions{FieldManager: w.options.Controller})
		return err
	})
}

// maxEventName is how much of an object's name the name of an Event has.
const maxEventName = 200

// eventOf is an Event as an API server stores it. Those about objects without a namespace are in the default one.
func (w *Writer) eventOf(e Event) (*unstructured.Unstructured, error) {
	about := core.ObjectReference{Kind: e.About.Kind, Namespace: e.About.Namespace, Name: e.About.Name}
	if e.About.Group == "" {
		about.APIVersion = "v1"
	}
	if e.Object != nil {
		about.APIVersion = e.Object.GetObjectKind().GroupVersionKind().GroupVersion().String()
		about.UID, about.ResourceVersion = e.Object.GetUID(), e.Object.GetResourceVersion()
	}
	sum := sha256.Sum256([]byte(e.About.String() + "\x00" + e.About.Group + "\x00" + string(about.UID) + "\x00" + e.Reason + "\x00" + e.Note))
	namespace := e.About.Namespace
	if namespace == "" {
		namespace = meta.NamespaceDefault
	}
	name := e.About.Name[:min(len(e.About.Name), maxEventName)]
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&events.Event{
		TypeMeta:   meta.TypeMeta{APIVersion: events.SchemeGroupVersion.String(), Kind: "Event"},
		ObjectMeta: meta.ObjectMeta{Namespace: namespace, Name: name + "." + hex.EncodeToString(sum[:8])},
		EventTime:  meta.NewMicroTime(w.options.Now()), ReportingController: w.options.Controller, ReportingInstance: w.options.Instance,
		Action: "Deliver", Reason: e.Reason, Regarding: about, Note: e.Note, Type: e.Kind,
	})
	return &unstructured.Unstructured{Object: fields}, err
}
