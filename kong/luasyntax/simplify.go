package luasyntax

import (
	"regexp"
	"strings"
)

// simplify rewrites a chunk so that every Lua 5.1 parser reads it, with the same lines and the same structure. Comments become blanks,
// strings "s", numbers 0, bytes beyond ASCII a letter.
func simplify(text string) (string, error) {
	s := scanner{text: strings.TrimPrefix(text, "\ufeff"), line: 1}
	if strings.HasPrefix(s.text, "#") {
		s.skipLine()
	}
	for s.at < len(s.text) {
		if err := s.token(); err != nil {
			return "", err
		}
	}
	return s.out.String(), nil
}

type scanner struct {
	text string
	at   int
	line int
	out  strings.Builder
}

func (s *scanner) fail(line int, message string) error { return &Error{line, message} }

func (s *scanner) rest() string { return s.text[s.at:] }

func (s *scanner) skipLine() {
	if at := strings.IndexAny(s.rest(), "\r\n"); at >= 0 {
		s.at += at
		return
	}
	s.at = len(s.text)
}

// newline skips the end of a line. \r\n is one.
func (s *scanner) newline() {
	if two := s.rest(); strings.HasPrefix(two, "\r\n") || strings.HasPrefix(two, "\n\r") {
		s.at++
	}
	s.at++
	s.line++
	s.out.WriteByte('\n')
}

func isName(c byte) bool {
	return c == '_' || c >= 0x80 || c|0x20 >= 'a' && c|0x20 <= 'z' || isDigit(c)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func (s *scanner) token() error {
	c := s.text[s.at]
	next := byte(0)
	if s.at+1 < len(s.text) {
		next = s.text[s.at+1]
	}
	switch {
	case c == '\n' || c == '\r':
		s.newline()
	case c == '-' && next == '-':
		return s.comment()
	case c == '[' && (next == '[' || next == '='):
		if s.level() >= 0 {
			return s.long("string")
		}
		if next == '=' {
			return s.fail(s.line, "a long string begins with something else than a bracket")
		}
		s.at++
		s.out.WriteByte(c)
	case c == '"' || c == '\'':
		return s.short(c)
	case isDigit(c) || c == '.' && isDigit(next):
		return s.number()
	case isName(c):
		start := s.at
		for s.at < len(s.text) && isName(s.text[s.at]) {
			s.at++
		}
		if s.text[start:s.at] == "break" {
			s.out.WriteString(";do break end") // which may stand anywhere in a block
			return nil
		}
		for _, b := range []byte(s.text[start:s.at]) {
			if b >= 0x80 {
				b = 'u'
			}
			s.out.WriteByte(b)
		}
	case c < ' ' && c != '\t' && c != '\v' && c != '\f', strings.IndexByte("!@$`?\\", c) >= 0, c == 0x7f:
		return s.fail(s.line, "a character that Lua does not use")
	default:
		s.at++
		s.out.WriteByte(c)
	}
	return nil
}

// level counts the equals signs of a long bracket. It returns -1 where there is none.
func (s *scanner) level() int {
	rest := s.rest()[1:]
	bare := strings.TrimLeft(rest, "=")
	if !strings.HasPrefix(bare, "[") {
		return -1
	}
	return len(rest) - len(bare)
}

func (s *scanner) comment() error {
	s.at += 2
	if strings.HasPrefix(s.rest(), "[") && s.level() >= 0 {
		return s.long("comment")
	}
	s.skipLine()
	return nil
}

// long reads the text in long brackets.
func (s *scanner) long(what string) error {
	started, level := s.line, s.level()
	s.at += level + 2
	end := strings.Index(s.rest(), "]"+strings.Repeat("=", level)+"]")
	if end < 0 {
		return s.fail(started, "a long "+what+" does not end")
	}
	if what == "string" {
		s.out.WriteString(`"s"`)
	} else {
		s.out.WriteByte(' ')
	}
	for stop := s.at + end; s.at < stop; {
		if c := s.text[s.at]; c == '\n' || c == '\r' {
			s.newline()
			continue
		}
		s.at++
	}
	s.at += level + 2
	return nil
}

func (s *scanner) short(quote byte) error {
	started := s.line
	s.at++
	s.out.WriteString(`"s"`)
	for s.at < len(s.text) {
		switch c := s.text[s.at]; c {
		case quote:
			s.at++
			return nil
		case '\n', '\r':
			return s.fail(s.line, "a string does not end on its line")
		case '\\':
			s.at++
			if err := s.escape(); err != nil {
				return err
			}
		default:
			s.at++
		}
	}
	return s.fail(started, "a string does not end")
}

var (
	hexadecimal = regexp.MustCompile(`^x[0-9A-Fa-f]{2}`)
	codePoint   = regexp.MustCompile(`^u\{[0-9A-Fa-f]{1,7}\}`)
	decimal     = regexp.MustCompile(`^[0-9]{1,3}`)
)

func (s *scanner) escape() error {
	rest := s.rest()
	if rest == "" {
		return s.fail(s.line, "a string does not end")
	}
	c := rest[0]
	switch {
	case strings.IndexByte("abfnrtv\\\"'", c) >= 0:
		s.at++
	case c == '\n' || c == '\r':
		s.newline()
	case c == 'x':
		if !hexadecimal.MatchString(rest) {
			return s.fail(s.line, "an escape sequence of a string is not valid")
		}
		s.at += 3
	case c == 'u':
		found := codePoint.FindString(rest)
		if found == "" {
			return s.fail(s.line, "an escape sequence of a string is not valid")
		}
		s.at += len(found)
	case c == 'z':
		for s.at++; s.at < len(s.text) && strings.IndexByte(" \t\v\f\r\n", s.text[s.at]) >= 0; {
			if c := s.text[s.at]; c == '\n' || c == '\r' {
				s.newline()
				continue
			}
			s.at++
		}
	case isDigit(c):
		digits := decimal.FindString(rest)
		if len(digits) == 3 && digits > "255" {
			return s.fail(s.line, "an escape sequence of a string is not valid")
		}
		s.at += len(digits)
	default:
		return s.fail(s.line, "an escape sequence of a string is not valid")
	}
	return nil
}

// numeral matches what LuaJIT reads as a number, with its suffixes.
var numeral = regexp.MustCompile(
	`(?i)^(0x([0-9a-f]+\.?[0-9a-f]*|\.[0-9a-f]+)(p[+-]?[0-9]+)?|0b[01]+|([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?)(i|u?ll)?$`)

func (s *scanner) number() error {
	start := s.at
	for s.at < len(s.text) {
		c := s.text[s.at]
		before := s.text[max(start, s.at-1)] | 0x20
		hex := len(s.text) > start+1 && s.text[start] == '0' && s.text[start+1]|0x20 == 'x'
		sign := (c == '+' || c == '-') && s.at > start && (before == 'p' && hex || before == 'e' && !hex)
		if !isName(c) && c != '.' && !sign {
			break
		}
		s.at++
	}
	if !numeral.MatchString(s.text[start:s.at]) {
		return s.fail(s.line, "a number is not well formed")
	}
	s.out.WriteString(" 0 ")
	return nil
}
