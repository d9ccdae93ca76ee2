package kong_test

import (
	"fmt"
	"net/http"
	"testing"
)

// Who wins among routes that would all take a request, in the default flavor.
func TestF45_PlainHostsThenPatternsThenKindsOfCriteria(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		if k.root(t).Configuration.RouterFlavor != "traditional_compatible" {
			return
		}
		k.load(t, routes(
			ending("prefix-and-method", `"paths":["/a"],"methods":["PUT"]`),
			ending("pattern", `"paths":["~/a/\\d+"]`),
			ending("shorter", `"paths":["/b"]`),
			ending("longer", `"paths":["/b/c"]`),
			ending("method", `"paths":["/b"],"methods":["PUT"]`),
			ending("host", `"hosts":["one.test"],"paths":["/"]`),
			ending("wildcard", `"hosts":["*.test"],"methods":["GET"],"paths":["/"]`),
		))
		for _, c := range []struct{ method, path, host, want string }{
			{"PUT", "/a/12", "", "pattern"},
			{"PUT", "/a/x", "", "prefix-and-method"},
			{"GET", "/b/c/d", "", "longer"},
			{"PUT", "/b/c", "", "method"},
			{"GET", "/a/12", "one.test", "host"},
			{"GET", "/a/12", "two.test", "pattern"},
			{"GET", "/z", "two.test", "wildcard"},
		} {
			k.answers(t, c.method, c.path, c.want, "Host", c.host)
		}
	})
}

// What routes are compared with: a normal path, the host as it was written, and each of the values of a header.
func TestF45_WhatOfARequestIsCompared(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		if k.root(t).Configuration.RouterFlavor != "traditional_compatible" {
			return
		}
		k.load(t, routes(
			ending("users", `"paths":["/users"]`),
			ending("x", `"paths":["/x"]`),
			ending("host", `"hosts":["One.test"],"paths":["/"]`),
			ending("header", `"headers":{"x-a":["1","2"]},"paths":["/h"]`),
			ending("root", `"paths":["/"]`),
		))
		for _, c := range []struct{ path, host, header, want string }{
			{"//users", "", "", "users"},
			{"/%75sers", "", "", "users"},
			{"/users/./y", "", "", "users"},
			{"/users/../x", "", "", "x"},
			{"/users/%2e%2e/x", "", "", "x"},
			{"/z", "One.test", "", "host"},
			{"/z", "one.test", "", "root"},
			{"/h", "", "2", "header"},
			{"/h", "", "3", "root"},
		} {
			k.answers(t, http.MethodGet, c.path, c.want, "Host", c.host, "X-A", c.header)
		}
	})
}

// answers waits until a route takes a request.
func (k *target) answers(t *testing.T, method, path, route string, header ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s %s with %q is taken by %s", method, path, header, route), func() error {
		got, err := try(t, method, k.proxy+path, "", header...)
		if err == nil && got.message() != route {
			err = fmt.Errorf("%s", got)
		}
		return err
	})
}
