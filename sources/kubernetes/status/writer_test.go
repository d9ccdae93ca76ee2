package status_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/fake"
	kubetesting "k8s.io/client-go/testing"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/delivery"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/status"
)

var (
	httpRoutes = schema.GroupVersionResource{Group: gateway.GroupName, Version: "v1", Resource: "httproutes"}
	eventKind  = schema.GroupVersionResource{Group: "events.k8s.io", Version: "v1", Resource: "events"}
)

// server is a client of objects that are stored nowhere.
func server(t *testing.T, set *object.Set) *fake.FakeDynamicClient {
	t.Helper()
	stored := map[schema.GroupVersionResource][]*unstructured.Unstructured{}
	lists := map[schema.GroupVersionResource]string{eventKind: "EventList"}
	for _, obj := range set.All() {
		kind := obj.GetObjectKind().GroupVersionKind()
		resource, ok := status.ResourceOf(kind)
		if !ok {
			continue
		}
		lists[resource] = kind.Kind + "List"
		obj.SetResourceVersion("1")
		obj.SetUID("5d1f")
		text, err := json.Marshal(obj)
		if err != nil {
			t.Fatal(err)
		}
		made := &unstructured.Unstructured{}
		if err := made.UnmarshalJSON(text); err != nil {
			t.Fatal(err)
		}
		stored[resource] = append(stored[resource], made)
	}
	client := fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), lists)
	for resource, objects := range stored {
		for _, obj := range objects {
			if err := client.Tracker().Create(resource, obj, obj.GetNamespace()); err != nil {
				t.Fatal(err)
			}
		}
	}
	return client
}

func writer(client *fake.FakeDynamicClient) *status.Writer {
	return status.NewWriter(client, status.WriterOptions{Controller: "example.com/ours", Instance: "one", PerSecond: 1000, Parallel: 2})
}

// TestWriterWritesAPlan writes all of a plan, and what is stored then needs no other.
func TestWriterWritesAPlan(t *testing.T) {
	set := read(t, shop)
	options := settings()
	client := server(t, set)
	work := status.Plan(set, proven(set, options.Translate), options)
	outcome, err := writer(client).Write(t.Context(), work)
	if err != nil || outcome.Written != len(work.Updates)+len(work.Events) || len(work.Updates) < 8 || len(work.Events) == 0 {
		t.Fatalf("%+v of %d and %d, %v", outcome, len(work.Updates), len(work.Events), err)
	}
	for _, action := range client.Actions() {
		if patch, ok := action.(kubetesting.PatchAction); ok {
			if patch.GetSubresource() != "status" || !strings.Contains(string(patch.GetPatch()), `"resourceVersion":"1"`) {
				t.Errorf("%s %s: %s", patch.GetResource().Resource, patch.GetSubresource(), patch.GetPatch())
			}
		}
	}
	stored, err := client.Resource(httpRoutes).Namespace("web").Get(t.Context(), "cart", meta.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprint(stored.Object["status"]); !strings.Contains(text, "ConfiguredInGateway") {
		t.Errorf("stored is %s", text)
	}
}

// TestWriterMergesWithWhatOthersWrote loses a race against another controller: its entry stays.
func TestWriterMergesWithWhatOthersWrote(t *testing.T) {
	set := read(t, shop)
	options := settings()
	client := server(t, set)
	work := status.Plan(set, proven(set, options.Translate), options)
	work.Updates, work.Events = only(work.Updates, cart), nil

	stored, err := client.Resource(httpRoutes).Namespace("web").Get(t.Context(), "cart", meta.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	theirs := map[string]any{"controllerName": "example.com/theirs", "parentRef": map[string]any{"name": "foreign"}, "extra": "kept"}
	stored.Object["status"] = map[string]any{"parents": []any{theirs}}
	stored.SetResourceVersion("2")
	if _, err := client.Resource(httpRoutes).Namespace("web").Update(t.Context(), stored, meta.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	client.PrependReactor("patch", "httproutes", func(action kubetesting.Action) (bool, runtime.Object, error) {
		if strings.Contains(string(action.(kubetesting.PatchAction).GetPatch()), `"resourceVersion":"1"`) {
			return true, nil, apierrors.NewConflict(httpRoutes.GroupResource(), "cart", errors.New("somebody was faster"))
		}
		return false, nil, nil
	})
	w := writer(client)
	if outcome, err := w.Write(t.Context(), work); err != nil || outcome.Written != 1 {
		t.Fatalf("%+v, %v", outcome, err)
	}
	stored, _ = client.Resource(httpRoutes).Namespace("web").Get(t.Context(), "cart", meta.GetOptions{})
	parents, _, _ := unstructured.NestedSlice(stored.Object, "status", "parents")
	if len(parents) != 2 || fmt.Sprint(parents[0]) != fmt.Sprint(theirs) {
		t.Errorf("parents: %v", parents)
	}
	// Once more, from what a cache still has: there is nothing to write.
	if outcome, err := w.Write(t.Context(), work); err != nil || outcome.Skipped != 1 {
		t.Errorf("again: %+v, %v", outcome, err)
	}
}

func only(updates []status.Update, ref object.Ref) []status.Update {
	for _, u := range updates {
		if object.RefOf(u.Object) == ref {
			return []status.Update{u}
		}
	}
	return nil
}

// TestWriterGoesOnAfterAFailure has an object that is refused and one that is gone.
func TestWriterGoesOnAfterAFailure(t *testing.T) {
	set := read(t, shop)
	options := settings()
	client := server(t, set)
	work := status.Plan(set, proven(set, options.Translate), options)
	client.PrependReactor("patch", "*", func(action kubetesting.Action) (bool, runtime.Object, error) {
		switch resource := action.GetResource(); resource.Resource {
		case "gateways":
			return true, nil, apierrors.NewForbidden(resource.GroupResource(), "edge", errors.New("not allowed"))
		case "kongconsumers":
			return true, nil, apierrors.NewNotFound(resource.GroupResource(), "anna")
		}
		return false, nil, nil
	})
	outcome, err := writer(client).Write(t.Context(), work)
	if outcome.Failed != 1 || outcome.Skipped != 1 || outcome.Written != len(work.Updates)+len(work.Events)-2 {
		t.Errorf("%+v of %d", outcome, len(work.Updates)+len(work.Events))
	}
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "Gateway/web/edge") {
		t.Errorf("error: %v", err)
	}
}

// TestWriterCountsAnEventThatItKnows writes an Event twice.
func TestWriterCountsAnEventThatItKnows(t *testing.T) {
	set := read(t, shop)
	client := server(t, set)
	about := cart
	obj, _ := object.Get[*gateway.HTTPRoute](set, "HTTPRoute", "web", "cart")
	work := status.Work{Events: []status.Event{
		{About: about, Object: obj, Kind: "Warning", Reason: "RolledBack", Note: "a probe failed"},
		{About: object.Ref{Kind: "Namespace", Name: "gone"}, Kind: "Warning", Reason: string(delivery.ShrinkHeld), Note: "a half is gone"},
	}}
	for range 3 {
		if outcome, err := writer(client).Write(t.Context(), work); err != nil || outcome.Written != 2 {
			t.Fatalf("%+v, %v", outcome, err)
		}
	}
	for namespace, name := range map[string]string{"web": "cart", "default": "gone"} {
		list, err := client.Resource(eventKind).Namespace(namespace).List(t.Context(), meta.ListOptions{})
		if err != nil || len(list.Items) != 1 {
			t.Fatalf("%d Events in %s, %v", len(list.Items), namespace, err)
		}
		event := list.Items[0]
		count, _, _ := unstructured.NestedInt64(event.Object, "series", "count")
		regarding, _, _ := unstructured.NestedString(event.Object, "regarding", "name")
		if count != 3 || regarding != name || !strings.HasPrefix(event.GetName(), name+".") {
			t.Errorf("%d times: %v", count, event.Object)
		}
	}
}

// TestWriterIsBounded writes at most so many requests a second, and ends with its context.
func TestWriterIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := read(t, shop)
		options := settings()
		client := server(t, set)
		work := status.Plan(set, proven(set, options.Translate), options)
		work.Events = nil
		w := status.NewWriter(client, status.WriterOptions{Controller: "example.com/ours", PerSecond: 2})
		begun := time.Now()
		if _, err := w.Write(t.Context(), work); err != nil {
			t.Fatal(err)
		}
		if took, least := time.Since(begun), time.Duration(len(work.Updates)-3)*time.Second/2; took < least || took > 2*least {
			t.Errorf("%d updates took %s, want %s", len(work.Updates), took, least)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		outcome, err := w.Write(ctx, work)
		if !errors.Is(err, context.DeadlineExceeded) || outcome.Left == 0 || outcome.Failed > 0 {
			t.Errorf("%+v, %v", outcome, err)
		}
	})
}

