package entity

func endpoints(name string) Field {
	f := list(name, record("", str("ip", nullIsAbsent), integer("port", nullIsAbsent)))
	return f
}

func health() Field {
	statuses := func() Field { return list("http_statuses", integer("")) }
	count := func(name string) Field { return integer(name) }
	interval := func() Field { return number("interval") }
	return record("healthchecks",
		record("passive",
			str("type"),
			record("healthy", statuses(), count("successes")),
			record("unhealthy", statuses(), count("timeouts"), count("http_failures"), count("tcp_failures")),
		),
		record("active",
			str("type"),
			mapOf("headers", list("", str("")), nullIsAbsent),
			record("healthy", statuses(), count("successes"), interval()),
			record("unhealthy", statuses(), interval(), count("timeouts"), count("http_failures"), count("tcp_failures")),
			number("timeout"),
			integer("concurrency"),
			str("http_path"),
			str("https_sni", nullIsAbsent),
			boolean("https_verify_certificate"),
		),
		number("threshold"),
	)
}

func pluginFields() []Field {
	partials := Field{Name: "partials", Type: Refs, Ref: "partials", Extra: true}
	return []Field{
		str("name", required), str("instance_name", unique),
		ref("route", "routes"), ref("service", "services"), ref("consumer", "consumers"),
		ref("consumer_group", "consumer_groups", extra),
		object("config"), protocols("protocols"), boolean("enabled", def),
		object("ordering", extra), partials, str("condition", extra), ref("model", "ai_models", extra),
	}
}

