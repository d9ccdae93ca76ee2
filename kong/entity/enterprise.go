package entity

// enterpriseKinds are kinds that the open-source edition refuses. Each gateway decides which of them it takes.
func enterpriseKinds() []Kind {
	byName := func(name, singular string, fields ...Field) Kind {
		return Kind{
			Name: name, Singular: singular, NameField: "name", IDRule: ByName, IDFields: []string{"name"},
			Enterprise: true, Fields: fields,
		}
	}
	name := func() Field { return str("name", required, unique) }
	groups := byName("consumer_groups", "consumer_group", name())
	groups.Children = []Child{{Key: "plugins", Kind: "plugins", Ref: "consumer_group"}}
	return []Kind{
		groups,
		{
			Name: "consumer_group_consumers", Singular: "consumer_group_consumer", IDRule: ByCacheKey, Enterprise: true,
			IDFields: []string{"consumer_group", "consumer"}, Scope: []string{"consumer_group", "consumer"},
			Fields: []Field{ref("consumer", "consumers", required), ref("consumer_group", "consumer_groups", required)},
		},
		{
			Name: "plugins_partials", Singular: "plugins_partial", IDRule: ByCacheKey, Enterprise: true,
			IDFields: []string{"plugin", "partial", "path"}, Scope: []string{"plugin", "partial", "path"},
			Fields: []Field{ref("plugin", "plugins", required), ref("partial", "partials", required), str("path")},
		},
		byName("partials", "partial", str("name", unique), str("type", required), object("config")),
		{
			Name: "licenses", Singular: "license", IDRule: Invented, Enterprise: true,
			Fields: []Field{str("payload", required, secret)},
		},
		{
			Name: "degraphql_routes", Singular: "degraphql_route", IDRule: Invented, Enterprise: true,
			Fields: []Field{
				ref("service", "services", required), str("uri", required), str("query", required),
				list("methods", str("")),
			},
		},
		{
			Name: "graphql_ratelimiting_cost_decorations", Singular: "graphql_ratelimiting_cost_decoration",
			NameField: "type_path", IDRule: Invented, Enterprise: true,
			Fields: []Field{
				ref("service", "services"), str("type_path", required), number("add_constant"), number("mul_constant"),
				list("add_arguments", str("")), list("mul_arguments", str("")),
			},
		},
		byName("rbac_roles", "rbac_role", name(), str("comment"), boolean("is_default"),
			list("endpoint_permissions", object(""))),
		byName("cloned_plugins", "cloned_plugin", name(), str("ref", required), integer("priority")),
		byName("custom_plugins", "custom_plugin", name(), str("schema", required), str("handler", required)),
		byName("ai_models", "ai_model", name(), str("alias")),
	}
}
