package translate

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// An expression of Kong's router is text here. The empty one matches nothing in particular and is left out of others.

// catchAll matches every request of HTTP: an expression must not be empty.
const catchAll = `(net.protocol == "http") || (net.protocol == "https")`

// The kinds that routes of the flavor expressions came from are the highest bits of their priorities.
const (
	kindShift       = 44
	kindIngressBits = 3
	kindHTTPBits    = 2
	kindGRPCBits    = 1
)

var (
	methodForm = regexp.MustCompile(`\A[A-Z]+$`)
	sniForm    = regexp.MustCompile(`^([a-zA-Z0-9]+(-[a-zA-Z0-9]+)*)+(\.([a-zA-Z0-9]+(-[a-zA-Z0-9]+)*))*$`)
	hostForm   = regexp.MustCompile(`^(\*\.)?([a-zA-Z0-9]+(-[a-zA-Z0-9]+)*)+(\.([a-zA-Z0-9]+(-[a-zA-Z0-9]+)*))*?(\.\*)?$`)
)

func anyOf(parts ...string) string { return join(" || ", parts) }

func allOf(parts ...string) string { return join(" && ", parts) }

func join(operator string, parts []string) string {
	var present []string
	for _, part := range parts {
		if part != "" {
			present = append(present, part)
		}
	}
	if len(present) == 1 {
		return present[0]
	}
	for i, part := range present {
		present[i] = "(" + part + ")"
	}
	return strings.Join(present, operator)
}

var quoting = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`)

// compare is one comparison of a field with a text.
func compare(field, operator, value string) string {
	return fmt.Sprintf(`%s %s "%s"`, field, operator, quoting.Replace(value))
}

// matchHosts matches any of some hosts; one that is no name of a host is left out.
func matchHosts(hosts ...string) string {
	var parts []string
	for _, host := range hosts {
		if !hostForm.MatchString(host) {
			continue
		}
		if suffix, ok := strings.CutPrefix(host, "*"); ok {
			parts = append(parts, compare("http.host", "=^", suffix))
		} else {
			parts = append(parts, compare("http.host", "==", host))
		}
	}
	return anyOf(parts...)
}

func matchSNIs(names ...string) string { return matchEach("tls.sni", sniForm, names) }

func matchMethods(names ...string) string { return matchEach("http.method", methodForm, names) }

func matchEach(field string, form *regexp.Regexp, values []string) string {
	var parts []string
	for _, value := range values {
		if form.MatchString(value) {
			parts = append(parts, compare(field, "==", value))
		}
	}
	return anyOf(parts...)
}

// headerField is the field of a header in an expression.
func headerField(name string) string {
	return "http.headers." + strings.ReplaceAll(strings.ToLower(name), "-", "_")
}

func queryField(name string) string { return "http.queries." + name }

// condition is what a header or a parameter has to be.
type condition struct {
	name  string
	regex bool
	value string
}

// matchAll matches all of some conditions, ordered by name.
func matchAll(field func(name string) string, conditions []condition) string {
	conditions = slices.Clone(conditions)
	slices.SortStableFunc(conditions, func(a, b condition) int { return cmp.Compare(a.name, b.name) })
	var parts []string
	for _, c := range conditions {
		operator := "=="
		if c.regex {
			operator = "~"
		}
		parts = append(parts, compare(field(c.name), operator, c.value))
	}
	return allOf(parts...)
}

// anchored makes a regular expression match from the beginning of a path.
func anchored(regex string) string {
	if strings.HasPrefix(regex, "^") {
		return regex
	}
	return "^" + regex
}
