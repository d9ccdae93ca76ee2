package resource

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/kit/fleet"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// likeDistributor is the value that removes a group's own retention.
const likeDistributor = "default"

// addRetention defines the flags of how long old revisions of a group are kept.
func (f *groupFlags) addRetention(flags *pflag.FlagSet) {
	field(f, flags.String, "keep-revisions", "how many of the newest revisions are kept at least, 2 or more; default: the "+
		"distributor's setting",
		func(g *registryv1.Group, text string) (err error) {
			g.Policy.KeepRevisions, err = parseKeepRevisions(text)
			return err
		})
	field(f, flags.String, "keep-age", "how long a revision is kept after the next one took its place, 1h or more, as in 30d or 36h; "+
		"default: the distributor's setting",
		func(g *registryv1.Group, text string) (err error) {
			g.Policy.KeepAge, err = parseKeepAge(text)
			return err
		})
}

func parseKeepRevisions(text string) (*int32, error) {
	if text == likeDistributor {
		return nil, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < fleet.MinKeepRevisions {
		return nil, fmt.Errorf("--keep-revisions %q: want a number of %d or more, or %s: a rollback needs the newest revision and one to go "+
			"back to", text, fleet.MinKeepRevisions, likeDistributor)
	}
	return new(int32(n)), nil
}

func parseKeepAge(text string) (*durationpb.Duration, error) {
	if text == likeDistributor {
		return nil, nil
	}
	d, err := time.ParseDuration(text)
	if days, found := strings.CutSuffix(text, "d"); found {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 16) // so that the product does not overflow
		d = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || d < fleet.MinKeepAge {
		return nil, fmt.Errorf("--keep-age %q: want 1h or more, as in 30d or 36h, or %s", text, likeDistributor)
	}
	return durationpb.New(d), nil
}

// printRetention prints how long old revisions of a group are kept.
func printRetention(a *app.App, p *fleetv1.RolloutPolicy) {
	count, age := "as many revisions as the distributor was started with", "as long as the distributor was started with"
	if p != nil && p.KeepRevisions != nil {
		count = show.Count(int64(p.GetKeepRevisions()), "revision", "revisions")
	}
	if d := p.GetKeepAge(); d != nil {
		age = show.Span(d) + " after the next one"
	}
	a.Line(15, "Keeps:         %s", count)
	a.Line(15, "Keep age:      %s", age)
}
