package input

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// envPrefix is decK's. No other variable of the caller's environment may be used in a configuration.
const envPrefix = "DECK_"

// maxIndent bounds the indent function, so that a template cannot ask for memory.
const maxIndent = 256

// A LookupEnv returns a variable of the environment, as os.LookupEnv does.
type LookupEnv func(name string) (value string, ok bool)

// A TemplateError is an invalid template of a document. It never holds a variable's value.
type TemplateError struct {
	Document string // as named by the caller
	Line     int    // from 1
	Column   int    // from 1, in bytes
	Message  string // what is wrong, with the remedy
}

// Error formats like every error of a document: name, line, message.
func (e *TemplateError) Error() string {
	return fmt.Sprintf("%s:%d: %s", e.Document, e.Line, e.Message)
}

// Expand substitutes decK's environment templates, such as ${{ env "DECK_HOST" }}, in the text of a document before it is parsed, as decK
// does. It supports the functions toInt, toFloat, toBool and indent N, and refuses all others.
//
// Unlike decK it keeps a value one value: inside quotes it is escaped, as a bare scalar it is quoted when it would change the structure of
// the document, and a value of several lines needs indent or quotes. In a block of text it is inserted unchanged. YAML comments are not
// changed.
func Expand(name string, text []byte, lookup LookupEnv) ([]byte, error) {
	first := bytes.Index(text, []byte("${{"))
	if first < 0 {
		return text, nil
	}
	var out bytes.Buffer
	out.Grow(len(text) + len(text)/8)
	rest, parts := 0, layoutOf(text)
	for at := first; at >= 0; {
		out.Write(text[rest:at])
		if parts.comment(at) {
			out.WriteString("${{")
			rest = at + len("${{")
			if at = bytes.Index(text[rest:], []byte("${{")); at >= 0 {
				at += rest
			}
			continue
		}
		end, tmpl, err := parseTemplate(text[at:])
		if err == nil {
			var value string
			value, err = tmpl.evaluate(lookup)
			if err == nil {
				where := surroundings(text, at, at+end)
				if parts.block(at) {
					where = blockOf(text, at)
				}
				value, err = fit(value, tmpl, where)
			}
			out.WriteString(value)
		}
		if err != nil {
			line := 1 + bytes.Count(text[:at], []byte("\n"))
			column := at - (bytes.LastIndexByte(text[:at], '\n') + 1) + 1
			return nil, &TemplateError{Document: name, Line: line, Column: column, Message: err.Error()}
		}
		rest = at + end
		if at = bytes.Index(text[rest:], []byte("${{")); at >= 0 {
			at += rest
		}
	}
	out.Write(text[rest:])
	return out.Bytes(), nil
}

// template is one parsed ${{ env "NAME" | function }}.
type template struct {
	variable string
	pipes    []pipe
}

type pipe struct {
	function string
	argument int
}

// parseTemplate parses the template at the start of text and returns its end. A template must be on one line.
func parseTemplate(text []byte) (end int, t template, err error) {
	line := text
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		line = line[:i]
	}
	closing := bytes.Index(line, []byte("}}"))
	if closing < 0 {
		return 0, t, fmt.Errorf(`the template is never closed; write ${{ env "DECK_NAME" }}`)
	}
	stages := strings.Split(string(line[len("${{"):closing]), "|")
	words := strings.Fields(stages[0])
	if len(words) == 0 || words[0] != "env" {
		return 0, t, fmt.Errorf(`unknown template function; only ${{ env "DECK_NAME" }} is known`)
	}
	if len(words) != 2 {
		return 0, t, fmt.Errorf(`env takes one name in quotes, as in ${{ env "DECK_NAME" }}`)
	}
	t.variable, err = strconv.Unquote(words[1])
	if err != nil {
		return 0, t, fmt.Errorf(`env takes one name in quotes, as in ${{ env "DECK_NAME" }}`)
	}
	for _, stage := range stages[1:] {
		p, err := parsePipe(strings.Fields(stage))
		if err != nil {
			return 0, t, err
		}
		t.pipes = append(t.pipes, p)
	}
	return closing + len("}}"), t, nil
}

func parsePipe(words []string) (pipe, error) {
	if len(words) == 0 {
		return pipe{}, fmt.Errorf("a function is missing after the pipe; toInt, toFloat, toBool and indent are known")
	}
	p := pipe{function: words[0]}
	switch p.function {
	case "toInt", "toFloat", "toBool":
		if len(words) != 1 {
			return pipe{}, fmt.Errorf("%s takes no argument", p.function)
		}
	case "indent":
		var err error
		if len(words) == 2 {
			p.argument, err = strconv.Atoi(words[1])
		}
		if len(words) != 2 || err != nil || p.argument < 0 || p.argument > maxIndent {
			return pipe{}, fmt.Errorf("indent takes a number of spaces from 0 to %d, as in indent 8", maxIndent)
		}
	default:
		return pipe{}, fmt.Errorf("unknown template function %q; toInt, toFloat, toBool and indent are known", p.function)
	}
	return p, nil
}

// evaluate returns the value. Its errors name the variable and never its value.
func (t template) evaluate(lookup LookupEnv) (string, error) {
	if !strings.HasPrefix(t.variable, envPrefix) {
		return "", fmt.Errorf("environment variable %q may not be read: only names that begin with %s may", t.variable, envPrefix)
	}
	value, ok := lookup(t.variable)
	if !ok {
		return "", fmt.Errorf("environment variable %s is not set", t.variable)
	}
	for _, p := range t.pipes {
		var err error
		switch p.function {
		case "toInt":
			var n int64
			n, err = strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			value = strconv.FormatInt(n, 10)
		case "toFloat":
			var f float64
			f, err = strconv.ParseFloat(strings.TrimSpace(value), 64)
			value = strconv.FormatFloat(f, 'g', -1, 64)
		case "toBool":
			var b bool
			b, err = strconv.ParseBool(strings.TrimSpace(value))
			value = strconv.FormatBool(b)
		case "indent":
			value = strings.ReplaceAll(value, "\n", "\n"+strings.Repeat(" ", p.argument))
		}
		if err != nil {
			return "", fmt.Errorf("the value of environment variable %s is not what %s takes", t.variable, p.function)
		}
	}
	return value, nil
}

func (t template) has(function string) bool {
	for _, p := range t.pipes {
		if p.function == function {
			return true
		}
	}
	return false
}
