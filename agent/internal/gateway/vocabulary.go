package gateway

import (
	"regexp"
	"strings"
	"unicode"
)

// vocabulary holds the words of Kong and Lua. They may be shown in every message. Other words may be values of the configuration.
var vocabulary = wordSet(
	// Lua's, as its parser names them.
	`and break do else elseif end false for function goto if in local nil not or repeat return then true until while eof name string number`,
	// Kong's types.
	`boolean integer array set map record foreign table null`,
	// Its kinds, and the fields that refer to them.
	`service services route routes consumer consumers consumer_group consumer_groups plugin plugins upstream upstreams target targets
	certificate certificates sni snis ca_certificate ca_certificates vault vaults key keys key_set key_sets filter_chain filter_chains acl acls
	keyauth_credentials basicauth_credentials hmacauth_credentials jwt_secrets oauth2_credentials mtls_auth_credentials workspace `+
		`workspaces parameters`,
	// Fields of its core kinds.
	`id name tags config protocols enabled instance_name ordering created_at updated_at cert cert_alt key_alt cert_digest username custom_id
	password secret algorithm rsa_public_key client_id client_secret client_type hash_secret redirect_uris group ttl kid jwk pem `+
		`private_key public_key
	prefix description filters`,
)

func wordSet(lists ...string) map[string]bool {
	set := map[string]bool{}
	for _, list := range lists {
		for _, word := range strings.Fields(list) {
			set[word] = true
		}
	}
	return set
}

var (
	// chunk is the name that Lua gives to code without a file: the code itself.
	chunk    = regexp.MustCompile(`(?s)\[string ".*?"\]:(\d+):`)
	chunkEnd = regexp.MustCompile(`"\]:\d+:`)
	// near is the end of a syntax error of Lua: the unexpected token in quotes. The token may hold quotes too.
	near = regexp.MustCompile(`(?s)\bnear '(.*)'\s*$`)
	// between separates the words of a quoted text.
	between = func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) }
)

// signs is how many characters of punctuation alone may be shown: Lua's longest operator has three.
const signs = 3

// known reports whether a quoted text consists of words of the vocabulary and names of fields only.
func (s scrubber) known(text string) bool {
	list := strings.FieldsFunc(text, between)
	if len(list) == 0 {
		return len([]rune(text)) <= signs
	}
	for _, word := range list {
		if !vocabulary[word] && !s.fields[word] {
			return false
		}
	}
	// A password may be made of these words. Only names join them with a dot.
	return strings.Trim(text, "<>") == strings.Join(list, ".")
}

// lua removes the code from an error of Lua. The text and the line number stay.
func (s scrubber) lua(message string) string {
	at := chunk.FindStringSubmatchIndex(message)
	switch {
	case at == nil:
	case len(chunkEnd.FindAllString(message, 2)) > 1: // the code itself may hold the end mark
		return message[:at[0]] + `[string "..."]: ` + redacted
	default:
		message = message[:at[0]] + `[string "..."]:` + message[at[2]:at[3]] + ":" + message[at[1]:]
	}
	if at := near.FindStringSubmatchIndex(message); at != nil && !s.known(message[at[2]:at[3]]) {
		message = message[:at[0]] + "near " + redacted
	}
	return message
}
