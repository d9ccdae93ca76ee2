// Command silverback-kubernetes makes Kong's configuration of Kubernetes objects. Its subcommand run does so for a cluster, and submits it;
// render does so for manifests, without a cluster.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/render"
)

// The exit codes.
const (
	exitFailed   = 1 // an input cannot be read
	exitUsage    = 2 // flags or arguments are wrong
	exitProblems = 3 // there are problems, and -strict was given
)

const usage = `silverback-kubernetes makes Kong's configuration of Kubernetes objects.

  silverback-kubernetes run [flags]
  silverback-kubernetes webhook [flags]
  silverback-kubernetes render [flags] FILE|FOLDER|-...

run watches a cluster and submits what its objects mean; webhook reviews objects before
they are stored. run --help and webhook --help have their flags.

render prints the configuration that the objects in manifests mean, as Kong Ingress
Controller 3.5 would make it, and their problems on standard error. It asks no cluster.
The configuration holds what is in Secrets: keep it like one.

Flags of render:
`

func main() {
	if len(os.Args) > 1 && os.Args[1] == "run" {
		control(os.Args[2:])
	}
	if len(os.Args) > 1 && os.Args[1] == "webhook" {
		admit(os.Args[2:])
	}
	os.Exit(command(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// command is every subcommand but run and webhook.
func command(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	c := newRendering(stderr)
	if len(args) == 0 || args[0] != "render" {
		c.flags.Usage()
		if len(args) == 1 && (args[0] == "help" || args[0] == "-h" || args[0] == "--help") {
			return 0
		}
		return exitUsage
	}
	if err := c.flags.Parse(args[1:]); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return exitUsage
	}
	if err := c.check(); err != nil {
		fmt.Fprintf(stderr, "silverback-kubernetes: %v\n", err)
		return exitUsage
	}
	result, err := render.Render(c.flags.Args(), stdin, c.settings)
	if err == nil {
		err = render.Write(stdout, result, c.output, c.origins)
	}
	if err != nil {
		fmt.Fprintf(stderr, "silverback-kubernetes: %v\n", err)
		return exitFailed
	}
	for _, p := range result.Problems {
		fmt.Fprintf(stderr, "%s %s: %s\n", p.Reason, names(p.Objects), p.Message)
	}
	if c.strict && len(result.Problems) > 0 {
		return exitProblems
	}
	return 0
}

// rendering is render with its flags.
type rendering struct {
	flags           *flag.FlagSet
	settings        render.Settings
	flavor, output  string
	origins, strict bool
}

func newRendering(stderr io.Writer) *rendering {
	c := &rendering{flags: flag.NewFlagSet("render", flag.ContinueOnError)}
	f, o := c.flags, &c.settings.Options
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprint(stderr, usage)
		f.PrintDefaults()
	}
	f.StringVar(&c.flavor, "router-flavor", "traditional_compatible", "router flavor of the gateways: traditional_compatible or expressions")
	f.StringVar(&o.IngressClass, "ingress-class", "kong", "class of the objects that are translated")
	f.StringVar(&o.GatewayController, "gateway-controller", "konghq.com/kic-gateway-controller", "controller name of our GatewayClasses")
	f.BoolVar(&o.Attach, "attach", false, "translate only routes that a listener of a Gateway in the manifests takes, with the hosts "+
		"that it has there; else every route is translated")
	f.BoolVar(&c.settings.AsGiven, "as-given", false, "do not fill in the defaults that an API server would")
	f.BoolVar(&o.RedirectPlugin, "redirect-plugin", true, "redirect with the plugin redirect, which Kong has since 3.9")
	f.BoolVar(&o.ServiceFacade, "service-facade", false, "allow backends of kind KongServiceFacade")
	f.BoolVar(&o.RewriteURIs, "rewrite-uris", false, "allow the annotation konghq.com/rewrite")
	f.BoolVar(&o.CombinedServices, "combined-services", false, "make one service for rules of several HTTPRoutes with the same backends")
	f.BoolVar(&o.DrainSupport, "drain", false, "keep terminating endpoints with a weight of 0")
	f.BoolVar(&o.ServiceUpstream, "service-upstream", false, "make every Service a target itself, in place of its endpoints")
	f.BoolVar(&o.RemovableTargets, "removable-targets", false, "give upstreams without health checks such that a target can be taken out at "+
		"the Admin API")
	f.StringVar(&o.ClusterDomain, "cluster-domain", "", "end of the names of Services that are targets themselves, such as cluster.local")
	f.StringVar(&o.Workspace, "workspace", "", "workspace that is a part of derived ids")
	f.StringVar(&c.output, "output", render.YAML, "format: yaml or json")
	f.BoolVar(&c.origins, "origins", false, "print configuration, problems and the objects that each entity came from, in JSON")
	f.BoolVar(&c.strict, "strict", false, "exit with 3 when there are problems")
	return c
}

// check judges what the flags say.
func (c *rendering) check() error {
	switch c.flavor {
	case "traditional_compatible":
	case "expressions":
		c.settings.Expressions = true
	default:
		return fmt.Errorf("-router-flavor is %q, want traditional_compatible or expressions", c.flavor)
	}
	if c.output != render.YAML && c.output != render.JSON {
		return fmt.Errorf("-output is %q, want yaml or json", c.output)
	}
	if c.flags.NArg() == 0 {
		return errors.New("render needs files, folders or -")
	}
	return nil
}

func names(objects []object.Ref) string {
	text := ""
	for i, ref := range objects {
		if i > 0 {
			text += " "
		}
		text += ref.String()
	}
	return text
}
