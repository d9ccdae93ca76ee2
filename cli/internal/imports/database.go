package imports

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/silverback-gateway/silverback/kong/inventory"
)

// lists are the paths of entity lists in the Admin API of a Kong with a database, and the kind's name in a file.
var lists = []struct{ path, kind string }{
	{"/services", "services"}, {"/routes", "routes"}, {"/upstreams", "upstreams"}, {"/consumers", "consumers"}, {"/plugins", "plugins"},
	{"/certificates", "certificates"}, {"/snis", "snis"}, {"/ca_certificates", "ca_certificates"}, {"/vaults", "vaults"},
	{"/key-sets", "key_sets"}, {"/keys", "keys"}, {withWasm, "filter_chains"},
	{"/key-auths", "keyauth_credentials"}, {"/basic-auths", "basicauth_credentials"}, {"/hmac-auths", "hmacauth_credentials"},
	{"/jwts", "jwt_secrets"},
	{"/acls", "acls"}, {"/oauth2", "oauth2_credentials"},
}

// others are lists of kinds that are not read. A Kong that has such entities is refused, because the document would be incomplete.
var others = []string{"/consumer_groups", "/partials", "/mtls-auths", "/degraphql_routes", "/graphql-rate-limiting-advanced/costs"}

// withWasm is answered with 400 by a Kong without Wasm filters.
const withWasm = "/filter-chains"

type object = map[string]json.RawMessage

// entities reads a Kong with a database, list by list. A kind without a list is treated as empty.
func (k *endpoint) entities(ctx context.Context, tell func(format string, args ...any)) ([]byte, error) {
	out := bytes.NewBufferString("{\"_format_version\":\"3.0\",\n\"_transform\":false")
	all := 0
	add := func(kind string, found []object) error {
		if len(found) == 0 {
			return nil
		}
		if all += len(found); all > inventory.MaxEntities {
			return fmt.Errorf("Kong at %s has more than %d entities", k.host(), inventory.MaxEntities)
		}
		tell("  %d %s", len(found), kind)
		return write(out, kind, found)
	}
	for _, list := range lists {
		found, err := k.list(ctx, list.path)
		if err != nil {
			return nil, err
		}
		if err := add(list.kind, found); err != nil {
			return nil, err
		}
		if list.kind != "upstreams" {
			continue
		}
		targets, err := k.targets(ctx, found)
		if err != nil {
			return nil, err
		}
		if err := add("targets", targets); err != nil {
			return nil, err
		}
	}
	if err := k.refuseOthers(ctx); err != nil {
		return nil, err
	}
	if all == 0 {
		return nil, fmt.Errorf("Kong at %s: %w", k.host(), ErrEmpty)
	}
	out.WriteString("}\n")
	return out.Bytes(), nil
}

// targets reads the targets of upstreams.
func (k *endpoint) targets(ctx context.Context, upstreams []object) (targets []object, err error) {
	for _, u := range upstreams {
		var id string
		if json.Unmarshal(u["id"], &id) != nil || id == "" {
			return nil, errors.New("Kong returned an upstream without an id")
		}
		of, err := k.list(ctx, "/upstreams/"+url.PathEscape(id)+"/targets")
		if err != nil {
			return nil, err
		}
		targets = append(targets, of...)
	}
	return targets, nil
}

// refuseOthers fails when Kong has entities that are not read: the document would be incomplete.
func (k *endpoint) refuseOthers(ctx context.Context) error {
	for _, path := range others {
		switch found, err := k.list(ctx, path); {
		case err != nil:
			return err
		case len(found) > 0:
			return fmt.Errorf("Kong at %s has entities of GET %s, which this command does not read; write a file with \"deck gateway dump\", "+
				"and import that: silverback import file", k.host(), path)
		}
	}
	return nil
}

// list reads all pages of a list. A list that Kong does not have is empty.
func (k *endpoint) list(ctx context.Context, path string) (all []object, err error) {
	query := url.Values{"size": {fmt.Sprint(pageSize)}}
	for {
		text, err := k.get(ctx, path, query, k.budget)
		var refused *refusal
		if errors.As(err, &refused) && (refused.code == http.StatusNotFound || refused.code == http.StatusBadRequest && path == withWasm) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		k.budget -= int64(len(text))
		var page struct {
			Data   []object
			Offset string
		}
		if json.Unmarshal(text, &page) != nil {
			return nil, fmt.Errorf("the answer of Kong to GET %s is not a list", path)
		}
		all = append(all, page.Data...)
		if page.Offset == "" {
			return all, nil
		}
		if len(page.Data) == 0 || page.Offset == query.Get("offset") {
			return nil, fmt.Errorf("the list of Kong at GET %s does not end", path)
		}
		query.Set("offset", page.Offset)
	}
}

// write writes the entities of a kind, one per line, so that messages can name the line.
func write(out *bytes.Buffer, kind string, found []object) error {
	fmt.Fprintf(out, ",\n%q:[", kind)
	for i, e := range found {
		if i > 0 {
			out.WriteByte(',')
		}
		for name := range e {
			if slices.Contains(stamps, name) || kind == "certificates" && name == "snis" { // they have lists of their own
				delete(e, name)
			}
		}
		line, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("an entity of %s cannot be written", kind)
		}
		out.WriteByte('\n')
		out.Write(line)
	}
	out.WriteString("\n]")
	return nil
}
