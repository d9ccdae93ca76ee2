package upstream

import (
	"context"
	"time"

	"github.com/klauspost/compress/zstd"

	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"

	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kong/inventory"
)

// unmanaged knows what an unmanaged gateway serves.
type unmanaged interface {
	// Inventory lists what it serves. It returns false when the gateway is managed, or when that is not known.
	Inventory() (inventory.Inventory, bool)
	// Configuration reads the whole configuration from the gateway.
	Configuration(ctx context.Context) ([]byte, error)
}

const (
	// inventoryAgain is a quarter of how long a registry keeps an inventory.
	inventoryAgain = 30 * time.Minute
	// configurationPart is the size of one part of an upload, in bytes.
	configurationPart = 512 << 10
	uploadTimeout     = 2 * time.Minute // as long as a registry waits
	maxFailure        = 512             // bytes of the reason why a configuration cannot be read
)

// uploaded records the uploads about an unmanaged gateway.
type uploaded struct {
	digest    string
	at        time.Time
	wanted    string // id of the open request for the configuration; empty: none
	requestID string // id of the last request that was answered
}

// uploadInventory sends the registry the inventory of an unmanaged gateway, when it changed or was sent long ago. After a
// failure the next renewal tries again.
func (s *session) uploadInventory(ctx context.Context) {
	if s.Unmanaged == nil {
		return
	}
	i, is := s.Unmanaged.Inventory()
	if !is {
		s.uploaded.digest = ""
		return
	}
	digest := string(i.Digest())
	if digest == s.uploaded.digest && time.Since(s.uploaded.at) < inventoryAgain {
		return
	}
	packed, err := i.Pack()
	if err == nil {
		_, err = s.client.UploadInventory(ctx, &registryv1.UploadInventoryRequest{Group: string(s.Identity.Group), Node: string(s.Identity.Node),
			Digest: digest, Zstd: packed})
	}
	if err != nil && ctx.Err() == nil {
		s.Log.Warn("inventory of the unmanaged gateway not uploaded", "error", err)
	}
	if err != nil {
		return
	}
	s.uploaded.digest, s.uploaded.at = digest, time.Now()
}

// uploadConfiguration sends what the gateway serves in the background, once for each request.
func (s *session) uploadConfiguration(ctx context.Context) {
	requestID := s.uploaded.wanted
	if requestID == "" || requestID == s.uploaded.requestID || s.Unmanaged == nil {
		return
	}
	s.uploaded.requestID = requestID
	client, about := s.client, s.Unmanaged
	s.uploads.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, uploadTimeout)
		defer cancel()
		r := &registryv1.UploadConfigurationRequest{Group: string(s.Identity.Group), Node: string(s.Identity.Node), Word: requestID, PartCount: 1}
		frame, err := packed(ctx, about)
		if err != nil {
			r.Failure = clean.Line(err.Error(), maxFailure)
		} else {
			s.Log.Info("configuration of the unmanaged gateway, with its secrets, is uploaded for a user")
			r.PartCount = int32((len(frame) + configurationPart - 1) / configurationPart)
		}
		for r.Part = 0; r.Part < r.PartCount; r.Part++ {
			r.Zstd = frame[min(len(frame), int(r.Part)*configurationPart):min(len(frame), int(r.Part+1)*configurationPart)]
			if _, err := client.UploadConfiguration(ctx, r); err != nil {
				s.Log.Warn("configuration of the unmanaged gateway not uploaded", "error", err)
				return
			}
		}
	})
}

// packed returns the configuration as one zstd frame.
func packed(ctx context.Context, from unmanaged) ([]byte, error) {
	text, err := from.Configuration(ctx)
	if err != nil {
		return nil, err
	}
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer func() { _ = e.Close() }()
	return e.EncodeAll(text, nil), nil
}
