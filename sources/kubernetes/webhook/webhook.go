// Package webhook reviews objects of Kubernetes before an API server stores them. It asks what the cluster's objects would mean with the
// object under review, and refuses it when that makes a problem which names it, or entities that the gateways of the fleet would refuse.
//
// A review changes nothing anywhere: a dry run is reviewed like any other request. What a review says never holds a value of a Secret.
package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"
	"google.golang.org/grpc"

	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
)

// Objects are those of the cluster, as far as they are known. It is safe for concurrent use. Who gets the set changes neither it nor its
// objects, and who gives it does not either: a changed cluster is another set. An error says that the objects are not known yet.
type Objects interface {
	Objects() (*object.Set, error)
}

// Validator is the translator, as far as a review needs it.
type Validator interface {
	ValidateConfig(ctx context.Context, in *translatorv1.ValidateConfigRequest, opts ...grpc.CallOption) (
		*translatorv1.ValidateConfigResponse, error)
}

// FailMode says what becomes of an object that could not be reviewed.
type FailMode string

// The modes.
const (
	FailOpen   FailMode = "open"   // it is admitted with a warning
	FailClosed FailMode = "closed" // it is refused
)

// The defaults of a Config.
const (
	DefaultTimeout = 4 * time.Second
	DefaultReviews = 4
)

// Config says how objects are reviewed.
type Config struct {
	// Options are those of the controller whose configuration is reviewed: with others a review would say something else than what is made.
	Options translate.Options
	// Group and Source are where the controller submits the configuration to. Without a Group no schemas of gateways are asked.
	Group, Source string
	// Fail is what becomes of an object that could not be reviewed.
	Fail FailMode
	// Timeout bounds one review. It must be shorter than timeoutSeconds of the ValidatingWebhookConfiguration.
	Timeout time.Duration
	// Reviews bounds the reviews that are made at once; others wait for their turn within their Timeout.
	Reviews int
	// RefuseUnresolved refuses an object that names something which is not there. Else that is a warning, since objects come in any order.
	RefuseUnresolved bool
}

// AddFlags adds the flags of reviews.
func (c *Config) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar((*string)(&c.Fail), "fail", string(FailOpen), "what becomes of an object that cannot be reviewed: open admits it with a "+
		"warning, closed refuses it")
	flags.DurationVar(&c.Timeout, "review-timeout", DefaultTimeout, "how long a review may take; shorter than timeoutSeconds of the "+
		"ValidatingWebhookConfiguration")
	flags.IntVar(&c.Reviews, "max-reviews", DefaultReviews, "reviews that are made at once; others wait for their turn")
	flags.BoolVar(&c.RefuseUnresolved, "refuse-unresolved", false, "refuse objects that name something which is not there, not allowed or "+
		"not taken by a listener, in place of a warning")
}

// Check says what is wrong with the settings.
func (c Config) Check() error {
	var problems []error
	if c.Fail != FailOpen && c.Fail != FailClosed {
		problems = append(problems, fmt.Errorf("--fail is %q: choose open or closed", c.Fail))
	}
	if c.Timeout < 100*time.Millisecond || c.Timeout > 29*time.Second {
		problems = append(problems, fmt.Errorf("--review-timeout is %s: an API server waits 30s at most, so choose 100ms to 29s", c.Timeout))
	}
	if c.Reviews < 1 || c.Reviews > 100 {
		problems = append(problems, fmt.Errorf("--max-reviews is %d: choose 1 to 100", c.Reviews))
	}
	return errors.Join(problems...)
}

// Deps are what a Reviewer uses.
type Deps struct {
	Objects   Objects
	Validator Validator // nil without a Group
	Log       *slog.Logger
	Metrics   prometheus.Registerer
	Now       func() time.Time // nil is time.Now
}

// Reviewer reviews objects. It is safe for concurrent use.
type Reviewer struct {
	Config
	Deps
	metrics *metrics
	turns   chan struct{} // holds one for each review that is being made
	cluster latest
}

// New returns a reviewer.
func New(c Config, d Deps) *Reviewer {
	if c.Options.IngressClass == "" {
		c.Options.IngressClass = "kong"
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	return &Reviewer{Config: c, Deps: d, metrics: newMetrics(d.Metrics), turns: make(chan struct{}, c.Reviews)}
}
