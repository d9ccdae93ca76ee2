package translate

import (
	"github.com/silverback-gateway/silverback/sources/kubernetes/declarative"
	"github.com/silverback-gateway/silverback/sources/kubernetes/kongcrd"
)

// applyPolicy writes what a KongUpstreamPolicy says into an upstream; what it does not say stays.
func applyPolicy(u *declarative.Upstream, policy *kongcrd.UpstreamPolicy) {
	spec := policy.Spec
	if spec.Algorithm != nil {
		u.Algorithm = *spec.Algorithm
	}
	over(&u.Slots, spec.Slots)
	if hash := spec.HashOn; hash != nil {
		over(&u.HashOn, hashKind(hash))
		over(&u.HashOnHeader, hash.Header)
		over(&u.HashOnQueryArg, hash.QueryArg)
		over(&u.HashOnURICapture, hash.URICapture)
	}
	if hash := spec.HashOnFallback; hash != nil {
		over(&u.HashFallback, hashKind(hash))
		over(&u.HashFallbackHeader, hash.Header)
		over(&u.HashFallbackQueryArg, hash.QueryArg)
		over(&u.HashFallbackURICapture, hash.URICapture)
		// There is one cookie for both: the first's comes later and wins.
		over(&u.HashOnCookie, hash.Cookie)
		over(&u.HashOnCookiePath, hash.CookiePath)
	}
	if hash := spec.HashOn; hash != nil {
		over(&u.HashOnCookie, hash.Cookie)
		over(&u.HashOnCookiePath, hash.CookiePath)
	}
	if sticky := spec.StickySessions; sticky != nil {
		u.StickySessionsCookie = &sticky.Cookie
		over(&u.StickySessionsCookiePath, sticky.CookiePath)
	}
	if spec.Healthchecks != nil {
		u.Healthchecks = healthchecks(spec.Healthchecks)
	}
}

func over[T any](to **T, with *T) {
	if with != nil {
		*to = with
	}
}

// hashKind is Kong's word for what is hashed.
func hashKind(hash *kongcrd.Hash) *string {
	switch {
	case hash.Input != nil:
		return hash.Input
	case hash.Header != nil:
		return new("header")
	case hash.Cookie != nil:
		return new("cookie")
	case hash.QueryArg != nil:
		return new("query_arg")
	case hash.URICapture != nil:
		return new("uri_capture")
	}
	return nil
}

func healthchecks(from *kongcrd.Healthchecks) *declarative.Healthcheck {
	made := &declarative.Healthcheck{}
	if from.Threshold != nil {
		made.Threshold = new(float64(*from.Threshold))
	}
	if a := from.Active; a != nil {
		made.Active = &declarative.Active{
			Type: a.Type, Concurrency: a.Concurrency, HTTPPath: a.HTTPPath, HTTPSSNI: a.HTTPSSNI,
			HTTPSVerifyCertificate: a.HTTPSVerifyCertificate, Timeout: a.Timeout, Headers: a.Headers,
			Healthy: healthy(a.Healthy), Unhealthy: unhealthy(a.Unhealthy),
		}
	}
	if p := from.Passive; p != nil {
		made.Passive = &declarative.Passive{Type: p.Type, Healthy: healthy(p.Healthy), Unhealthy: unhealthy(p.Unhealthy)}
	}
	return made
}

// removable are health checks that leave targets alone unless many connections in a row fail. Kong keeps a health of targets, which the
// Admin API can set, only where there are checks.
func removable() *declarative.Healthcheck {
	const failures = 254 // the most that workers of Kong take; its schema takes 255
	return &declarative.Healthcheck{Passive: &declarative.Passive{
		Type: new("http"), Healthy: &declarative.Healthy{Successes: new(1)}, Unhealthy: &declarative.Unhealthy{TCPFailures: new(failures)},
	}}
}

func healthy(from *kongcrd.Healthy) *declarative.Healthy {
	if from == nil {
		return nil
	}
	return &declarative.Healthy{HTTPStatuses: from.HTTPStatuses, Interval: from.Interval, Successes: from.Successes}
}

func unhealthy(from *kongcrd.Unhealthy) *declarative.Unhealthy {
	if from == nil {
		return nil
	}
	return &declarative.Unhealthy{
		HTTPFailures: from.HTTPFailures, HTTPStatuses: from.HTTPStatuses, TCPFailures: from.TCPFailures, Timeouts: from.Timeouts,
		Interval: from.Interval,
	}
}
