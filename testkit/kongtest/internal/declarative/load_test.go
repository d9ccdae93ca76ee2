package declarative

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/check"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/document"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/entity"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/problems"
)

func newLoader() *Loader {
	plugins := map[string]bool{"cors": true, "pre-function": true}
	return &Loader{Now: time.Unix(1, 0), Checker: check.Checker{Kinds: entity.NewKinds(), Plugins: plugins, Flavor: "traditional_compatible"}}
}

// FuzzLoad feeds the reader of configurations anything. It must come to a
// loaded configuration or to an answer that can be written, whatever it gets.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		`{"_format_version":"3.0"}`,
		`{"_format_version":"3.0","services":[{"name":"a","url":"http://h","routes":[{"paths":["~/x"],"plugins":[{"name":"cors"}]}]}]}`,
		`{"_format_version":"3.0","routes":[{"name":"r","service":"nosuch"},{"name":"r","service":{"name":"x"}}]}`,
		`{"_format_version":"3.0","plugins":[{"name":"pre-function","config":{"access":["return 1"]}}],"targets":[null]}`,
		"_format_version: \"3.0\"\nservices:\n- &s {name: yes, host: h}\n- <<: *s\n  name: z\n",
		"a: [b", "- a", "x: &x [*x]", "{", "\xff", "",
	} {
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, text []byte, flatten bool) {
		doc, err := document.Parse(text)
		if err != nil {
			if errors.Is(err, document.ErrCrash) {
				return
			}
			document.Marshal(problems.Unparsed(err.Error()).Body)
			return
		}
		l, set, err := newLoader().Load(doc, flatten)
		var no *problems.Refused
		switch {
		case errors.As(err, &no):
			document.Marshal(no.Body)
		case err == nil && (l == nil || set == nil):
			t.Error("loaded without a configuration")
		case err != nil && !errors.Is(err, document.ErrCrash):
			t.Errorf("an error without an answer: %v", err)
		}
	})
}

// BenchmarkLoad is one POST of 10,000 routes without the HTTP around it.
func BenchmarkLoad(b *testing.B) {
	text := manyRoutes(10_000)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		doc, err := document.Parse(text)
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err := newLoader().Load(doc, true); err != nil {
			b.Fatal(err)
		}
	}
}

func manyRoutes(n int) []byte {
	var out bytes.Buffer
	out.WriteString(
		`{"_format_version":"3.0","services":[{"host":"127.0.0.1","id":"11111111-1111-4111-8111-111111111111","name":"s","port":9}],"routes":[`)
	for i := range n {
		if i > 0 {
			out.WriteByte(',')
		}
		fmt.Fprintf(&out,
			`{"hosts":["h%d.example.com"],"id":"00000000-0000-4000-8000-%012d","methods":["GET","POST"],"name":"route-%d",`+
				`"paths":["/api/v1/resource-%d"],"preserve_host":false,"protocols":["http","https"],"regex_priority":0,`+
				`"service":{"id":"11111111-1111-4111-8111-111111111111"},"strip_path":true,"tags":["team-%d","generated"]}`, i%50, i, i, i, i%9)
	}
	out.WriteString("]}\n")
	return out.Bytes()
}
