package inventory_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kong/inventory"
)

// As gateways export it: one invented other ids and another order than the other.
const (
	one = `_format_version: '3.0'
_transform: false
services:
- {id: 11111111-1111-4111-8111-111111111111, name: orders, host: o.test, port: 80, path: ~, created_at: 1}
routes:
- service: 11111111-1111-4111-8111-111111111111
  id: aaaaaaaa-1111-4111-8111-111111111111
  name: ~
  hosts: ~
  paths:
  - /a
  - /b
plugins:
- name: key-auth
  route: aaaaaaaa-1111-4111-8111-111111111111
  service: ~
  id: 22222222-1111-4111-8111-111111111111
consumers:
- username: ann
  id: 33333333-1111-4111-8111-111111111111
keyauth_credentials:
- {consumer: 33333333-1111-4111-8111-111111111111, key: topsecret, id: 44444444-1111-4111-8111-111111111111}
`
	two = `_format_version: '3.0'
consumers:
- {id: 33333333-2222-4111-8111-111111111111, username: ann, custom_id: ~}
keyauth_credentials:
- {consumer: 33333333-2222-4111-8111-111111111111, key: topsecret, id: 44444444-2222-4111-8111-111111111111}
plugins:
- {name: key-auth, route: aaaaaaaa-2222-4111-8111-111111111111, id: 22222222-1111-4111-8111-111111111111}
routes:
- {service: 11111111-1111-4111-8111-111111111111, id: aaaaaaaa-2222-4111-8111-111111111111, paths: [/a, /b], hosts: []}
services:
- {id: 11111111-1111-4111-8111-111111111111, name: orders, host: o.test, port: 80}
`
	// The same as a snapshot.
	sealed = `{"_format_version":"3.0",
"consumers":[
{"id":"c","username":"ann"}
],
"keyauth_credentials":[
{"consumer":{"id":"c"},"id":"k","key":"topsecret"}
],
"plugins":[
{"config":{},"id":"p","name":"key-auth","route":{"id":"r"}}
],
"routes":[
{"id":"r","paths":["/a","/b"],"service":{"id":"s"}}
],
"services":[
{"host":"o.test","id":"s","name":"orders"}
]}
`
)

