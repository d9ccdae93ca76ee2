// Package expression is the language of routes in the router flavor "expressions": what Kong accepts, and what matches.
package expression

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/pattern"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/request"
)

// Flavor is the router flavor whose routes may have an expression and a priority.
const Flavor = "expressions"

// maxDepth bounds the nesting of expressions.
const maxDepth = 1000

// Expression is a compiled route expression.
type Expression func(*evaluation) bool

// evaluation is the evaluation of one request. The last comparison with the path that holds is kept, because strip_path removes what it
// compared with.
type evaluation struct {
	request.Request
	matched request.Matched
}

// Match reports whether a request matches, and by what of its path.
func (e Expression) Match(a request.Request) (matched request.Matched, ok bool) {
	look := &evaluation{Request: a}
	ok = e(look)
	return look.matched, ok
}

var (
	tokenForm = regexp.MustCompile(`^\s*(&&|\|\||==|!=|\^=|=\^|>=|<=|>|<|~|!|\(|\)|r#"(?s:.*?)"#|"(?:[^"\\]|\\.)*"` +
		`|[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?:/[0-9]{1,2})?` +
		`|(?:[0-9a-fA-F]{1,4})?:[0-9a-fA-F:]+(?:/[0-9]{1,3})?|-?(?:0x[0-9a-fA-F]+|[0-9]+)|[a-zA-Z][a-zA-Z0-9_.]*)`)
	oldPort   = regexp.MustCompile(`net\.port(\s*[=><!])`)
	unescaped = strings.NewReplacer(`\"`, `"`, `\\`, `\`, `\n`, "\n", `\r`, "\r", `\t`, "\t")
)

// Parse compiles an expression. Its error is for the answer to a configuration.
func Parse(source string) (Expression, error) {
	var tokens []string
	for rest := oldPort.ReplaceAllString(source, "net.dst.port$1"); strings.TrimSpace(rest) != ""; {
		found := tokenForm.FindStringSubmatch(rest)
		if found == nil {
			return nil, fmt.Errorf("cannot read %q", rest)
		}
		tokens = append(tokens, found[1])
		rest = rest[len(found[0]):]
	}
	p := &parser{tokens: tokens}
	expr, err := p.all(0)
	if err != nil {
		return nil, err
	}
	if len(p.tokens) > 0 {
		return nil, fmt.Errorf("expected the end before %q", p.tokens[0])
	}
	return expr, nil
}

type parser struct{ tokens []string }

func (p *parser) next() string {
	if len(p.tokens) == 0 {
		return ""
	}
	token := p.tokens[0]
	p.tokens = p.tokens[1:]
	return token
}

func (p *parser) peek(token string) bool { return len(p.tokens) > 0 && p.tokens[0] == token }

// all reads operands of &&. In Kong's router || binds stronger than &&: a && b || c is a && (b || c).
func (p *parser) all(depth int) (Expression, error) {
	left, err := p.any(depth)
	for err == nil && p.peek("&&") {
		p.next()
		var right Expression
		right, err = p.any(depth)
		a, b := left, right
		left = func(e *evaluation) bool { return a(e) && b(e) }
	}
	return left, err
}

func (p *parser) any(depth int) (Expression, error) {
	left, err := p.one(depth)
	for err == nil && p.peek("||") {
		p.next()
		var right Expression
		right, err = p.one(depth)
		a, b := left, right
		left = func(e *evaluation) bool { return a(e) || b(e) }
	}
	return left, err
}

func (p *parser) one(depth int) (Expression, error) {
	if depth > maxDepth {
		return nil, errors.New("nested too deep")
	}
	switch token := p.next(); {
	case token == "!" && p.peek("("):
		p.next()
		inner, err := p.parenthesised(depth)
		return func(e *evaluation) bool { return !inner(e) }, err
	case token == "(":
		return p.parenthesised(depth)
	case isIdentifier(token):
		return p.predicate(token, comparison{}, depth)
	}
	return nil, errors.New("expected a predicate")
}

func (p *parser) parenthesised(depth int) (Expression, error) {
	inner, err := p.all(depth + 1)
	if err == nil && p.next() != ")" {
		err = errors.New("expected )")
	}
	return inner, err
}

func isIdentifier(token string) bool {
	return token != "" && (token[0] >= 'a' && token[0] <= 'z' || token[0] >= 'A' && token[0] <= 'Z')
}

// predicate reads a comparison, with the functions around its field.
func (p *parser) predicate(name string, c comparison, depth int) (Expression, error) {
	open := 0
	for p.peek("(") && open <= maxDepth-depth {
		switch name {
		case "lower":
			c.lower = true
		case "any":
			c.any = true
		default:
			return nil, fmt.Errorf("unknown transformation function: %s", name)
		}
		p.next()
		name, open = p.next(), open+1
	}
	for range open {
		if p.next() != ")" {
			return nil, errors.New("expected )")
		}
	}
	c.field = fieldNamed(name)
	operator := p.next()
	if operator == "not" && p.peek("in") {
		operator += " " + p.next()
	}
	operand := p.next()
	if operand == "" || isIdentifier(operand) && !strings.HasPrefix(operand, "r#") {
		return nil, errors.New("expected rhs")
	}
	if c.field == nil {
		return nil, errors.New("Unknown LHS field") //nolint:staticcheck // Kong's words
	}
	c.ofPath = name == "http.path"
	return c.compile(operator, operand)
}

// comparison is a predicate while it is read.
type comparison struct {
	field      *requestField
	lower, any bool // of several values all must hold, unless any is asked for
	ofPath     bool
}

// A test compares one value of a field with the operand.
type test func(value string) (matched request.Matched, ok bool)

func (c comparison) compile(operator, operand string) (Expression, error) {
	holds, noted, err := c.test(operator, operand)
	switch {
	case err != nil:
		return nil, err
	case c.lower && c.field.kind != textField:
		return nil, errors.New("lower-case transformation function only supported with String type fields")
	}
	return c.over(holds, noted && c.ofPath), nil
}

// test compiles the comparison with an operand. Noted is whether strip_path knows what was matched.
func (c comparison) test(operator, operand string) (holds test, noted bool, err error) {
	text, isText := literal(operand)
	switch {
	case operator == "~" && isText && c.field.kind == textField:
		holds, err = matches(text)
		return holds, true, err
	case operator == "in" || operator == "not in":
		prefix, err := netip.ParsePrefix(operand)
		if c.field.kind != addressField || err != nil {
			return nil, false, errors.New("In/NotIn operators only supports IP in CIDR")
		}
		return onAddress(func(ip netip.Addr) bool { return prefix.Contains(ip) == (operator == "in") }), false, nil
	case c.field.kind == textField && isText:
		compare := textOperators[operator]
		if compare == nil {
			return nil, false, fmt.Errorf("unknown operator %q", operator)
		}
		noted = operator == "==" || operator == "^=" || operator == "=^"
		return func(value string) (request.Matched, bool) { return request.Matched{Text: text}, compare(value, text) }, noted, nil
	}
	if number, err := strconv.ParseInt(operand, 0, 64); err == nil && c.field.kind == numberField {
		holds, err := compares(operator, number)
		return holds, false, err
	}
	if address, err := netip.ParseAddr(operand); err == nil && c.field.kind == addressField && (operator == "==" || operator == "!=") {
		return onAddress(func(ip netip.Addr) bool { return (ip == address) == (operator == "==") }), false, nil
	}
	return nil, false, errors.New("Type mismatch between the LHS and RHS values of predicate") //nolint:staticcheck // Kong's words
}

// matches compares with a regular expression.
func matches(source string) (test, error) {
	compiled, err := pattern.Compile(source)
	if err != nil {
		return nil, err
	}
	return func(value string) (request.Matched, bool) { return request.Match(compiled, value) }, nil
}

// compares compares with a number.
func compares(operator string, number int64) (test, error) {
	compare := numberOperators[operator]
	if compare == nil {
		return nil, fmt.Errorf("unknown operator %q", operator)
	}
	return func(value string) (request.Matched, bool) {
		got, err := strconv.ParseInt(value, 10, 64)
		return request.Matched{}, err == nil && compare(got, number)
	}, nil
}

// onAddress parses an address for a comparison. Other values never hold.
func onAddress(holds func(netip.Addr) bool) test {
	return func(value string) (request.Matched, bool) {
		ip, err := netip.ParseAddr(value)
		return request.Matched{}, err == nil && holds(ip)
	}
}

// over tests each value of the field. A field without values never holds, whatever the operator.
func (c comparison) over(holds test, noted bool) Expression {
	return func(e *evaluation) bool {
		values := c.field.of(e.Request)
		for _, value := range values {
			if c.lower {
				value = strings.ToLower(value)
			}
			matched, ok := holds(value)
			if ok && noted {
				e.matched = matched
			}
			if ok == c.any {
				return ok
			}
		}
		return len(values) > 0 && !c.any
	}
}

var textOperators = map[string]func(a, b string) bool{
	"==": func(a, b string) bool { return a == b }, "!=": func(a, b string) bool { return a != b },
	"^=": strings.HasPrefix, "=^": strings.HasSuffix, "contains": strings.Contains,
}

var numberOperators = map[string]func(a, b int64) bool{
	"==": func(a, b int64) bool { return a == b }, "!=": func(a, b int64) bool { return a != b },
	">": func(a, b int64) bool { return a > b }, ">=": func(a, b int64) bool { return a >= b },
	"<": func(a, b int64) bool { return a < b }, "<=": func(a, b int64) bool { return a <= b },
}

func literal(token string) (string, bool) {
	switch {
	case strings.HasPrefix(token, `r#"`):
		return strings.TrimSuffix(strings.TrimPrefix(token, `r#"`), `"#`), true
	case strings.HasPrefix(token, `"`):
		return unescaped.Replace(token[1 : len(token)-1]), true
	}
	return "", false
}
