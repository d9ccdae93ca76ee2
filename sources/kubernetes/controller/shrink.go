package controller

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/content"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// AllowShrink is the annotation that lets the configuration lose more than half of its entities. On a Namespace it speaks for what comes
// from there; on the IngressClass of the controller, or on one of its GatewayClasses, for everything. Its value is "true", or until when,
// as in RFC 3339, or, on a class, the names of namespaces with commas between: those may be gone already.
const AllowShrink = "silverback-gateway/allow-shrink"

// shrinkWindow is how long a content counts after the next one came: what goes in many small steps goes all the same.
const shrinkWindow = 10 * time.Minute

// smallContent is the least number of entities that is guarded.
const smallContent = 4

// history is what the guard measures against: the present content, and the largest of those that came before it within the window.
type history struct {
	present, largest *content.Content
	until            time.Time // when the largest counts no more
}

// add makes a content the present one.
func (h *history) add(c *content.Content, now time.Time) {
	if now.After(h.until) {
		h.largest = nil
	}
	if h.largest.Count() <= h.present.Count() {
		h.largest, h.until = h.present, now.Add(shrinkWindow)
	}
	h.present = c
}

// contents are those that count now.
func (h *history) contents(now time.Time) []*content.Content {
	list := []*content.Content{h.present}
	if h.largest != nil && !now.After(h.until) {
		list = append(list, h.largest)
	}
	return list
}

// loss is what a content would lose.
type loss struct {
	of   *content.Content
	gone int            // entities, without targets
	all  int            // that there were
	by   map[string]int // gone, by namespace; "" for what is of none
}

// tooMuch says whether the guard stops a loss.
func (l loss) tooMuch() bool { return l.all >= smallContent && l.gone*2 > l.all }

// losses counts what is in before and not in now.
func losses(before, now *content.Content) loss {
	l := loss{of: before, by: map[string]int{}}
	for _, e := range before.Entities() {
		if e.Kind == content.Targets {
			continue
		}
		l.all++
		if _, there := now.Get(e.Key); !there {
			ref, _ := e.Read().Object()
			l.gone++
			l.by[ref.Namespace]++
		}
	}
	return l
}

// allowance is what may be lost.
type allowance struct {
	everything bool
	by         string // what allows it, for people
	namespaces map[string]bool
}

// covers says whether a loss is allowed.
func (a allowance) covers(l loss) bool {
	if a.everything {
		return true
	}
	gone := l.gone
	for namespace := range a.namespaces {
		gone -= l.by[namespace]
	}
	return len(a.namespaces) > 0 && gone*2 <= l.all
}

// allowed reads the annotations. The class and the controller name are those of the controller.
func allowed(set *object.Set, class, controller string, flag bool, now time.Time) allowance {
	a := allowance{everything: flag, by: "--allow-shrink", namespaces: map[string]bool{}}
	read := func(obj object.Object) {
		value := strings.TrimSpace(obj.GetAnnotations()[AllowShrink])
		if value == "" || a.everything {
			return
		}
		all, names := readAllowance(value, now)
		a.by = "the annotation " + AllowShrink + " of " + object.RefOf(obj).String()
		if _, isNamespace := obj.(*core.Namespace); isNamespace {
			if all {
				a.namespaces[obj.GetName()] = true
			}
			return
		}
		a.everything = all
		for _, name := range names {
			a.namespaces[name] = true
		}
	}
	for _, c := range object.List[*networking.IngressClass](set, "IngressClass") {
		if c.Name == class {
			read(c)
		}
	}
	for _, c := range object.List[*gateway.GatewayClass](set, "GatewayClass") {
		if string(c.Spec.ControllerName) == controller {
			read(c)
		}
	}
	for _, n := range object.List[*core.Namespace](set, "Namespace") {
		read(n)
	}
	return a
}

// readAllowance reads a value of the annotation.
func readAllowance(value string, now time.Time) (all bool, names []string) {
	if value == "true" {
		return true, nil
	}
	if until, err := time.Parse(time.RFC3339, value); err == nil {
		return now.Before(until), nil
	}
	for name := range strings.SplitSeq(value, ",") {
		if name = strings.TrimSpace(name); name != "" && name != "false" {
			names = append(names, name)
		}
	}
	return false, names
}

const namedNamespaces = 5

// tell says what would be lost, and names the namespaces that it comes from, the largest loss first.
func (l loss) tell() (message string, namespaces []object.Ref) {
	names := slices.SortedFunc(maps.Keys(l.by), func(a, b string) int { return cmp.Or(l.by[b]-l.by[a], cmp.Compare(a, b)) })
	var told []string
	for _, name := range names {
		if name == "" || len(told) == namedNamespaces {
			continue
		}
		told = append(told, fmt.Sprintf("%d of namespace %s", l.by[name], name))
		namespaces = append(namespaces, object.Ref{Kind: "Namespace", Name: name})
	}
	message = fmt.Sprintf("the configuration would lose %d of its %d entities", l.gone, l.all)
	if len(told) > 0 {
		message += ": " + strings.Join(told, ", ")
	}
	return message, namespaces
}
