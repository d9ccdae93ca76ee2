package kongtest

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// expression is a compiled route expression of the router flavor "expressions".
// The simulation knows &&, ||, !, parentheses and string comparisons of the
// host, path, method, protocol and headers. Ports and SNIs are read and never
// match: its proxy speaks HTTP alone. Addresses, queries and captures it does not know.
type expression func(requestFields) bool

type requestFields struct {
	req        *http.Request
	host, path string
}

func (f requestFields) get(name string) string {
	switch name {
	case "http.host":
		return f.host
	case "http.path":
		return f.path
	case "http.method":
		return f.req.Method
	case "net.protocol":
		return "http"
	}
	header := strings.ReplaceAll(strings.TrimPrefix(name, "http.headers."), "_", "-")
	return f.req.Header.Get(header)
}

var tokenForm = regexp.MustCompile(`^\s*(&&|\|\||==|!=|\^=|=\^|>=|<=|>|<|~|!|[0-9]+|\(|\)|r#".*?"#|"(?:[^"\\]|\\.)*"|[a-z][a-z0-9_.]*)`)

func parseExpression(source string) (expression, error) {
	var tokens []string
	for rest := source; strings.TrimSpace(rest) != ""; {
		found := tokenForm.FindStringSubmatch(rest)
		if found == nil {
			return nil, fmt.Errorf("cannot read %q", rest)
		}
		tokens = append(tokens, found[1])
		rest = rest[len(found[0]):]
	}
	p := &expressionParser{tokens: tokens}
	expr, err := p.any(0)
	if err != nil {
		return nil, err
	}
	if len(p.tokens) > 0 {
		return nil, fmt.Errorf("expected the end before %q", p.tokens[0])
	}
	return expr, nil
}

type expressionParser struct{ tokens []string }

func (p *expressionParser) next() string {
	if len(p.tokens) == 0 {
		return ""
	}
	token := p.tokens[0]
	p.tokens = p.tokens[1:]
	return token
}

func (p *expressionParser) peek(token string) bool { return len(p.tokens) > 0 && p.tokens[0] == token }

func (p *expressionParser) any(depth int) (expression, error) {
	left, err := p.all(depth)
	for err == nil && p.peek("||") {
		p.next()
		var right expression
		right, err = p.all(depth)
		a, b := left, right
		left = func(f requestFields) bool { return a(f) || b(f) }
	}
	return left, err
}

func (p *expressionParser) all(depth int) (expression, error) {
	left, err := p.one(depth)
	for err == nil && p.peek("&&") {
		p.next()
		var right expression
		right, err = p.one(depth)
		a, b := left, right
		left = func(f requestFields) bool { return a(f) && b(f) }
	}
	return left, err
}

func (p *expressionParser) one(depth int) (expression, error) {
	if depth > maxDepth {
		return nil, errors.New("nested too deep")
	}
	switch token := p.next(); {
	case token == "!":
		inner, err := p.one(depth + 1)
		return func(f requestFields) bool { return !inner(f) }, err
	case token == "(":
		inner, err := p.any(depth + 1)
		if err == nil && p.next() != ")" {
			err = errors.New("expected )")
		}
		return inner, err
	case token == "http.host" || token == "http.path" || token == "http.method" || token == "net.protocol" || strings.HasPrefix(token, "http.headers."):
		return p.comparison(token)
	case token == "net.src.port" || token == "net.dst.port" || token == "tls.sni":
		return p.elsewhere()
	case token != "" && token[0] >= 'a' && token[0] <= 'z':
		return nil, errors.New("Unknown LHS field") //nolint:staticcheck // Kong's words
	}
	return nil, errors.New("expected a predicate")
}

// elsewhere reads a comparison that no request here can satisfy.
func (p *expressionParser) elsewhere() (expression, error) {
	if operator, operand := p.next(), p.next(); !strings.ContainsAny(operator, "=^<>~") || operand == "" {
		return nil, errors.New("expected rhs")
	}
	return func(requestFields) bool { return false }, nil
}

func (p *expressionParser) comparison(name string) (expression, error) {
	operator, quoted := p.next(), p.next()
	var want string
	switch {
	case strings.HasPrefix(quoted, `r#"`):
		want = strings.TrimSuffix(strings.TrimPrefix(quoted, `r#"`), `"#`)
	case strings.HasPrefix(quoted, `"`):
		want = strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(quoted[1 : len(quoted)-1])
	default:
		return nil, errors.New("expected rhs")
	}
	switch operator {
	case "==":
		return func(f requestFields) bool { return f.get(name) == want }, nil
	case "!=":
		return func(f requestFields) bool { return f.get(name) != want }, nil
	case "^=":
		return func(f requestFields) bool { return strings.HasPrefix(f.get(name), want) }, nil
	case "=^":
		return func(f requestFields) bool { return strings.HasSuffix(f.get(name), want) }, nil
	case "~":
		pattern, err := regexp.Compile(want)
		if err != nil {
			return nil, err
		}
		return func(f requestFields) bool { return pattern.MatchString(f.get(name)) }, nil
	}
	return nil, fmt.Errorf("unknown operator %q", operator)
}
