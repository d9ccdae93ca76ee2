package proxy

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/request"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/sandbox"
)

var (
	errRelativePath = errors.New("path must start with /")
	errLocation     = errors.New("the location is no URL with a scheme, a host and a port that there is")
)

// redirect answers with a Location: the configured one, or that one with the path and the query of the request.
func redirect(config map[string]any) func(http.ResponseWriter, *http.Request, *turn) bool {
	status := http.StatusMovedPermanently
	if number, ok := config["status_code"].(float64); ok {
		status = int(number)
	}
	location, _ := config["location"].(string)
	keep := config["keep_incoming_path"] == true
	return func(w http.ResponseWriter, r *http.Request, t *turn) bool {
		to := location
		if keep {
			var err error
			if to, err = withPathOf(location, request.Of(r)); err != nil {
				t.fail(w, http.StatusInternalServerError, "An unexpected error occurred")
				return true
			}
		}
		w.Header().Set("Location", to)
		t.exit(w, &sandbox.Exit{Status: status, Body: "redirecting"})
		return true
	}
}

// usualPorts are the ports that URLs leave out. Hosts of other schemes keep their case, too.
var usualPorts = map[string]string{"http": ":80", "https": ":443", "ws": ":80", "wss": ":443", "ftp": ":21"}

// withPathOf replaces path and query of a URL, which is written as browsers do: host in lower case, without the usual port. Names in other
// scripts and short forms of IPv4 addresses stay as they are, unlike in browsers.
func withPathOf(location string, a request.Request) (string, error) {
	scheme, rest, _ := strings.Cut(location, "://")
	rest, fragment, _ := strings.Cut(rest, "#")
	authority, _, _ := strings.Cut(strings.ReplaceAll(rest, "?", "/"), "/")
	u, err := url.Parse(scheme + "://" + authority + "/")
	if err != nil || u.Scheme == "" || u.Host == "" {
		return "", errLocation
	}
	if port := u.Port(); port != "" {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return "", errLocation
		}
	}
	u.Host = strings.TrimSuffix(u.Host, ":")
	if usual, ok := usualPorts[u.Scheme]; ok {
		u.Host = strings.TrimSuffix(strings.ToLower(u.Host), usual)
	}
	u.RawPath, u.RawQuery, u.Fragment = request.Escaped(a.Path), strings.TrimPrefix(a.Query, "?"), fragment
	if u.Path, err = url.PathUnescape(u.RawPath); err != nil {
		return "", err
	}
	return u.String(), nil
}
