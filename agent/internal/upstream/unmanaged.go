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
	// Inventory says what it serves; false when the gateway is managed, or that is not known.
	Inventory() (inventory.Inventory, bool)
	// Configuration asks the gateway for all of it.
	Configuration(ctx context.Context) ([]byte, error)
}

const (
	// inventoryAgain is a quarter of how long a registry keeps an inventory.
	inventoryAgain = 30 * time.Minute
	// configurationPart is what one message of a configuration holds, in bytes.
	configurationPart = 512 << 10
	uploadTimeout     = 2 * time.Minute // as long as a registry waits
	maxFailure        = 512             // bytes of why a configuration cannot be had
)

// uploaded is what the registry was given of an unmanaged gateway.
type uploaded struct {
	digest    string
	at        time.Time
	wanted    string // the requestID under which a configuration is asked for; empty: none is
	requestID string // under which one was uploaded last
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
		s.Log.Warn("what the gateway serves was not reported to the registry", "error", err)
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
			s.Log.Info("what the gateway serves, secrets and all, is given to a user who asked for it")
			r.PartCount = int32((len(frame) + configurationPart - 1) / configurationPart)
		}
		for r.Part = 0; r.Part < r.PartCount; r.Part++ {
			r.Zstd = frame[min(len(frame), int(r.Part)*configurationPart):min(len(frame), int(r.Part+1)*configurationPart)]
			if _, err := client.UploadConfiguration(ctx, r); err != nil {
				s.Log.Warn("what the gateway serves was not uploaded to the registry", "error", err)
				return
			}
		}
	})
}

// packed is the configuration as one zstd frame.
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
