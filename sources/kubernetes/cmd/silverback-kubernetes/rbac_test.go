package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	rbac "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/silverback-gateway/silverback/sources/kubernetes/manifest"
	"github.com/silverback-gateway/silverback/sources/kubernetes/status"
)

// allowed reads the ClusterRoles of deploy/k8s: for each a line with verb, group and resource.
func allowed(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "deploy", "k8s", "kubernetes-source", "clusterrole.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	roles := map[string][]string{}
	for documents := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096); ; {
		var role rbac.ClusterRole
		if err := documents.Decode(&role); errors.Is(err, io.EOF) {
			return roles
		} else if err != nil {
			t.Fatal(err)
		}
		for _, rule := range role.Rules {
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					for _, verb := range rule.Verbs {
						roles[role.Name] = append(roles[role.Name], verb+" "+group+"/"+resource)
					}
				}
			}
		}
	}
}

// pluralOf is what an API server calls the objects of a kind.
func pluralOf(kind manifest.Kind) string {
	named := schema.GroupVersionKind{Group: kind.Group, Version: "v1", Kind: kind.Kind}
	if resource, ok := status.ResourceOf(named); ok {
		return resource.Resource
	}
	plural, _ := meta.UnsafeGuessKindToResource(named)
	return plural.Resource
}

// TestTheRolesAreWhatTheCodeDoes compares deploy/k8s with the kinds that are watched and the statuses that are written, both ways.
func TestTheRolesAreWhatTheCodeDoes(t *testing.T) {
	wants := map[string][]string{}
	for _, kind := range manifest.Kinds() {
		plural := pluralOf(kind)
		where := ""
		if !kind.Namespaced {
			where = "-cluster"
		}
		for _, verb := range []string{"get", "list", "watch"} {
			role := "silverback-kubernetes-read" + where
			wants[role] = append(wants[role], verb+" "+kind.Group+"/"+plural)
		}
		if resource, ok := status.ResourceOf(schema.GroupVersionKind{Group: kind.Group, Kind: kind.Kind}); ok {
			role := "silverback-kubernetes-status" + where
			wants[role] = append(wants[role], "patch "+kind.Group+"/"+resource.Resource+"/status")
		}
	}
	for _, role := range []string{"silverback-kubernetes-status", "silverback-kubernetes-status-cluster"} {
		for _, verb := range []string{"create", "get", "patch"} {
			wants[role] = append(wants[role], verb+" events.k8s.io/events")
		}
	}
	wants["silverback-kubernetes-read-cluster"] = append(wants["silverback-kubernetes-read-cluster"],
		"get apiextensions.k8s.io/customresourcedefinitions")
	has := allowed(t)
	for role, want := range wants {
		for _, right := range want {
			if !slices.Contains(has[role], right) {
				t.Errorf("%s lacks: %s", role, right)
			}
		}
	}
	for role, rights := range has {
		for _, right := range rights {
			if !slices.Contains(wants[role], right) {
				t.Errorf("%s has what nobody needs: %s", role, right)
			}
		}
	}
}

// TestTheWebhooksSettings has flags of the controller that the webhook shares, and those that it has no use for.
func TestTheWebhooksSettings(t *testing.T) {
	none := func(string) (string, bool) { return "", false }
	for want, args := range map[string][]string{
		"--webhook-cert-file":             nil,
		"--fail is \"ajar\"":              {"--fail", "ajar"},
		"--review-timeout is 30s":         {"--review-timeout", "30s"},
		"--max-reviews is 0":              {"--max-reviews", "0"},
		"--router-flavor is \"fast\"":     {"--router-flavor", "fast"},
		"unknown flag: --leader-election": {"--leader-election"},
		"unknown flag: --distributor":     {"--distributor", "127.0.0.1:1"},
		"translator":                      {"--translator", "nowhere"},
	} {
		if _, err := loadWebhook(args, none, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", args, err, want)
		}
	}
}