func coreKinds() []Kind {
	plugins := func(ref string) Child { return Child{Key: "plugins", Kind: "plugins", Ref: ref} }
	chains := func(ref string) Child { return Child{Key: "filter_chains", Kind: "filter_chains", Ref: ref} }
	return []Kind{
		{
			Name: "services", Singular: "service", NameField: "name", IDRule: ByName, IDFields: []string{"name"},
			Children: []Child{{Key: "routes", Kind: "routes", Ref: "service"}, plugins("service"), chains("service"),
				{Key: "degraphql_routes", Kind: "degraphql_routes", Ref: "service"}},
			Fields: []Field{
				str("name", unique), integer("retries", def),
				str("protocol", def),
				str("host", required), integer("port", def), str("path"),
				integer("connect_timeout", def), integer("write_timeout", def), integer("read_timeout", def),
				ref("client_certificate", "certificates"), boolean("tls_verify"), integer("tls_verify_depth"),
				list("ca_certificates", str("")), boolean("enabled", def),
				object("tls_sans", extra),
			},
		},
		{
			Name: "routes", Singular: "route", NameField: "name", IDRule: ByName, IDFields: []string{"name"},
			Children: []Child{plugins("route"), chains("route")},
			Fields: []Field{
				str("name", unique), protocols("protocols"),
				integer("https_redirect_status_code", def), boolean("strip_path", def), boolean("preserve_host", def),
				boolean("request_buffering", def), boolean("response_buffering", def), ref("service", "services"),
				list("snis", str("")), endpoints("sources"), endpoints("destinations"),
				list("methods", str("")), list("hosts", str("")), list("paths", str("")),
				mapOf("headers", list("", str("", warn(HeaderValue)))), integer("regex_priority", def), str("path_handling", def),
				str("expression", extra), integer("priority", extra),
			},
		},
		{
			Name: "consumers", Singular: "consumer", NameField: "username", IDRule: ByName, IDFields: []string{"username"},
			OneOf: []string{"username", "custom_id"},
			Children: []Child{
				plugins("consumer"),
				{Key: "keyauth_credentials", Kind: "keyauth_credentials", Ref: "consumer"},
				{Key: "basicauth_credentials", Kind: "basicauth_credentials", Ref: "consumer"},
				{Key: "hmacauth_credentials", Kind: "hmacauth_credentials", Ref: "consumer"},
				{Key: "jwt_secrets", Kind: "jwt_secrets", Ref: "consumer"},
				{Key: "acls", Kind: "acls", Ref: "consumer"},
				{Key: "oauth2_credentials", Kind: "oauth2_credentials", Ref: "consumer"},
				{Key: "mtls_auth_credentials", Kind: "mtls_auth_credentials", Ref: "consumer"},
			},
			Fields: []Field{str("username", unique), str("custom_id", unique)},
		},
		{
			Name: "plugins", Singular: "plugin", NameField: "name", IDRule: ByCacheKey,
			IDFields: []string{"name", "route", "service", "consumer"},
			Scope:    []string{"name", "route", "service", "consumer", "consumer_group", "model"},
			Fields:   pluginFields(),
		},
		{
			Name: "upstreams", Singular: "upstream", NameField: "name", IDRule: ByName, IDFields: []string{"name"},
			Children: []Child{{Key: "targets", Kind: "targets", Ref: "upstream"}},
			Fields: []Field{
				str("name", required, unique),
				str("algorithm", def), str("hash_on", def), str("hash_fallback", def),
				str("hash_on_header"), str("hash_fallback_header"), str("hash_on_cookie"),
				str("hash_on_cookie_path", def),
				str("hash_on_query_arg"), str("hash_fallback_query_arg"),
				str("hash_on_uri_capture"), str("hash_fallback_uri_capture"),
				integer("slots", def), health(), str("host_header"),
				ref("client_certificate", "certificates"), boolean("use_srv_name", def),
				str("sticky_sessions_cookie", extra), str("sticky_sessions_cookie_path", extra),
			},
		},
		{
			Name: "targets", Singular: "target", NameField: "target", IDRule: ByCacheKey,
			IDFields: []string{"upstream", "target"}, Scope: []string{"upstream", "target"},
			Fields: []Field{
				ref("upstream", "upstreams", required), str("target", required),
				integer("weight", def), boolean("failover", extra),
			},
		},
		{
			Name: "certificates", Singular: "certificate", IDRule: Invented,
			Children: []Child{{Key: "snis", Kind: "snis", Ref: "certificate"}},
			Fields: []Field{
				pemText("cert", required, warn(Expiry)), pemText("key", required),
				pemText("cert_alt", warn(Expiry)), pemText("key_alt"),
			},
		},
		{
			Name: "snis", Singular: "sni", NameField: "name", IDRule: ByName, IDFields: []string{"name"},
			Fields: []Field{str("name", required, unique), ref("certificate", "certificates", required)},
		},
		{
			Name: "ca_certificates", Singular: "ca_certificate", IDRule: Invented,
			Fields: []Field{pemText("cert", required, warn(Expiry)), str("cert_digest", unique)},
		},
		{
			Name: "vaults", Singular: "vault", NameField: "prefix", IDRule: ByCacheKey, IDFields: []string{"prefix"},
			Fields: []Field{
				str("prefix", required, unique), str("name", required),
				str("description"), object("config"),
			},
		},
		{
			Name: "key_sets", Singular: "key_set", NameField: "name", IDRule: ByName, IDFields: []string{"name"},
			Children: []Child{{Key: "keys", Kind: "keys", Ref: "set"}},
			Fields:   []Field{str("name", unique)},
		},
		{
			Name: "keys", Singular: "key", NameField: "name", IDRule: ByCacheKey, IDFields: []string{"kid", "set"},
			Scope: []string{"kid", "set"}, OneOf: []string{"jwk", "pem"},
			Fields: []Field{
				ref("set", "key_sets"), str("name", unique), str("kid", required), str("jwk", secret),
				record("pem", pemText("private_key", nullIsAbsent), pemText("public_key", nullIsAbsent)),
			},
		},
		{
			Name: "filter_chains", Singular: "filter_chain", NameField: "name", IDRule: ByCacheKey,
			IDFields: []string{"route", "service"}, Scope: []string{"route", "service"}, OneOf: []string{"route", "service"},
			Fields: []Field{
				str("name", unique), boolean("enabled", def), ref("route", "routes"), ref("service", "services"),
				list("filters", record("", str("name", required), boolean("enabled"), field("config", Any)), required),
			},
		},
	}
}
