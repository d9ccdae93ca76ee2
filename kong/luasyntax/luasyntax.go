// Package luasyntax reports whether LuaJIT would refuse to compile a chunk of Lua, as it does with the functions of the plugins
// pre-function and post-function. The grammar is gopher-lua's, which is that of Lua 5.1 with goto. What LuaJIT adds to it (escapes,
// numbers, names beyond ASCII) is replaced by plain Lua first.
//
// A chunk that the two may treat differently is accepted: the gateway decides. No code is run.
package luasyntax

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/parse"
)

// MaxLength is the longest chunk that is checked, in bytes. Longer ones are accepted.
const MaxLength = 64 << 10

// Error is what is wrong with a chunk. It holds none of the chunk's names or strings.
type Error struct {
	Line    int // from 1
	Message string
}

// Error returns the message with the line.
func (e *Error) Error() string { return "line " + strconv.Itoa(e.Line) + ": " + e.Message }

// Check checks a chunk. The error is an *Error, or nil.
func Check(text string) error {
	if len(text) > MaxLength || strings.HasPrefix(text, "\x1bLJ") { // compiled Lua
		return nil
	}
	plain, err := simplify(text)
	if err != nil {
		return err
	}
	return grammar(plain)
}

// grammar parses with gopher-lua, which may panic on unexpected input.
func grammar(plain string) (err error) {
	defer func() {
		if recover() != nil {
			err = nil
		}
	}()
	chunk, failed := parse.Parse(strings.NewReader(plain), "")
	var syntax *parse.Error
	if errors.As(failed, &syntax) {
		if strings.Contains(syntax.Message, "ambiguous") {
			return nil // a call over two lines, which LuaJIT takes
		}
		line := syntax.Pos.Line
		if line < 1 {
			return &Error{1 + strings.Count(strings.TrimRight(plain, "\n "), "\n"), "the chunk ends too early"}
		}
		return &Error{line, "syntax error" + near(syntax.Token)}
	}
	if failed != nil {
		return nil
	}
	_, failed = lua.Compile(chunk, "")
	var compiling *lua.CompileError
	if !errors.As(failed, &compiling) {
		return nil
	}
	for words, says := range map[string]string{
		"no loop to break":     "break outside of a loop",
		"cannot use '...'":     "'...' outside of a function with a variable number of arguments",
		"no visible label":     "goto a label that is not visible",
		"jumps into the scope": "goto jumps into the scope of a local",
		"already defined":      "a label is defined twice",
	} {
		if strings.Contains(compiling.Message, words) {
			return &Error{max(1, compiling.Line), says}
		}
	}
	return nil // a limit of gopher-lua
}

// near returns a token that belongs to the language itself.
func near(token string) string {
	if token == "" || len(token) > 8 || strings.ContainsAny(token, `"0s`) && token != "else" && token != "elseif" && token != "false" {
		return ""
	}
	words := " and break do else elseif end false for function goto if in local nil not or repeat return then true until while "
	letters := strings.ContainsFunc(token, func(r rune) bool { return r == '_' || r|0x20 >= 'a' && r|0x20 <= 'z' })
	if letters && !strings.Contains(words, " "+token+" ") {
		return ""
	}
	return fmt.Sprintf(" near '%s'", token)
}
