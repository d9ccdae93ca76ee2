package router

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/check"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/declarative"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/document"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/entity"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/request"
	"github.com/silverback-gateway/silverback/testkit/shared"
)

// routed is what a gateway did with a request.
type routed struct {
	Status   int
	Route    *string
	Upstream *struct{ Host, Path string }
}

// recordedRequest is one that a real gateway answered.
type recordedRequest struct {
	Host, Method, Path string
	Headers            map[string]string
	routed
}

type recordedSet struct {
	Config   json.RawMessage
	Requests []recordedRequest
}

// stuckAt is the set whose router answered all recorded requests, and stale how many were answered by what routers before it had kept: the
// worker stayed on its router behind each 201 (F43), so that the other sets were loaded and never served.
const (
	stuckAt = 37
	stale   = 53
)

// TestRecordedRoutes compares with what a real gateway did with 3,120 requests to a set of routes that conflict.
func TestRecordedRoutes(t *testing.T) {
	text := shared.Read(t, "kong-contract", "routing.json")
	var sets []recordedSet
	if err := json.Unmarshal(text, &sets); err != nil {
		t.Fatal(err)
	}
	if len(sets) <= stuckAt {
		t.Fatalf("%d sets", len(sets))
	}
	r := routerOf(t, string(sets[stuckAt].Config))
	var differ []string
	all := 0
	for _, set := range sets {
		for _, req := range set.Requests {
			all++
			got := routedBy(r, req)
			if miss := misses(got, req.routed); miss != "" {
				differ = append(differ, fmt.Sprintf("%s %s, Host %s, headers %v: %s: got %s, want %s", req.Method, req.Path, req.Host, req.Headers,
					miss, got, req.routed))
			}
		}
	}
	t.Logf("%d of %d requests alike", all-len(differ), all)
	if len(differ) > stale {
		t.Errorf("more than %d differ:\n%s", stale, strings.Join(differ, "\n"))
	}
}

func (r routed) String() string {
	text, _ := json.Marshal(r)
	return string(text)
}

func misses(got, want routed) string {
	var what []string
	if got.Status != want.Status {
		what = append(what, fmt.Sprintf("status %d for %d", got.Status, want.Status))
	}
	name := func(r routed) string {
		if r.Route == nil {
			return ""
		}
		return *r.Route
	}
	if got.Status == 200 && want.Status == 200 {
		if name(got) != name(want) {
			what = append(what, "route")
		}
		if got.Upstream.Path != want.Upstream.Path {
			what = append(what, "upstream path")
		}
		if got.Upstream.Host != want.Upstream.Host {
			what = append(what, "upstream host")
		}
	}
	return strings.Join(what, ", ")
}

func routerOf(t *testing.T, text string) *Router {
	t.Helper()
	doc, err := document.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	loader := declarative.Loader{Checker: check.Checker{Kinds: entity.NewKinds(), Flavor: "traditional_compatible",
		Plugins: map[string]bool{"response-transformer": true}}}
	_, set, err := loader.Load(doc, false)
	if err != nil {
		t.Fatal(err)
	}
	return Compile(set, "traditional_compatible")
}

func routedBy(r *Router, req recordedRequest) routed {
	in := &http.Request{Method: req.Method, RequestURI: req.Path, Host: req.Host, Header: http.Header{}}
	for name, value := range req.Headers {
		in.Header.Set(name, value)
	}
	a := request.Of(in)
	if _, _, has := request.SplitPort(req.Host); !has {
		a.Port = 8000 // of the recorded gateway's listener
	}
	rule, matched := r.Match(a)
	if rule == nil {
		return routed{Status: 404}
	}
	to := rule.Route
	path := UpstreamPath(to.Service.Path, a.Path, to.StripPath, len(matched.Text))
	if plain, err := url.PathUnescape(path); err == nil {
		path = plain // as the recorded service understood it
	}
	return routed{Status: 200, Route: &to.Name, Upstream: &struct{ Host, Path string }{
		HostHeader(to, r.Address(to.Service), to.Service.Scheme, req.Host), path,
	}}
}
