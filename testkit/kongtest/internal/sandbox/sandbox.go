// Package sandbox compiles and runs the Lua functions of the plugins pre-function and post-function, with a part of what Kong's own sandbox
// offers.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/parse"
)

// Compile compiles one function, as the body of a chunk, like Kong.
func Compile(source string) (*lua.FunctionProto, error) {
	chunk, err := parse.Parse(strings.NewReader(source), "pre-function")
	if err != nil {
		return nil, err
	}
	return lua.Compile(chunk, "pre-function")
}

// Exit is an answer by kong.response.exit.
type Exit struct {
	Status int
	Body   any // nil, a string, or plain JSON values
	Header map[string]string
}

// Call is what a function may read of the request and the worker.
type Call struct {
	ClientIP        string
	Worker, Workers int
	PID             int
	Method          string
	Scheme, Host    string // the host without its port
	Port            int    // of the listener
	Path            string // normal
	RawPath         string // as sent
	RawQuery        string // without the question mark
	Header, Query   func(name string) string
}

// timeout ends a function that does not end. Kong has no such limit, but a test should fail rather than hang.
const timeout = 2 * time.Second

// Run runs one function in a sandbox of its own. It returns nil when the function did not exit. The sandbox offers kong.client.get_ip,
// kong.response.exit, a part of kong.request, and ngx.worker.
func Run(ctx context.Context, proto *lua.FunctionProto, c Call) (*Exit, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	L := lua.NewState(lua.Options{SkipOpenLibs: true, CallStackSize: 64, RegistrySize: 1024, RegistryMaxSize: 64 * 1024})
	defer L.Close()
	L.SetContext(ctx)
	openSandbox(L)
	var left *Exit
	offer(L, c, &left)
	L.Push(L.NewFunctionFromProto(proto))
	err := L.PCall(0, lua.MultRet, nil)
	if left != nil {
		return left, nil
	}
	if err != nil {
		return nil, err
	}
	// A chunk may return a function, which Kong then runs at each request.
	if fn, ok := L.Get(-1).(*lua.LFunction); ok {
		L.Push(fn)
		if err := L.PCall(0, 0, nil); err != nil && left == nil {
			return nil, err
		}
	}
	return left, nil
}

// openSandbox opens the harmless libraries and takes the rest of base away.
func openSandbox(L *lua.LState) {
	for name, open := range map[string]lua.LGFunction{
		"": lua.OpenBase, lua.TabLibName: lua.OpenTable, lua.StringLibName: lua.OpenString, lua.MathLibName: lua.OpenMath,
	} {
		L.Push(L.NewFunction(open))
		L.Push(lua.LString(name))
		L.Call(1, 0)
	}
	for _, name := range []string{
		"dofile", "loadfile", "load", "loadstring", "require", "module", "collectgarbage", "print", "getfenv", "setfenv", "newproxy",
		"_printregs",
	} {
		L.SetGlobal(name, lua.LNil)
	}
}

// errExit unwinds the function: code after kong.response.exit never runs.
var errExit = errors.New("exit")

func offer(L *lua.LState, c Call, left **Exit) {
	text := func(get func() string) lua.LGFunction {
		return func(L *lua.LState) int {
			L.Push(lua.LString(get()))
			return 1
		}
	}
	named := func(get func(string) string) lua.LGFunction {
		return func(L *lua.LState) int {
			value := get(L.CheckString(1))
			if value == "" {
				L.Push(lua.LNil)
			} else {
				L.Push(lua.LString(value))
			}
			return 1
		}
	}
	number := func(n int) lua.LGFunction {
		return func(L *lua.LState) int {
			L.Push(lua.LNumber(n))
			return 1
		}
	}
	response := map[string]lua.LGFunction{"exit": func(L *lua.LState) int {
		e := &Exit{Status: L.CheckInt(1)}
		if L.GetTop() > 1 {
			body, err := plainLua(L.Get(2), 0)
			if err != nil {
				L.RaiseError("%v", err)
			}
			e.Body = body
		}
		if table, ok := L.Get(3).(*lua.LTable); ok {
			e.Header = map[string]string{}
			table.ForEach(func(name, value lua.LValue) { e.Header[name.String()] = value.String() })
		}
		*left = e
		L.RaiseError("%v", errExit)
		return 0
	}}
	module := func(fields map[string]map[string]lua.LGFunction) *lua.LTable {
		t := L.NewTable()
		for name, functions := range fields {
			t.RawSetString(name, L.SetFuncs(L.NewTable(), functions))
		}
		return t
	}
	clientIP := text(func() string { return c.ClientIP })
	scheme, host, port := text(func() string { return c.Scheme }), text(func() string { return c.Host }), number(c.Port)
	L.SetGlobal("kong", module(map[string]map[string]lua.LGFunction{
		"client":   {"get_ip": clientIP, "get_forwarded_ip": clientIP},
		"response": response,
		"request": {
			"get_method": text(func() string { return c.Method }),
			"get_scheme": scheme, "get_host": host, "get_port": port,
			// No client is trusted to have forwarded anything, as in Kong by default.
			"get_forwarded_scheme": scheme, "get_forwarded_host": host, "get_forwarded_port": port,
			"get_path":      text(func() string { return c.Path }),
			"get_raw_path":  text(func() string { return c.RawPath }),
			"get_raw_query": text(func() string { return c.RawQuery }),
			"get_path_with_query": text(func() string {
				if c.RawQuery == "" {
					return c.RawPath
				}
				return c.RawPath + "?" + c.RawQuery
			}),
			"get_header": named(c.Header), "get_query_arg": named(c.Query),
		},
	}))
	L.SetGlobal("ngx", module(map[string]map[string]lua.LGFunction{
		"worker": {"id": number(c.Worker), "count": number(c.Workers), "pid": number(c.PID)},
	}))
}

// plainLua turns a Lua value into what encoding/json writes.
func plainLua(value lua.LValue, depth int) (any, error) {
	switch value := value.(type) {
	case *lua.LNilType:
		return nil, nil
	case lua.LBool:
		return bool(value), nil
	case lua.LNumber:
		if whole := int64(value); lua.LNumber(whole) == value {
			return whole, nil
		}
		return float64(value), nil
	case lua.LString:
		return string(value), nil
	case *lua.LTable:
		return plainTable(value, depth)
	}
	return nil, fmt.Errorf("cannot encode a %s", value.Type())
}

func plainTable(table *lua.LTable, depth int) (any, error) {
	if depth > 50 {
		return nil, errors.New("excessively nested table")
	}
	if n := table.Len(); n > 0 {
		list := make([]any, 0, n)
		for i := 1; i <= n; i++ {
			item, err := plainLua(table.RawGetInt(i), depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, item)
		}
		return list, nil
	}
	object := map[string]any{}
	var failed error
	table.ForEach(func(key, value lua.LValue) {
		item, err := plainLua(value, depth+1)
		if err != nil {
			failed = err
		}
		object[key.String()] = item
	})
	return object, failed
}
