package watchcache_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/silverback-gateway/silverback/kit/watchcache"
)

type (
	event = watchcache.Event[string, int]
	item  = watchcache.Item[string, int]
)

func put(k string, v int) event { return event{Put: []item{{Key: k, Value: v}}} }
func del(k string) event        { return event{Deleted: []item{{Key: k}}} }
func synced(token string) event { return event{Synced: true, Token: token} }

var listing = event{Listing: true}

// script plays one list of events for each stream that is opened, then fails it, and records the resume tokens.
type script struct {
	streams [][]event
	resumes []string
}

func (s *script) open(ctx context.Context, resume string) (func() (event, error), error) {
	n := len(s.resumes)
	s.resumes = append(s.resumes, resume)
	if n >= len(s.streams) {
		return func() (event, error) { <-ctx.Done(); return event{}, ctx.Err() }, nil
	}
	if s.streams[n] == nil {
		return nil, errors.New("nobody there")
	}
	events := s.streams[n]
	return func() (event, error) {
		if len(events) == 0 {
			return event{}, errors.New("stream broken")
		}
		e := events[0]
		events = events[1:]
		return e, nil
	}, nil
}

func TestACacheFollowsItsSource(t *testing.T) {
	for _, tt := range []struct {
		name    string
		streams [][]event
		want    map[string]int
		resumes []string
	}{
		{
			name:    "a list, then changes",
			streams: [][]event{{listing, put("a", 1), put("b", 2), synced("5"), put("a", 3), del("b"), synced("7")}},
			want:    map[string]int{"a": 3}, resumes: []string{"", "7"},
		},
		{
			name:    "a broken stream is resumed and loses nothing",
			streams: [][]event{{listing, put("a", 1), synced("5")}, nil, {put("b", 2), synced("6")}},
			want:    map[string]int{"a": 1, "b": 2}, resumes: []string{"", "5", "5", "6"},
		},
		{
			name:    "a list that breaks off deletes nothing",
			streams: [][]event{{listing, put("a", 1), put("b", 2), synced("5")}, {listing, put("a", 9)}},
			want:    map[string]int{"a": 1, "b": 2}, resumes: []string{"", "5", "5"},
		},
		{
			name:    "a full list deletes what it does not name",
			streams: [][]event{{listing, put("a", 1), put("b", 2), synced("5")}, {listing, put("b", 3), synced("9")}},
			want:    map[string]int{"b": 3}, resumes: []string{"", "5", "9"},
		},
		{
			name: "a value that cannot be decoded leaves what was known, also in a list",
			streams: [][]event{{listing, put("a", 1), put("b", 2), synced("5")},
				{listing, {Put: []item{{Key: "a", Unreadable: true}}}, put("b", 3), synced("9")}},
			want: map[string]int{"a": 1, "b": 3}, resumes: []string{"", "5", "9"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{streams: tt.streams}
				cache := watchcache.New(s.open, nil)
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error)
				go func() { done <- cache.Run(ctx) }()
				<-time.After(time.Minute)
				synctest.Wait()
				if got := cache.All(); !maps.Equal(got, tt.want) {
					t.Errorf("the cache is %v, want %v", got, tt.want)
				}
				if fmt.Sprint(s.resumes) != fmt.Sprint(tt.resumes) {
					t.Errorf("resumed with %q, want %q", s.resumes, tt.resumes)
				}
				select {
				case <-cache.Synced():
				default:
					t.Error("never synced")
				}
				cancel()
				if err := <-done; !errors.Is(err, context.Canceled) {
					t.Errorf("Run returned %v", err)
				}
			})
		})
	}
}

// What is handed on is the difference, so that an index over a watch need not compare lists itself.
func TestAListIsHandedOnAsItsDifference(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := func(k string, v int, version int64) item { return item{Key: k, Value: v, Version: version} }
		s := &script{streams: [][]event{
			{{Listing: true, Put: []item{at("stays", 1, 1), at("changes", 1, 2), at("goes", 1, 3)}, Synced: true, Token: "3"}},
			{{Listing: true, Put: []item{at("stays", 1, 1), at("changes", 2, 5), at("comes", 1, 6)}, Synced: true, Token: "6"}},
			{{Put: []item{at("comes", 1, 6), at("comes", 2, 7)}, Deleted: []item{{Key: "goes", Version: 4}}, Synced: true, Token: "7"}},
		}}
		var got []string
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			done <- watchcache.Run(ctx, s.open, func(e event) {
				got = append(got, fmt.Sprint(len(e.Put), e.Put, e.Deleted, e.Token))
			}, nil)
		}()
		<-time.After(time.Minute)
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("it ended with %v", err)
		}
		want := []string{
			fmt.Sprint(3, []item{at("stays", 1, 1), at("changes", 1, 2), at("goes", 1, 3)}, []item(nil), "3"),
			fmt.Sprint(2, []item{at("changes", 2, 5), at("comes", 1, 6)}, []item{{Key: "goes"}}, "6"),
			fmt.Sprint(1, []item{at("comes", 2, 7)}, []item(nil), "7"),
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("handed on\n%v\nwant\n%v", got, want)
		}
	})
}
