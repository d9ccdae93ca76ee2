package identity_test

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kit/identity"
)

func TestURIsAreReadAsTheyAreWritten(t *testing.T) {
	for _, i := range []identity.Identity{
		{Kind: identity.Node, Group: "eu-west", Name: "kong-1"},
		{Kind: identity.Service, Name: "registry"},
		{Kind: identity.User, Name: "ann", Role: identity.Viewer},
		{Kind: identity.User, Name: "ci", Role: identity.Submitter},
		{Kind: identity.User, Name: "ops", Role: identity.Operator},
		{Kind: identity.User, Name: "root", Role: identity.Admin},
	} {
		uri, err := url.Parse(i.URI("example.org").String())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := identity.Parse("example.org", uri); err != nil || got != i {
			t.Errorf("%s was read as %v, %v", uri, got, err)
		}
	}
}

func TestOtherURIsAreNobody(t *testing.T) {
	for text, says := range map[string]string{
		"spiffe://elsewhere/user/ann/admin":                                "trust domain",
		"https://silverback/user/ann/admin":                                "trust domain",
		"spiffe://silverback.evil/user/ann/admin":                          "trust domain",
		"spiffe://silverback":                                              "none of the forms",
		"spiffe://silverback/user/ann":                                     "none of the forms",
		"spiffe://silverback/user/ann/root":                                "role",
		"spiffe://silverback/user/ann/admin/":                              "none of the forms",
		"spiffe://silverback/user//admin":                                  "none of the forms",
		"spiffe://silverback/user/ann/admin?x=1":                           "none of the forms",
		"spiffe://silverback/node/g/a/b":                                   "none of the forms",
		"spiffe://silverback/node/UPPER/n":                                 "group",
		"spiffe://silverback/service/registry/more":                        "none of the forms",
		"spiffe://silverback/operator/ann":                                 "none of the forms",
		"spiffe://ann@silverback/service/registry":                         "none of the forms",
		"spiffe://silverback/user/ann/admin?":                              "none of the forms",
		"spiffe://silverback/user%2Feve/admin":                             "percent-encoded",
		"spiffe://silverback/user/eve%2Fadmin":                             "percent-encoded",
		"spiffe://silverback/user/eve%0Aadmin/admin":                       "percent-encoded",
		"spiffe://silverback/user/eve%1B[2J/viewer":                        "percent-encoded",
		"spiffe://silverback/node/default%2Fkong-1":                        "percent-encoded",
		"spiffe://silverback/user/\u202eeve/viewer":                        "percent-encoded",
		"spiffe://silverback/user/../admin":                                "none of the forms",
		"spiffe://silverback/user/a;b/admin":                               "none of the forms",
		"spiffe://silverback/user/" + strings.Repeat("a", 8000) + "/admin": "8031 bytes",
	} {
		uri, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if who, err := identity.Parse("silverback", uri); err == nil || !strings.Contains(err.Error(), says) || len(err.Error()) > 600 ||
			strings.ContainsFunc(err.Error(), clean.Unsafe) {
			t.Errorf("%s was read as %v, %v; want %q", text, who, err, says)
		}
	}
}

// Deny by default is only as good as the table is whole: a new rpc must be given its rule on purpose.
func TestEveryMethodHasARule(t *testing.T) {
	count := 0
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		services := file.Services()
		for i := range services.Len() {
			service := services.Get(i)
			if !strings.HasPrefix(string(service.FullName()), "silverback.") {
				continue
			}
			for j := range service.Methods().Len() {
				count++
				method := "/" + string(service.FullName()) + "/" + string(service.Methods().Get(j).Name())
				if _, ok := identity.RuleOf(method); !ok {
					t.Errorf("%s has no rule: it is denied to everybody", method)
				}
			}
		}
		return true
	})
	if count < 30 {
		t.Errorf("%d methods were walked", count)
	}
	if _, ok := identity.RuleOf("/silverback.registry.v1.RegistryService/NoSuchThing"); ok {
		t.Error("a method that nobody wrote a rule for has one")
	}
}

func TestNobodyIsLetInWithoutATable(t *testing.T) {
	if (identity.Rule{}).Allows(identity.Identity{Kind: identity.User, Name: "root", Role: identity.Admin}) {
		t.Error("an admin was let in without a rule")
	}
	if _, err := (identity.Access{TrustDomain: "silverback"}).Call(context.Background(), "/x/y"); err == nil {
		t.Error("a call without a connection was let in")
	}
}
