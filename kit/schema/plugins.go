package schema

// What some plugins demand of their configuration as a whole.

// oauth2Flow: a plugin without any flow could serve nobody.
func oauth2Flow(c *checker, r *record, values object) {
	flows := []string{"enable_authorization_code", "enable_implicit_grant", "enable_client_credentials", "enable_password_grant"}
	for _, flow := range flows {
		if c.get(r, values, []string{flow}) == true {
			return
		}
	}
	c.whole(MissingField, "at least one of these fields must be true: enable_authorization_code, enable_implicit_grant, enable_client_credentials, enable_password_grant")
}

// limitOrder: the limit of a longer period cannot be lower than that of a shorter one.
func limitOrder(c *checker, _ *record, values object) {
	shorter, least := "", 0.0
	for _, period := range []string{"second", "minute", "hour", "day", "month", "year"} {
		n, ok := number(values[period])
		if !ok {
			continue
		}
		if shorter != "" && n < least {
			c.whole(BadValue, "The limit for "+period+" cannot be lower than the limit for "+shorter)
			return
		}
		shorter, least = period, n
	}
}

// terminationBody: a message is put into Kong's own body, so there cannot be another.
func terminationBody(c *checker, _ *record, values object) {
	switch {
	case values["message"] != nil && (values["content_type"] != nil || values["body"] != nil):
		c.whole(BadValue, "message cannot be used with content_type or body")
	case values["content_type"] != nil && values["body"] == nil:
		c.whole(BadValue, "content_type requires a body")
	}
}

// whole adds an error about a record that is a field, unless something in it is wrong.
func (c *checker) whole(rule Rule, message string) {
	if !c.wrong(c.path) {
		c.add(rule, message)
	}
}

// filters: a gateway without WebAssembly has no filters at all, and says so.
func filters(c *checker, r *record, _ object) {
	f := r.fields["filters"]
	if f == nil || f.elements == nil || f.elements.rec == nil {
		return
	}
	name := f.elements.rec.fields["name"]
	if name == nil {
		return
	}
	for _, rule := range name.rules {
		if rule.rule == Unsupported {
			c.entity(Unsupported, "wasm support is not enabled")
			return
		}
	}
}
