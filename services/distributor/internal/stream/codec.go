package stream

import (
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // registers the codec that Codec falls back to
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
)

// The fields of FollowAssignmentResponse and Directive that this file encodes. A test compares them with the generated code.
const (
	fieldNonce     = 1
	fieldDirective = 2
	fieldDeltaPart = 3
	fieldDelta     = 5 // of Directive
)

// Codec is the codec of proto that also accepts frames: messages that are encoded already and shared by many streams. A server of a Hub
// needs it.
type Codec struct{ proto encoding.CodecV2 }

// NewCodec returns the codec.
func NewCodec() Codec { return Codec{proto: encoding.GetCodecV2("proto")} }

// Name implements encoding.CodecV2.
func (Codec) Name() string { return "proto" }

// Marshal implements encoding.CodecV2.
func (c Codec) Marshal(v any) (mem.BufferSlice, error) {
	if f, ok := v.(*frame); ok {
		return f.buffers(), nil
	}
	return c.proto.Marshal(v)
}

// Unmarshal implements encoding.CodecV2.
func (c Codec) Unmarshal(data mem.BufferSlice, v any) error { return c.proto.Unmarshal(data, v) }

// A frame is an encoded FollowAssignmentResponse in two pieces: a few bytes for this stream, and bytes that all streams share. Shared bytes
// are never modified.
type frame struct {
	own    []byte
	shared []byte
}

func (f *frame) buffers() mem.BufferSlice {
	if len(f.shared) == 0 {
		return mem.BufferSlice{mem.SliceBuffer(f.own)}
	}
	return mem.BufferSlice{mem.SliceBuffer(f.own), mem.SliceBuffer(f.shared)}
}

func (f *frame) size() int { return len(f.own) + len(f.shared) }

// directiveFrame puts the nonce and the small fields of a directive before a shared delta.
func directiveFrame(nonce uint64, d *distributorv1.Directive, delta []byte) (*frame, error) {
	head, err := marshal(d)
	if err != nil {
		return nil, err
	}
	own := appendNonce(make([]byte, 0, len(head)+24), nonce)
	own = protowire.AppendTag(own, fieldDirective, protowire.BytesType)
	own = protowire.AppendVarint(own, uint64(len(head)+len(delta)))
	return &frame{own: append(own, head...), shared: delta}, nil
}

// partFrame puts the nonce before a shared part.
func partFrame(nonce uint64, part []byte) *frame {
	return &frame{own: appendNonce(nil, nonce), shared: part}
}

func appendNonce(b []byte, nonce uint64) []byte {
	b = protowire.AppendTag(b, fieldNonce, protowire.VarintType)
	return protowire.AppendVarint(b, nonce)
}
