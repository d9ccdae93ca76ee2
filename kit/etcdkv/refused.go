package etcdkv

import (
	"errors"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
)

// Refused reports whether etcd answered a request, and its answer was no: it has no space, or the caller may not. One that cannot be
// reached or has no majority refused nothing; a Contact tells of it.
func Refused(err error) bool {
	var said rpctypes.EtcdError
	return errors.As(err, &said) && said.Code() != codes.Unavailable && said.Code() != codes.DeadlineExceeded
}
