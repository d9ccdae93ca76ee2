package rpc

import (
	"errors"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Message is what a status says to people: without what gRPC wraps around it when it gave up trying again, or found nobody to try.
func Message(s *status.Status) string {
	message := s.Message()
	if s.Code() != codes.Unavailable {
		return message // only such a call is tried again
	}
	for _, wrapper := range []string{"desc = \"transport: ", "desc = "} {
		if i := strings.LastIndex(message, wrapper); i >= 0 {
			message = message[i+len(wrapper):]
		}
	}
	message = strings.TrimPrefix(strings.Trim(message, "\""), "Error while dialing: ")
	if message == "name resolver error: produced zero addresses" {
		return "the name has no address"
	}
	return message
}

// Why is what the error of a call says to people, as in a log: the Message of its status, without what was wrapped around it; of an error
// that has none, its text.
func Why(err error) string {
	var answered interface{ GRPCStatus() *status.Status }
	if errors.As(err, &answered) {
		return Message(answered.GRPCStatus())
	}
	return err.Error()
}
