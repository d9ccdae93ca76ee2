package sandbox

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/parse"
)

// Template is a text with Lua expressions, as the request-transformer plugin takes it: $(expression) becomes the value of the expression,
// and nothing where that is nil or false. The zero value is an empty text.
type Template struct {
	text  string
	proto *lua.FunctionProto // nil: the text has no expression
	err   error
}

// Variables are what expressions of a template may read.
type Variables struct {
	Header   http.Header
	Query    url.Values
	Captures map[string]string // of the path that the route was chosen by, by number and name
}

// ErrNoLua says that a template has an expression, and Lua is not allowed.
var ErrNoLua = errors.New("untrusted_lua is off")

// ParseTemplate never fails: a gateway accepts every template, and only rendering a bad one fails.
func ParseTemplate(source string) Template {
	chunk, has, err := templateChunk(source)
	if err != nil || !has {
		return Template{text: source, err: err}
	}
	parsed, err := parse.Parse(strings.NewReader(chunk), "template")
	if err != nil {
		return Template{err: err}
	}
	proto, err := lua.Compile(parsed, "template")
	return Template{proto: proto, err: err}
}

// Text returns the template itself when it has no expression, or an empty string.
func (t Template) Text() string { return t.text }

// Render gives the expressions their values. Allowed is whether Lua is.
func (t Template) Render(ctx context.Context, allowed bool, v Variables) (string, error) {
	switch {
	case t.err != nil:
		return "", t.err
	case t.proto == nil:
		return t.text, nil
	case !allowed:
		return "", ErrNoLua
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	L := lua.NewState(lua.Options{SkipOpenLibs: true, CallStackSize: 64, RegistrySize: 1024, RegistryMaxSize: 64 * 1024})
	defer L.Close()
	L.SetContext(ctx)
	openSandbox(L)
	captures := L.NewTable()
	for name, value := range v.Captures {
		if number, err := strconv.Atoi(name); err == nil {
			captures.RawSetInt(number, lua.LString(value))
			continue
		}
		captures.RawSetString(name, lua.LString(value))
	}
	L.SetGlobal("uri_captures", captures)
	L.SetGlobal("query_params", listed(L, v.Query, func(name string) string { return name }))
	headers := listed(L, v.Header, strings.ToLower)
	L.SetMetatable(headers, L.SetFuncs(L.NewTable(), map[string]lua.LGFunction{"__index": func(L *lua.LState) int {
		name := strings.ReplaceAll(strings.ToLower(L.CheckString(2)), "_", "-")
		L.Push(headers.RawGetString(name))
		return 1
	}}))
	L.SetGlobal("headers", headers)
	L.Push(L.NewFunctionFromProto(t.proto))
	if err := L.PCall(0, 1, nil); err != nil {
		return "", err
	}
	return L.ToString(-1), nil
}

// listed makes a table of values by name: a text, or a list where there are several.
func listed(l *lua.LState, all map[string][]string, key func(string) string) *lua.LTable {
	t := l.NewTable()
	for name, values := range all {
		if len(values) == 1 {
			t.RawSetString(key(name), lua.LString(values[0]))
			continue
		}
		list := l.NewTable()
		for _, value := range values {
			list.Append(lua.LString(value))
		}
		t.RawSetString(key(name), list)
	}
	return t
}

// templateChunk writes a template as a Lua chunk that returns its text.
func templateChunk(source string) (chunk string, has bool, err error) {
	var parts []string
	for {
		before, rest, found := strings.Cut(source, "$(")
		parts = append(parts, quoted(before))
		if !found {
			return "return " + strings.Join(parts, " .. "), has, nil
		}
		end := closing(rest)
		if end < 0 {
			return "", true, errors.New("an expression does not end")
		}
		parts, has = append(parts, "tostring(("+rest[:end]+") or '')"), true
		source = rest[end+1:]
	}
}

// closing is where the parenthesis closes that was opened before the text, or -1. Parentheses in strings of Lua count too, as for Kong.
func closing(text string) int {
	open := 1
	for i := range len(text) {
		switch text[i] {
		case '(':
			open++
		case ')':
			if open--; open == 0 {
				return i
			}
		}
	}
	return -1
}

var luaText = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\x00", `\0`)

func quoted(text string) string { return `"` + luaText.Replace(text) + `"` }
