package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/silverback-gateway/silverback/sources/kubernetes/testkit/stand"
)

// programmed is what kubectl waits for. A route has its conditions from each of its parents, not for itself.
const programmed = `jsonpath={.status.parents[0].conditions[?(@.type=="Programmed")].status}=True`

// demo is one run.
type demo struct {
	*stand.Stand
	dir  string
	out  io.Writer
	step int
}

func (d *demo) run(ctx context.Context) error {
	began := time.Now()
	d.title("Start an API server, the fleet and the controller")
	if err := up(ctx, d.Stand); err != nil {
		return err
	}
	for _, look := range [][]string{{"kubectl", "get", "gatewayclass,gateway,service", "-A"}, {"silverback", "get", "nodes"}} {
		if _, err := d.show(ctx, "", look[0], look[1:]...); err != nil {
			return err
		}
	}
	for _, s := range []struct {
		title string
		do    func(context.Context) error
	}{
		{"Apply a route, wait until gateways were proven to serve it, and ask one", d.apply},
		{"Apply a plugin that no gateway takes: it costs the route that wants it, and no other", d.broken},
		{"Kill the controller and a gateway at once", d.kill},
		{"Delete a namespace with most of the routes", d.shrink},
	} {
		d.title(s.title)
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("step %d, %s: %w", d.step, s.title, err)
		}
	}
	d.title("The end")
	d.say("All was as promised. It took %s.", time.Since(began).Round(time.Second))
	return nil
}

func (d *demo) apply(ctx context.Context) error {
	if err := d.routes(ctx, "orders.yaml", route("orders", "default", "", "/orders")); err != nil {
		return err
	}
	if _, err := d.show(ctx, "", "kubectl", "wait", "--for="+programmed, "--timeout=3m", "httproute/orders"); err != nil {
		return err
	}
	// Programmed is said when the gateways were proven: there is nothing left to wait for.
	return d.curl(ctx, "/orders", http.StatusOK, d.Gateways...)
}

// brokenPlugin has no schema at any gateway.
const brokenPlugin = `apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: typo, namespace: default}
plugin: request-interminable
config: {status_code: 403}
`

func (d *demo) broken(ctx context.Context) error {
	text := brokenPlugin + "---\n" + route("closed", "default", "typo", "/closed") + "---\n" + route("catalog", "default", "", "/catalog")
	if err := d.routes(ctx, "catalog.yaml", text); err != nil {
		return err
	}
	if _, err := d.show(ctx, "", "kubectl", "wait", "--for="+programmed, "--timeout=3m", "httproute/catalog"); err != nil {
		return err
	}
	if err := d.curl(ctx, "/catalog", http.StatusOK, d.Gateways...); err != nil {
		return err
	}
	if err := stand.Eventually(ctx, "the plugin says that it is not programmed", func() error {
		return d.is(ctx, "kongplugin", "typo", "default", "False", "")
	}); err != nil {
		return err
	}
	_, err := d.show(ctx, "", "kubectl", "get", "kongplugin", "typo", "-o",
		`jsonpath={.status.conditions[?(@.type=="Programmed")].message}{"\n"}`)
	return err
}

func (d *demo) kill(ctx context.Context) error {
	first := d.Gateways[0]
	d.say("kill -9 of the controller and of %s", first.Name)
	d.Controller.Kill()
	first.Life.Kill()
	if err := d.routes(ctx, "returns.yaml", route("returns", "default", "", "/returns")); err != nil {
		return err
	}
	d.say("What was served is served by the others:")
	if err := d.curl(ctx, "/orders", http.StatusOK, d.Gateways[1:]...); err != nil {
		return err
	}
	d.say("Start both again.")
	if err := d.StartController(); err != nil {
		return err
	}
	if err := d.StartGateway(ctx, first); err != nil {
		return err
	}
	if _, err := d.show(ctx, "", "kubectl", "wait", "--for="+programmed, "--timeout=3m", "httproute/orders", "httproute/catalog",
		"httproute/returns"); err != nil {
		return err
	}
	for _, path := range []string{"/orders", "/catalog", "/returns"} {
		if err := stand.Eventually(ctx, first.Name+" answers "+path, func() error {
			return answers(ctx, first, path, http.StatusOK)
		}); err != nil {
			return err
		}
		if err := d.curl(ctx, path, http.StatusOK, d.Gateways...); err != nil {
			return err
		}
	}
	return nil
}

// many is how many routes the namespace has that is deleted: more than all others together.
const many = 8