func of(t *testing.T, text string) inventory.Inventory {
	t.Helper()
	i, err := inventory.OfGateway([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestTheSameIsTheSameWhateverTheIDs(t *testing.T) {
	a, b := of(t, one), of(t, two)
	if a.Digest() != b.Digest() {
		t.Errorf("%s\nand\n%s", a.Encode(), b.Encode())
	}
	snapshot, err := inventory.OfSnapshot([]byte(sealed))
	if err != nil {
		t.Fatal(err)
	}
	if missing := a.Missing(snapshot); len(missing) != 0 {
		t.Errorf("the snapshot lacks %v", missing)
	}
	if missing := snapshot.Missing(a); len(missing) != 0 {
		t.Errorf("the gateway lacks %v", missing)
	}
	if text := string(a.Encode()); strings.Contains(text, "topsecret") {
		t.Errorf("a secret stands in %s", text)
	}
	if got, want := a.String(), "1 consumer, 1 keyauth_credential, 1 plugin, 1 route, 1 service"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestMissing(t *testing.T) {
	for _, c := range []struct{ name, without, want string }{
		{"a named service, and so what is below it under that name", `"name":"orders"`,
			"plugin key-auth of route /a,/b, route /a,/b, service orders"},
		{"a route is what it matches", `"paths":["/a","/b"],`, "plugin key-auth of route /a,/b, route /a,/b"},
		{"a plugin at another place", `,"route":{"id":"r"}`, "plugin key-auth of route /a,/b"},
		{"another key is another credential, named by its owner", `,"key":"topsecret"`, "keyauth_credential of consumer ann"},
	} {
		t.Run(c.name, func(t *testing.T) {
			snapshot, err := inventory.OfSnapshot([]byte(strings.Replace(strings.Replace(sealed, c.without, "", 1), `"id":"s",}`, `"id":"s"}`, 1)))
			if err != nil {
				t.Fatal(err)
			}
			if got := inventory.Describe(of(t, one).Missing(snapshot), 10); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestOtherContentIsAnotherInventory(t *testing.T) {
	for what, other := range map[string]string{
		"another host":          strings.Replace(one, "host: o.test", "host: p.test", 1),
		"another path order":    strings.Replace(one, "  - /a\n  - /b\n", "  - /b\n  - /a\n", 1),
		"a setting of a plugin": strings.Replace(one, "- name: key-auth\n", "- name: key-auth\n  config: {hide_credentials: true}\n", 1),
		"a plugin at another place": strings.Replace(one, "  route: aaaaaaaa", "  service: 11111111-1111-4111-8111-111111111111\n  x: aaaaaaaa",
			1),
	} {
		if other == one {
			t.Fatalf("%s: nothing was changed", what)
		}
		if of(t, other).Digest() == of(t, one).Digest() {
			t.Errorf("%s: the digest is the same", what)
		}
	}
}

func TestTwinsAreCounted(t *testing.T) {
	twin := "routes:\n- {paths: [/a], id: 1}\n- {paths: [/a], id: 2}\n"
	single := "routes:\n- {paths: [/a], id: 3}\n"
	if missing := of(t, twin).Missing(of(t, single)); len(missing) != 1 {
		t.Errorf("missing %v", missing)
	}
	if missing := of(t, single).Missing(of(t, twin)); len(missing) != 0 {
		t.Errorf("missing %v", missing)
	}
}

func TestOursHasTheReservedRoute(t *testing.T) {
	i := of(t, one+"filter_chains: []\nvaults:\n")
	if i.Managed {
		t.Error("managed without the reserved route")
	}
	i = of(t, "routes:\n- {name: silverback-proof, id: 1448fce5-bfeb-5f3b-a2c5-51d464655867}\nplugins:\n- {name: pre-function, route: "+
		"1448fce5-bfeb-5f3b-a2c5-51d464655867}\n")
	if !i.Managed || len(i.Entries) != 0 {
		t.Errorf("%+v", i)
	}
}

func TestPackAndUnpack(t *testing.T) {
	i := of(t, one)
	packed, err := i.Pack()
	if err != nil {
		t.Fatal(err)
	}
	back, err := inventory.Unpack(packed, i.Digest())
	if err != nil || back.Digest() != i.Digest() || len(back.Missing(i)) != 0 {
		t.Errorf("%v, %v", back, err)
	}
	if _, err := inventory.Unpack(packed, of(t, "services:\n- name: x\n").Digest()); !errors.Is(err, inventory.ErrInventory) {
		t.Errorf("another digest: %v", err)
	}
	for _, bad := range [][]byte{nil, []byte("no"), packed[:len(packed)/2], make([]byte, inventory.MaxPacked+1)} {
		if _, err := inventory.Unpack(bad, i.Digest()); !errors.Is(err, inventory.ErrInventory) {
			t.Errorf("%d bytes: %v", len(bad), err)
		}
	}
}

func TestALargeGatewayFits(t *testing.T) {
	var text strings.Builder
	text.WriteString("services:\n")
	for i := range 20_000 {
		fmt.Fprintf(&text, "- {id: 00000000-0000-4000-8000-%012d, name: service-%d, host: h}\n", i, i)
	}
	text.WriteString("routes:\n")
	for i := range 20_000 {
		fmt.Fprintf(&text, "- {id: 10000000-0000-4000-8000-%012d, service: 00000000-0000-4000-8000-%012d, paths: [/p/%d]}\n", i, i, i)
	}
	packed, err := of(t, text.String()).Pack()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes for 40,000 entities", len(packed))
}

func FuzzOfGateway(f *testing.F) {
	f.Add(one)
	f.Add(two)
	f.Add("a:\n- ? b\n")
	f.Fuzz(func(t *testing.T, text string) {
		i, err := inventory.OfGateway([]byte(text))
		if err != nil {
			return
		}
		packed, err := i.Pack()
		if err != nil {
			return
		}
		back, err := inventory.Unpack(packed, i.Digest())
		if err != nil || back.Digest() != i.Digest() {
			t.Errorf("%v: %q", err, i.Encode())
		}
	})
}
