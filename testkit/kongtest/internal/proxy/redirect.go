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

// withPathOf replaces path and query of a URL, which is written as browsers do: host in lower case, without the usual port.
func withPathOf(location string, a request.Request) (string, error) {
	u, err := url.Parse(location)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return "", errLocation
	}
	if port := u.Port(); port != "" {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return "", errLocation
		}
	}
	u.Host = strings.ToLower(u.Host)
	if usual := map[string]string{"http": "80", "https": "443"}[u.Scheme]; usual != "" && u.Port() == usual {
		u.Host = strings.TrimSuffix(u.Host, ":"+usual)
	}
	u.RawPath, u.RawQuery = request.Escaped(a.Path), strings.TrimPrefix(a.Query, "?")
	if u.Path, err = url.PathUnescape(u.RawPath); err != nil {
		return "", err
	}
	return u.String(), nil
}
