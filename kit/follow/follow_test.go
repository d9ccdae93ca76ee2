package follow_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/silverback-gateway/silverback/kit/follow"
)

type event = follow.Event[string, int]

func put(k string, v int) event { return event{Put: &follow.Pair[string, int]{Key: k, Value: v}} }
func del(k string) event        { return event{Deleted: &k} }
func synced(token string) event { return event{Synced: &token} }

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

func TestTable(t *testing.T) {
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
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{streams: tt.streams}
				table := follow.NewTable(s.open, nil)
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error)
				go func() { done <- table.Run(ctx) }()
				<-time.After(time.Minute)
				synctest.Wait()
				if got := table.All(); !maps.Equal(got, tt.want) {
					t.Errorf("the table is %v, want %v", got, tt.want)
				}
				if fmt.Sprint(s.resumes) != fmt.Sprint(tt.resumes) {
					t.Errorf("resumed with %q, want %q", s.resumes, tt.resumes)
				}
				select {
				case <-table.Synced():
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
