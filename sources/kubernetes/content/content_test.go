package content_test

import (
	"testing"

	"github.com/silverback-gateway/silverback/sources/kubernetes/content"
)

func TestFirstTargetsFillAnUpstream(t *testing.T) {
	made := func(upstreams string) *content.Content {
		text := `{"_format_version":"3.0","upstreams":[` + upstreams + `]}`
		c, problems := content.Compile([]content.Document{{Name: "a", Content: []byte(text)}})
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		return c
	}
	const empty, one, two, other = `{"name":"a"}`, `{"name":"a","targets":[{"target":"10.0.0.1:80"}]}`,
		`{"name":"a","targets":[{"target":"10.0.0.1:80"},{"target":"10.0.0.2:80"}]}`, `{"name":"b","targets":[{"target":"10.0.0.3:80"}]}`
	for title, c := range map[string]struct {
		before, after string
		want          bool
	}{
		"the first target":   {empty, one, true},
		"a second target":    {one, two, false},
		"the last one went":  {one, empty, false},
		"nothing":            {two, two, false},
		"of a new upstream":  {one, one + "," + other, true},
		"of another one too": {empty + "," + other, two + "," + other, true},
	} {
		if got := made(c.after).Fills(made(c.before)); got != c.want {
			t.Errorf("%s: %v, want %v", title, got, c.want)
		}
	}
}
