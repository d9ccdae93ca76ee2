package translate

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/silverback-gateway/silverback/sources/kubernetes/declarative"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// addCredential gives a consumer the credential of a Secret of its namespace.
func (t *translation) addCredential(c *consumer, name string, all claims) {
	secret, ok := t.secret(c.source.Namespace, name)
	if !ok {
		t.problem(object.ReasonUnresolved, fmt.Sprintf("there is no Secret %s/%s with a credential", c.source.Namespace, name), c.source)
		return
	}
	kind, ok := secret.Labels[labelCredential]
	if !ok {
		t.problem(object.ReasonInvalid, "a Secret with a credential needs the label "+labelCredential, secret, c.source)
		return
	}
	add, ok := credentials[kind]
	if !ok {
		t.problem(object.ReasonUnsupported, "there are no credentials of the kind that the label "+labelCredential+" says", secret, c.source)
		return
	}
	reader := &credential{data: secret.Data}
	unique := add(&c.Consumer, reader, tagsOf(secret))
	if len(reader.wrong) > 0 {
		t.problem(object.ReasonInvalid, kind+": "+strings.Join(reader.wrong, "; "), secret, c.source)
	}
	if reader.unusable {
		return
	}
	c.secrets = append(c.secrets, credentialSource{kind, object.RefOf(secret)})
	if unique.field != "" {
		all[unique] = append(all[unique], claimant{secret, c.source})
	}
}

// credential reads the fields of a credential, and notes what is wrong with them without saying what stands there.
type credential struct {
	data     map[string][]byte
	wrong    []string
	unusable bool
}

// must is a field that has to be there.
func (r *credential) must(name string) string {
	value, ok := r.data[name]
	if !ok {
		r.wrong, r.unusable = append(r.wrong, "it has no "+name), true
	}
	return string(value)
}

func (r *credential) may(name string) *string {
	value, ok := r.data[name]
	if !ok {
		return nil
	}
	return new(string(value))
}

// ttl is the number of seconds that a key lives; a wrong one is as none.
func (r *credential) ttl() *int {
	value, ok := r.data["ttl"]
	if !ok {
		return nil
	}
	n, err := strconv.Atoi(string(value))
	if err != nil {
		r.wrong = append(r.wrong, "its ttl is no number")
		return nil
	}
	return new(n)
}

// hashSecret is whether Kong keeps the secret hashed; a wrong one is false.
func (r *credential) hashSecret() *bool {
	value, ok := r.data["hash_secret"]
	if !ok {
		return nil
	}
	yes, err := strconv.ParseBool(string(value))
	if err != nil {
		r.wrong = append(r.wrong, "its hash_secret is neither true nor false")
	}
	return new(yes)
}

// addFunc adds a credential, unless it turns out unusable, and says what of it must be unique.
type addFunc func(*declarative.Consumer, *credential, []string) claim

// credentials are the kinds of credentials by the word of the label. The longer words are those of older controllers.
var credentials = map[string]addFunc{
	"key-auth": addKeyAuth, "basic-auth": addBasicAuth, "hmac-auth": addHMACAuth, "jwt": addJWT, "acl": addACL, "oauth2": addOAuth2,
	"mtls-auth": addMTLSAuth,
}

func appendUsable[T any](to *[]T, made T, r *credential) {
	if !r.unusable {
		*to = append(*to, made)
	}
}

func addKeyAuth(c *declarative.Consumer, r *credential, tags []string) claim {
	made := declarative.KeyAuth{Key: r.must("key"), TTL: r.ttl(), Tags: tags}
	appendUsable(&c.KeyAuths, made, r)
	return claim{"key of key-auth", made.Key}
}

func addBasicAuth(c *declarative.Consumer, r *credential, tags []string) claim {
	made := declarative.BasicAuth{Username: r.must("username"), Password: r.may("password"), Tags: tags}
	appendUsable(&c.BasicAuths, made, r)
	return claim{"username of basic-auth", made.Username}
}

func addHMACAuth(c *declarative.Consumer, r *credential, tags []string) claim {
	made := declarative.HMACAuth{Username: r.must("username"), Secret: r.may("secret"), Tags: tags}
	appendUsable(&c.HMACAuths, made, r)
	return claim{"username of hmac-auth", made.Username}
}

func addJWT(c *declarative.Consumer, r *credential, tags []string) claim {
	made := declarative.JWT{
		Key: r.must("key"), Algorithm: string(r.data["algorithm"]), Secret: r.may("secret"), RSAPublicKey: r.may("rsa_public_key"), Tags: tags,
	}
	if made.Algorithm == "" {
		made.Algorithm = "HS256"
	}
	appendUsable(&c.JWTs, made, r)
	return claim{"key of jwt", made.Key}
}

func addACL(c *declarative.Consumer, r *credential, tags []string) claim {
	appendUsable(&c.ACLs, declarative.ACL{Group: r.must("group"), Tags: tags}, r)
	return claim{}
}

func addOAuth2(c *declarative.Consumer, r *credential, tags []string) claim {
	made := declarative.OAuth2{
		Name: r.must("name"), ClientID: r.must("client_id"), ClientSecret: r.may("client_secret"), ClientType: r.may("client_type"),
		HashSecret: r.hashSecret(), Tags: tags,
	}
	if uris, ok := r.data["redirect_uris"]; ok {
		made.RedirectURIs = strings.Split(string(uris), ",")
	}
	appendUsable(&c.OAuth2s, made, r)
	return claim{"client_id of oauth2", made.ClientID}
}

func addMTLSAuth(c *declarative.Consumer, r *credential, tags []string) claim {
	made := declarative.MTLSAuth{SubjectName: r.must("subject_name"), Tags: tags}
	if _, ok := r.data["ca_certificate"]; ok {
		r.wrong, r.unusable = append(r.wrong, "a ca_certificate cannot be given in a Secret"), true
	}
	appendUsable(&c.MTLSAuths, made, r)
	return claim{}
}

// kongCredential is the plural of Kong's kind for a kind of credential.
var kongCredential = map[string]string{
	"key-auth": "keyauth_credentials", "basic-auth": "basicauth_credentials", "hmac-auth": "hmacauth_credentials", "jwt": "jwt_secrets",
	"acl": "acls", "oauth2": "oauth2_credentials", "mtls-auth": "mtls_auth_credentials",
}
