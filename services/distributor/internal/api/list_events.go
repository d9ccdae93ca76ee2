package api

import (
	"context"
	"strconv"

	"github.com/silverback-gateway/silverback/kit/rpcserver"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/services/distributor/internal/event"
	"github.com/silverback-gateway/silverback/services/distributor/internal/message"
)

// ListEvents lists events, the newest first.
func (s *EventService) ListEvents(ctx context.Context, request *distributorv1.ListEventsRequest) (*distributorv1.ListEventsResponse,
	error) {
	filter, err := filterOf(request.GetGroups(), request.GetReasons())
	if err != nil {
		return nil, err
	}
	before := event.Sequence(0)
	if request.GetPageToken() != "" {
		parts, err := decodeToken(request.GetPageToken(), 1)
		if err != nil {
			return nil, err
		}
		number, err := strconv.ParseInt(parts[0], 10, 64)
		if err != nil || number <= 0 {
			return nil, badToken()
		}
		before = event.Sequence(number)
	}
	if err := s.Journal.Ready(ctx); err != nil {
		return nil, err
	}
	reading := s.Journal.Read()
	answer := &distributorv1.ListEventsResponse{UpToSequence: int64(reached(reading))}
	size := rpcserver.PageSize(request.GetPageSize())
	since := request.GetSince()
	for e := range reading.Before(before) {
		if !filter.Has(e) || since != nil && e.Time.Before(since.AsTime()) {
			continue
		}
		if len(answer.Events) == size {
			answer.NextPageToken = encodeToken(strconv.FormatInt(answer.Events[size-1].GetSequence(), 10))
			break
		}
		answer.Events = append(answer.Events, message.Event(e))
	}
	return answer, nil
}
