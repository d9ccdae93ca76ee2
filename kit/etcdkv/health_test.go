package etcdkv

import (
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestOutageIsLoggedWithRareReminders(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	refused := status.Error(codes.Unavailable, "connection refused")
	type entry struct {
		at    time.Duration
		event transition
	}
	for _, tt := range []struct {
		name string
		gone time.Duration // the first question without an answer
		back time.Duration // the first with one; 0 is never
		ends time.Duration
		want []entry
	}{
		{name: "a short outage is not logged", gone: 10 * time.Second, back: 12 * time.Second, ends: time.Minute},
		{
			name: "a long one is logged, and its end", gone: 10 * time.Second, back: 40 * time.Second, ends: time.Hour,
			want: []entry{{13 * time.Second, lost}, {40 * time.Second, back}},
		},
		{
			name: "reminders of an endless one come in pauses that double, up to an hour", gone: 0, ends: 200 * time.Minute,
			want: []entry{
				{3 * time.Second, lost}, {time.Minute + 3*time.Second, still}, {3*time.Minute + 3*time.Second, still},
				{7*time.Minute + 3*time.Second, still},
				{15*time.Minute + 3*time.Second, still}, {31*time.Minute + 3*time.Second, still}, {63*time.Minute + 3*time.Second, still},
				{123*time.Minute + 3*time.Second, still}, {183*time.Minute + 3*time.Second, still},
			},
		},
		{
			name: "the next outage is logged again", gone: 0, back: 100 * time.Second, ends: 100 * time.Second,
			want: []entry{{3 * time.Second, lost}, {63 * time.Second, still}, {100 * time.Second, back}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := outage{since: start, never: true}
			var got []entry
			for at := time.Duration(0); at <= tt.ends; at += time.Second {
				err := refused
				if at < tt.gone || tt.back > 0 && at >= tt.back {
					err = nil
				}
				var n transition
				if s, n = s.next(start.Add(at), err); n != nothing {
					got = append(got, entry{at, n})
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("logged %v, want %v", got, tt.want)
			}
			if answered := tt.gone > 0 || tt.back > 0; s.never == answered {
				t.Errorf("etcd answered: %v, and never is %v", answered, s.never)
			}
		})
	}
}

func TestReasonOfAnOutage(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{status.Error(codes.Unavailable,
			`connection error: desc = "transport: Error while dialing: dial tcp 127.0.0.1:1: connect: connection refused"`),
			"dial tcp 127.0.0.1:1: connect: connection refused"},
		{status.Error(codes.DeadlineExceeded, "context deadline exceeded"), "no answer within 2s"},
		{
			status.Error(codes.DeadlineExceeded,
				`context deadline exceeded while waiting for connections to become ready; latest balancer error: last connection error: connection `+
					`error: desc = "transport: authentication handshake failed: EOF"`),
			"no answer within 2s: authentication handshake failed: EOF",
		},
		{status.Error(codes.Unavailable, "etcdserver: no leader"), "etcdserver: no leader"},
		{status.Error(codes.PermissionDenied, "etcdserver: permission denied"), "etcdserver: permission denied"},
	} {
		if got := reasonOf(tt.err); got != tt.want || strings.Contains(got, "desc =") {
			t.Errorf("%v: %q, want %q", tt.err, got, tt.want)
		}
	}
}