func (d *demo) shrink(ctx context.Context) error {
	const namespace = "shop"
	var text strings.Builder
	fmt.Fprintf(&text, "apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n---\n%s", namespace, echoService(namespace))
	for n := 1; n <= many; n++ {
		text.WriteString("---\n" + route(fmt.Sprintf("shop-%d", n), namespace, "", fmt.Sprintf("/shop/%d", n)))
	}
	if err := d.routes(ctx, "shop.yaml", text.String()); err != nil {
		return err
	}
	if _, err := d.show(ctx, "", "kubectl", "-n", namespace, "wait", "--for="+programmed, "--timeout=3m", "httproute", "--all"); err != nil {
		return err
	}
	if _, err := d.show(ctx, "", "kubectl", "delete", "namespace", namespace, "--timeout=3m"); err != nil {
		return err
	}
	if err := stand.Eventually(ctx, "an Event says that the loss was stopped", func() error {
		out, err := d.Kubectl(ctx, "get", "events", "-A")
		if err == nil && !strings.Contains(out, "would lose") {
			err = errors.New("none does")
		}
		return err
	}); err != nil {
		return err
	}
	if _, err := d.show(ctx, "", "kubectl", "get", "events", "-A", "-o", `custom-columns=TYPE:.type,REASON:.reason,MESSAGE:.message`,
		"--field-selector", "reason="+reasonShrink); err != nil {
		return err
	}
	d.say("The namespace is gone, and its routes are served:")
	if err := d.curl(ctx, "/shop/1", http.StatusOK, d.Gateways...); err != nil {
		return err
	}
	d.say("Say that it is meant:")
	if _, err := d.show(ctx, "", "kubectl", "annotate", "ingressclass", "kong", allowShrink+"="+namespace); err != nil {
		return err
	}
	if err := stand.Eventually(ctx, "no gateway has the routes", func() error {
		var served error
		for _, g := range d.Gateways {
			served = errors.Join(served, answers(ctx, g, "/shop/1", http.StatusNotFound))
		}
		return served
	}); err != nil {
		return err
	}
	if err := d.curl(ctx, "/shop/1", http.StatusNotFound, d.Gateways...); err != nil {
		return err
	}
	return d.curl(ctx, "/orders", http.StatusOK, d.Gateways...)
}

// What the controller calls these.
const (
	allowShrink  = "silverback-gateway/allow-shrink"
	reasonShrink = "ShrinkHeld"
)

// routes applies manifests as a file, and shows them when they are short.
func (d *demo) routes(ctx context.Context, name, text string) error {
	file := filepath.Join(d.dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write a manifest: %w", err)
	}
	if len(text) < 500 {
		d.say("$ cat %s", name)
		d.say("%s", strings.TrimRight(text, "\n"))
	}
	_, err := d.show(ctx, name, "kubectl", "apply", "-f", file)
	return err
}

// is looks at the condition Programmed of an object.
func (d *demo) is(ctx context.Context, kind, name, namespace, status, text string) error {
	all, err := d.conditions(ctx, kind, name, namespace)
	if err != nil {
		return err
	}
	for _, c := range all {
		if c.Type == "Programmed" && c.Status == status && strings.Contains(c.Message, text) {
			return nil
		}
	}
	return fmt.Errorf("%s/%s has the conditions %v", kind, name, all)
}

// curl asks gateways for a path and shows what the first one answers.
func (d *demo) curl(ctx context.Context, path string, want int, of ...*stand.Gateway) error {
	for i, g := range of {
		status, body, err := stand.Get(ctx, g.Proxy+path)
		if err == nil && status != want {
			err = fmt.Errorf("%s answers %s with %d, want %d: %s", g.Name, path, status, want, body)
		}
		if err != nil {
			return err
		}
		if i > 0 {
			continue
		}
		d.say("$ curl -w '%%{http_code}' %s", g.Proxy+path)
		d.say("%s %d", strings.Join(strings.Fields(body), " "), status)
	}
	if len(of) > 1 {
		d.say("(the same from %s)", strings.Join(namesOf(of[1:]), ", "))
	}
	return nil
}

func namesOf(of []*stand.Gateway) (names []string) {
	for _, g := range of {
		names = append(names, g.Name)
	}
	return names
}

// answers is nil when a gateway answers a path with a status.
func answers(ctx context.Context, g *stand.Gateway, path string, want int) error {
	status, _, err := stand.Get(ctx, g.Proxy+path)
	if err == nil && status != want {
		err = fmt.Errorf("%s answers %d", g.Name, status)
	}
	return err
}

func (d *demo) title(text string) {
	if d.step > 0 {
		fmt.Fprintln(d.out)
	}
	d.step++
	fmt.Fprintf(d.out, "%d. %s\n", d.step, text)
}

func (d *demo) say(format string, args ...any) {
	text := strings.TrimRight(fmt.Sprintf(format, args...), "\n")
	fmt.Fprintln(d.out, "    "+strings.ReplaceAll(text, "\n", "\n    "))
}

// show runs a command and prints it with what it said. A file is shown by its name alone.
func (d *demo) show(ctx context.Context, file, binary string, args ...string) (string, error) {
	var words []string
	for _, a := range args {
		if file != "" && strings.HasSuffix(a, file) {
			a = file
		}
		if strings.ContainsAny(a, " {}()*") {
			a = "'" + a + "'"
		}
		words = append(words, a)
	}
	d.say("$ %s %s", binary, strings.Join(words, " "))
	run := d.Kubectl
	if binary != "kubectl" {
		run = d.Silverback
	}
	out, err := run(ctx, args...)
	if err == nil {
		d.say("%s", out)
	}
	return out, err
}

// condition is one of the conditions that an HTTPRoute has from its first parent.
type condition struct{ Type, Status, Reason, Message string }

func (d *demo) conditions(ctx context.Context, kind, name, namespace string) ([]condition, error) {
	out, err := d.Kubectl(ctx, "get", kind, name, "-n", namespace, "-o", "json")
	if err != nil {
		return nil, err
	}
	var object struct {
		Status struct {
			Conditions []condition
			Parents    []struct{ Conditions []condition }
		}
	}
	if err := json.Unmarshal([]byte(out), &object); err != nil {
		return nil, fmt.Errorf("read %s/%s: %w", kind, name, err)
	}
	all := object.Status.Conditions
	for _, p := range object.Status.Parents {
		all = append(all, p.Conditions...)
	}
	return all, nil
}