// TestWriterTellsWhatIsBadFirst ends in the middle of a plan: what turned bad is written then, and the Events that are left are named.
func TestWriterTellsWhatIsBadFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := read(t, shop)
		options := settings()
		view := proven(set, options.Translate)
		client := server(t, set)
		for ref, state := range view.Objects {
			if ref.Kind == "KongConsumer" {
				state.Phase, state.Reason = delivery.Refused, "no such field"
				view.Objects[ref] = state
			}
		}
		work := status.Plan(set, view, options)
		if !work.Updates[0].Worse || work.Updates[len(work.Updates)-1].Worse {
			t.Fatalf("the first of %d updates is of %s", len(work.Updates), object.RefOf(work.Updates[0].Object))
		}
		work.Events = append(work.Events, status.Event{About: cart, Kind: "Normal", Reason: "Programmed", Note: "it is proven"})
		w := status.NewWriter(client, status.WriterOptions{Controller: "example.com/ours", PerSecond: 1, Parallel: 1})
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		outcome, err := w.Write(ctx, work)
		if !errors.Is(err, context.DeadlineExceeded) || len(outcome.Unsaid) == 0 || outcome.Unsaid[len(outcome.Unsaid)-1].Reason != "Programmed" {
			t.Errorf("%+v, %v", outcome, err)
		}
		worse := map[string]bool{}
		for _, u := range work.Updates {
			if u.Worse {
				worse[u.Object.GetName()] = true
			}
		}
		written := 0
		for _, action := range client.Actions() {
			patch, ok := action.(kubetesting.PatchAction)
			if ok && written < len(worse) {
				written++
				if !worse[patch.GetName()] {
					t.Errorf("%s is written before what turned bad: %v", patch.GetName(), worse)
				}
			}
		}
		if !worse["anna"] || written == 0 || len(worse) == len(work.Updates) {
			t.Errorf("%d written; bad turned %v of %d", written, worse, len(work.Updates))
		}
	})
}
