package entity

// credentialKinds are the kinds of consumers' credentials. Their keys are secrets and never appear in a message.
func credentialKinds() []Kind {
	owner := func() Field { return ref("consumer", "consumers", required) }
	ttl := func() Field { return integer("ttl", extra) }
	return []Kind{
		{
			Name: "keyauth_credentials", Singular: "keyauth_credential", IDRule: Invented, Invents: []string{"key"},
			Fields: []Field{owner(), str("key", unique, secret), ttl()},
		},
		{
			Name: "basicauth_credentials", Singular: "basicauth_credential", NameField: "username",
			IDRule: ByCacheKey, IDFields: []string{"username"},
			Fields: []Field{owner(), str("username", required, unique), str("password", required, secret)},
		},
		{
			Name: "hmacauth_credentials", Singular: "hmacauth_credential", NameField: "username",
			IDRule: ByCacheKey, IDFields: []string{"username"}, Invents: []string{"secret"},
			Fields: []Field{owner(), str("username", required, unique), str("secret", secret)},
		},
		{
			Name: "jwt_secrets", Singular: "jwt_secret", IDRule: Invented, Invents: []string{"key", "secret"},
			Fields: []Field{
				owner(), str("key", unique, secret), str("secret", secret), pemText("rsa_public_key"),
				str("algorithm", def),
			},
		},
		{
			Name: "acls", Singular: "acl", NameField: "group", IDRule: ByCacheKey, IDFields: []string{"consumer", "group"},
			Scope:  []string{"consumer", "group"},
			Fields: []Field{owner(), str("group", required)},
		},
		{
			Name: "oauth2_credentials", Singular: "oauth2_credential", NameField: "name", IDRule: Invented,
			Invents: []string{"client_id", "client_secret"},
			Fields: []Field{
				owner(), str("name", required), str("client_id", unique, secret), str("client_secret", secret),
				boolean("hash_secret", def), list("redirect_uris", str("")), str("client_type", def),
			},
		},
		{
			Name: "mtls_auth_credentials", Singular: "mtls_auth_credential", NameField: "subject_name", IDRule: Invented,
			Enterprise: true,
			Fields:     []Field{owner(), str("subject_name", required), ref("ca_certificate", "ca_certificates")},
		},
	}
}
