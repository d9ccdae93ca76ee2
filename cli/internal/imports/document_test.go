package imports_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/cli/internal/imports"
	"github.com/silverback-gateway/silverback/kong/inventory"
)

// The export of a Kong 3.9.3, shortened.
const flattened = `_format_version: '3.0'
_transform: false
basicauth_credentials:
- username: u
  consumer: 0b2e2520-8980-505a-b7a2-769e8dde10c3
  password: c4b9e96639197e9a2f0d3641ae84300c27017a90
  id: b8b13216-f8d0-5482-8264-f38e673a5811
  tags: ~
  created_at: 1795244434
certificates:
- snis:
  - certificate:
      id: 27abdf18-c73a-4b94-a42d-a61879e7cb7c
    name: a.test
    _ignore: ~
  id: 27abdf18-c73a-4b94-a42d-a61879e7cb7c
  created_at: 1795244434
  cert: |
    -----BEGIN CERTIFICATE-----
    MIIB

    -----END CERTIFICATE-----
routes:
- service: 72734e2a-702d-5711-b9ef-697178108ad8
  updated_at: 1795244435
  id: d885141f-606d-5a82-85b1-19fd73b6f8e7
  regex_priority: 0
  name: '123'
  paths:
  - /a
- id: 1448fce5-bfeb-5f3b-a2c5-51d464655867
  name: silverback-proof
plugins:
- {"name": "rate-limiting", "id": "5d90168c-bc56-5688-ad64-b5cdabd99b42", "config": {"minute": 5, "redis_host": null}}
`

const document = `_format_version: "3.0"
_transform: false
basicauth_credentials:
- username: u
  id: b8b13216-f8d0-5482-8264-f38e673a5811
  consumer: 0b2e2520-8980-505a-b7a2-769e8dde10c3
  password: c4b9e96639197e9a2f0d3641ae84300c27017a90
  tags: ~
certificates:
- id: 27abdf18-c73a-4b94-a42d-a61879e7cb7c
  cert: |
    -----BEGIN CERTIFICATE-----
    MIIB

    -----END CERTIFICATE-----
routes:
- id: d885141f-606d-5a82-85b1-19fd73b6f8e7
  name: '123'
  service: 72734e2a-702d-5711-b9ef-697178108ad8
  regex_priority: 0
  paths:
    - /a
plugins:
- "name": "rate-limiting"
  "id": "5d90168c-bc56-5688-ad64-b5cdabd99b42"
  "config":
    "minute": 5
    "redis_host": null
`

func TestDocument(t *testing.T) {
	got, err := imports.Document([]byte(flattened))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != document {
		t.Errorf("got\n%s", got)
	}
}

func TestDocumentOfWhatIsNone(t *testing.T) {
	for _, text := range []string{"routes: 12\n", "- a\n", "routes:\n- [1]\n", "routes:\n- a: 'b\n", "no\n",
		"services:\n- name: a\nroutes:\n- name: b\nservices:\n- name: c\n"} {
		if _, err := imports.Document([]byte(text)); !errors.Is(err, inventory.ErrNotFlattened) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := imports.Document([]byte("_format_version: '3.0'\n_transform: false\nroutes:\n- name: silverback-proof\n")); !errors.Is(err,
		imports.ErrEmpty) {
		t.Errorf("of the reserved route alone: %v", err)
	}
	if _, err := imports.Document([]byte("routes:\n- key: 's3cret\n")); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("an error holds content: %v", err)
	}
}
