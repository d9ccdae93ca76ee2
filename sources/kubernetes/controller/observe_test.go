package controller_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/sources/kubernetes/controller"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/testkit/apiserver"
)

// TestAnObserverReadsWithTheRightsOfTheWebhook watches every kind with the account of deploy/k8s, and sees what comes and goes.
func TestAnObserverReadsWithTheRightsOfTheWebhook(t *testing.T) {
	s := apiserver.New(t)
	config := s.AsAccount(t, "silverback-kubernetes-webhook", "clusterrole.yaml", "webhook/serviceaccount.yaml",
		"webhook/clusterrolebinding.yaml")
	o, err := controller.NewObserver(controller.Config{}, controller.Deps{Log: slog.New(slog.DiscardHandler), REST: config})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.Objects(); err == nil {
		t.Error("objects are known before they were read")
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- o.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("it ended with %v", err)
		}
	}()
	const plugin = "apiVersion: configuration.konghq.com/v1\nkind: KongPlugin\nmetadata: {name: limit, namespace: default}\nplugin: cors\n"
	if err := apiserver.Apply(t.Context(), s.Config(), []byte(plugin)); err != nil {
		t.Fatal(err)
	}
	ref := object.Ref{Group: "configuration.konghq.com", Kind: "KongPlugin", Namespace: "default", Name: "limit"}
	first := seen(t, o, func(set *object.Set) bool { return set.Has(ref) })
	if again := seen(t, o, func(*object.Set) bool { return true }); again != first {
		t.Error("nothing changed, and the set is another one")
	}
	if err := apiserver.Delete(t.Context(), s.Config(), []byte(plugin)); err != nil {
		t.Fatal(err)
	}
	seen(t, o, func(set *object.Set) bool { return !set.Has(ref) })

	webhook, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := webhook.CoreV1().Pods("default").List(t.Context(), meta.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("the account lists Pods: %v", err)
	}
	if err := webhook.CoreV1().Services("default").Delete(t.Context(), "kubernetes", meta.DeleteOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("the account deletes a Service: %v", err)
	}
}

// seen waits for a set.
func seen(t *testing.T, o *controller.Observer, wanted func(*object.Set) bool) *object.Set {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), 2*time.Minute, errors.New("it did not come within two minutes"))
	defer cancel()
	for {
		set, err := o.Objects()
		if err == nil && wanted(set) {
			return set
		}
		if err != nil && strings.Contains(err.Error(), "forbidden") {
			t.Fatal(err)
		}
		if backoff.Sleep(ctx, 50*time.Millisecond) != nil {
			t.Fatalf("%v: %v", context.Cause(ctx), err)
		}
	}
}
