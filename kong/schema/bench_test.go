package schema_test

import (
	"testing"

	"github.com/silverback-gateway/silverback/kong/schema"
)

// BenchmarkCheck is one route and one service, of which a large group has 10,000 each.
func BenchmarkCheck(b *testing.B) {
	of := bundleOf(b, known)
	route := object(b,
		`{"name":"route-1","hosts":["h1.example.com"],"methods":["GET","POST"],"paths":["/api/v1/resource-1"],"protocols":["http",`+
			`"https"],"strip_path":true}`)
	service := object(b,
		`{"name":"service-1","host":"h1.example.com","port":8080,"protocol":"http","path":"/a","tags":["team-1","generated"]}`)
	b.ReportAllocs()
	for b.Loop() {
		if errs := verdict(b, of, "route", route); len(errs) > 0 {
			b.Fatal(errs)
		}
		if errs := verdict(b, of, "service", service); len(errs) > 0 {
			b.Fatal(errs)
		}
	}
}

// BenchmarkDecode is what a replica does once for each kind of gateway.
func BenchmarkDecode(b *testing.B) {
	canonical := bundleOf(b, known).Encode()
	b.SetBytes(int64(len(canonical)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := schema.Decode(canonical); err != nil {
			b.Fatal(err)
		}
	}
}
