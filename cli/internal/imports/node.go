package imports

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/kong/inventory"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// bringTime is the longest time to wait for a node's agent. A registry waits two minutes for it.
const bringTime = 150 * time.Second

// Node returns the command that imports the configuration of a node's gateway.
func Node(a *app.App) *cobra.Command {
	var t importer
	cmd := &cobra.Command{
		Use:   "node NODE -g GROUP [-s SOURCE]",
		Short: "Create a source from the configuration of an unmanaged node",
		Long: `Asks the agent of an unmanaged node what its gateway serves, and submits that
as a new source of the group. Everything stays as it is: entities with their
ids, priorities, plugins with their settings, credentials. Passwords stay the
hashes that they are.

The node, and every other that serves the same, then takes the revision, and
answers no request otherwise than before. An unmanaged node that serves
something else is left as it is: import it too, into a source of its own.`,
		Example: `  silverback import node gw-1 -g edge --wait
  silverback import node gw-2 -g edge -s gw-2 --dry-run`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.run(cmd.Context(), a, "node "+args[0], func(ctx context.Context) ([]*translatorv1.Document, error) {
				text, err := fetchConfiguration(ctx, a, t.group, args[0])
				if err != nil {
					return nil, err
				}
				what, err := inventory.OfGateway(text)
				if err != nil {
					return nil, fmt.Errorf("the configuration of node %s: %w", args[0], err)
				}
				document, err := Document(text)
				if err != nil {
					return nil, fmt.Errorf("the configuration of node %s: %w", args[0], err)
				}
				t.served = []string{string(what.Digest())}
				return []*translatorv1.Document{{Name: args[0] + ".yaml", Content: document}}, nil
			})
		},
	}
	t.addFlags(cmd)
	return cmd
}

// fetchConfiguration reads the configuration of a node's gateway.
func fetchConfiguration(ctx context.Context, a *app.App, group, node string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, max(bringTime, a.Flags.Timeout))
	defer cancel()
	stream, err := a.Registry().GetNodeConfiguration(ctx, &registryv1.GetNodeConfigurationRequest{Group: group, Node: node})
	if err != nil {
		return nil, err
	}
	var frame bytes.Buffer
	for {
		piece, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if frame.Len()+len(piece.GetZstd()) > inventory.MaxText {
			return nil, fmt.Errorf("the configuration of node %s exceeds the limit of %d bytes", node, inventory.MaxText)
		}
		frame.Write(piece.GetZstd())
	}
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(inventory.MaxText))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	text, err := d.DecodeAll(frame.Bytes(), nil)
	if err != nil {
		return nil, fmt.Errorf("the configuration of node %s cannot be decompressed", node)
	}
	return text, nil
}
