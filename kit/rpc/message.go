package rpc

import (
	"errors"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Message returns the message of a status for people: without the text that gRPC adds when it stops retrying or found no replica.
func Message(s *status.Status) string {
	message := s.Message()
	if s.Code() != codes.Unavailable {
		return message // only such a call is retried
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

// Why returns the reason of a failed call for people and logs: the Message of its status, without the text wrapped around it. Without a
// status it is the error's text.
func Why(err error) string {
	var answered interface{ GRPCStatus() *status.Status }
	if errors.As(err, &answered) {
		return Message(answered.GRPCStatus())
	}
	return err.Error()
}
