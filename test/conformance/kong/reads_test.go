package kong_test

import (
	"net/http"
	"strings"
	"testing"
)

const threeServices = `{"_format_version":"3.0","services":[{"name":"a","host":"h","tags":["x"],"routes":[{"name":"ra",` +
	`"paths":["/a"]}]},{"name":"b","host":"h"},{"name":"c","host":"h"}]}`

func TestF33_ReadsWorkAndListsByTagFail(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		k.load(t, threeServices)
		type page struct {
			Data []struct{ Name string }
			Next string
		}
		var first, rest page
		decode(t, get(t, k.admin+"/services?size=2"), &first)
		if len(first.Data) != 2 || first.Next == "" {
			t.Fatalf("got %+v", first)
		}
		decode(t, get(t, k.admin+first.Next), &rest)
		if len(rest.Data) != 1 || rest.Next != "" {
			t.Errorf("got %+v", rest)
		}
		for path, want := range map[string]int{"/services/a": 200, "/routes/ra/service": 200, "/services/nosuch": 404,
			"/services?size=1001": 400, "/services?tags=x": 500} {
			if got := get(t, k.admin+path); got.code != want {
				t.Errorf("%s: %s, want %d", path, got, want)
			}
		}
	})
}

func TestF34_EntitiesCannotBeWritten(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		k.load(t, threeServices)
		for _, tt := range []struct {
			method, path, body string
			want               int
		}{
			{http.MethodPost, "/services", `{"name":"d","host":"h"}`, 405},
			{http.MethodPatch, "/services/a", `{"host":"i"}`, 405},
			{http.MethodPut, "/services/a", `{"host":"i"}`, 405},
			{http.MethodDelete, "/services/a", "", 405},
			{http.MethodPatch, "/services/nosuch", `{"host":"i"}`, 404},
			{http.MethodDelete, "/services/nosuch", "", 204},
		} {
			got := ask(t, tt.method, k.admin+tt.path, tt.body, "Content-Type", "application/json")
			if got.code != tt.want || tt.want == 405 && !strings.Contains(got.message(), "when not using a database") {
				t.Errorf("%s %s: %s, want %d", tt.method, tt.path, got, tt.want)
			}
		}
	})
}

func TestF35_ErrorsOfNginxAreHTMLAndTheOthersJSON(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		if got := ask(t, http.MethodPost, k.admin+"/config", "x", "Content-Type", "text/plain"); !got.html() {
			t.Errorf("415: %s", got)
		}
		for name, got := range map[string]reply{
			"400": k.post(t, "a: [b"), "404": get(t, k.admin+"/nosuch"), "405": ask(t, http.MethodDelete, k.admin+"/config", ""),
			"500": k.post(t, "- a\n"), "404 of the proxy": get(t, k.proxy+"/nosuch", "Accept", "application/json"),
		} {
			if got.html() || got.message() == "" && len(got.body) == 0 || !strings.HasPrefix(got.header.Get("Content-Type"), "application/json") {
				t.Errorf("%s: %s", name, got)
			}
		}
	})
}
