package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/fake"
	kubetesting "k8s.io/client-go/testing"

	"github.com/silverback-gateway/silverback/sources/kubernetes/delivery"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/status"
)

// TestANewerPlanCutsTheWritingOfStatuses has 600 statuses to write, a second each: what is refused meanwhile does not wait for them.
func TestANewerPlanCutsTheWritingOfStatuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text strings.Builder
		for i := range 600 {
			fmt.Fprintf(&text, "---\n{apiVersion: configuration.konghq.com/v1, kind: KongConsumer, metadata: {namespace: web, name: c%03d, "+
				"annotations: {kubernetes.io/ingress.class: kong}}, username: c%03d}\n", i, i)
		}
		m := newMemory()
		m.apply(t, text.String())
		set := m.Read().set
		view := func(refused string) delivery.View {
			v := delivery.View{Objects: map[object.Ref]delivery.State{}}
			for _, obj := range set.All() {
				v.Objects[object.RefOf(obj)] = delivery.State{Phase: delivery.Programmed, Revision: 1, Serving: 3, Online: 3}
				if obj.GetName() == refused {
					v.Objects[object.RefOf(obj)] = delivery.State{Phase: delivery.Refused, Reason: "no such field"}
				}
			}
			return v
		}
		client := fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), map[schema.GroupVersionResource]string{})
		var mu sync.Mutex
		at := map[string]time.Time{}
		client.PrependReactor("*", "*", func(action kubetesting.Action) (bool, runtime.Object, error) {
			if patch, ok := action.(kubetesting.PatchAction); ok {
				mu.Lock()
				at[patch.GetName()] = time.Now()
				mu.Unlock()
			}
			return true, nil, nil
		})
		options := status.Options{}
		options.Translate.IngressClass = "kong"
		s := newStatuses(status.NewWriter(client, status.WriterOptions{Controller: "test", PerSecond: 1}), options, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		s.Apply(ctx, set, view(""))
		<-time.After(10 * time.Second)
		told := time.Now()
		s.Apply(ctx, set, view("c599"))
		<-time.After(10 * time.Second)
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("it ended with %v", err)
		}
		mu.Lock()
		defer mu.Unlock()
		if when, written := at["c599"]; !written || when.Before(told) || len(at) < 10 {
			t.Errorf("it is written: %v, after %s; %d are", written, when.Sub(told), len(at))
		}
	})
}
