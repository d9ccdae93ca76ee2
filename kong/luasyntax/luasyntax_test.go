package luasyntax_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kong/luasyntax"
)

// TestTaken: what LuaJIT compiles, some of it beyond Lua 5.1.
func TestTaken(t *testing.T) {
	for _, text := range []string{
		"", "return", "return;", "return function(conf) kong.response.exit(200, {a = 1}) end", "local os = require \"os\"", "error('x')", ";;",
		"#!/usr/bin/lua\nreturn 1", "\ufeffreturn 1", "-- c", "--[[ a\nb ]] return", "--[==[ ]] ]==]", "x = [==[\n]]]==]",
		"goto x; ::x::", "while a do break; local x = 1 end", "while a do if b then break end f() end", "for i = 1, 2 do break end",
		"x = 0x1p4 + 1LL + 0xffULL + 1i + 0b101 + .5 + 5. + 1e-5 + 08", `x = '\x41\z  b\065\u{41}\'\\'`, "x = 'a\\\nb'", "local é = 1; é = é",
		"f'x' f{1} f[[x]] a:b(1) a.b.c = d[1] f\n(x)", "return ...", "local function f(...) return ... end", "x = {1, 2; 3, a = 1, [1] = 2,}",
		"if a then b() elseif c then d() else e() end", "repeat local b = 1 until b", strings.Repeat("x = 1\n", 20_000),
	} {
		if err := luasyntax.Check(text); err != nil {
			t.Errorf("%.60q: %v", text, err)
		}
	}
}

func TestRefused(t *testing.T) {
	for text, want := range map[string]string{
		"return (1":                   "line 1: the chunk ends too early",
		"x = 1\nif a then\n":          "line 2: the chunk ends too early",
		"a = 1\nb = }":                "line 2: syntax error near '}'",
		"x = 1\nend":                  "line 2: syntax error near 'end'",
		"return 1; x = 2":             "line 1: syntax error",
		"function (a) end":            "line 1: syntax error near '('",
		"break":                       "line 1: break outside of a loop",
		"goto x":                      "line 2: goto a label that is not visible",
		"function f() return ... end": "line 1: '...' outside of a function with a variable number of arguments",
		"x = 'secret\ny":              "line 1: a string does not end on its line",
		"x = '\\q'":                   "line 1: an escape sequence of a string is not valid",
		"x = '\\300'":                 "line 1: an escape sequence of a string is not valid",
		"\nx = '\\":                   "line 2: a string does not end",
		"x = [[a":                     "line 1: a long string does not end",
		"\n--[==[ a ]]":               "line 2: a long comment does not end",
		"x = 1..2":                    "line 1: a number is not well formed",
		"x = 3x":                      "line 1: a number is not well formed",
		"a.1 = 2":                     "line 1: syntax error",
		"x = a != b":                  "line 1: a character that Lua does not use",
		"x = $(a)":                    "line 1: a character that Lua does not use",
		"x = secret secret":           "line 1: the chunk ends too early",
		"while true\nbreak":           "line 2: syntax error",
		"x = [=a":                     "line 1: a long string begins with something else than a bracket",
	} {
		err := luasyntax.Check(text)
		var wrong *luasyntax.Error
		if !errors.As(err, &wrong) || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

// TestHostile: neither depth nor length brings the reader down.
func TestHostile(t *testing.T) {
	for _, part := range []string{"(", "{", "f(", "do ", "function() ", "not ", "- ", "a..", "2^", "[[", "if a then ", "x = {{", "\\",
		"\x00"} {
		_ = luasyntax.Check("x = " + strings.Repeat(part, luasyntax.MaxLength/len(part)-10))
	}
	if err := luasyntax.Check(strings.Repeat("(", luasyntax.MaxLength+1)); err != nil {
		t.Errorf("beyond the longest: %v", err)
	}
}

func FuzzCheck(f *testing.F) {
	for _, seed := range []string{"return function() end", "x = '\\x41' .. [==[a]==] -- c", "for k, v in pairs(t) do goto a ::a:: break end",
		"x = 0x1p4LL"} {
		f.Add(seed)
	}
	f.Fuzz(func(_ *testing.T, text string) { _ = luasyntax.Check(text) })
}
