package pcre

import (
	"strconv"
	"strings"
)

// escape reads an escape outside of a class, from the character after the backslash.
func (r *reader) escape() {
	if r.at >= len(r.text) {
		r.fail("the expression ends in a backslash")
		return
	}
	c := r.text[r.at]
	r.at++
	switch {
	case c == 'Q':
		text, rest, _ := strings.Cut(r.rest(), `\E`)
		r.at = len(r.text) - len(rest)
		r.item = r.item || text != ""
	case c == 'E':
	case strings.IndexByte("bBAzZG", c) >= 0, c == 'K':
		r.item = false
	case c >= '1' && c <= '9':
		r.item = true
		r.number(c)
	case c == 'g':
		r.item = true
		r.groupReference()
	case c == 'k':
		r.item = true
		end := map[bool]string{strings.HasPrefix(r.rest(), "{"): "}", strings.HasPrefix(r.rest(), "<"): ">",
			strings.HasPrefix(r.rest(), "'"): "'"}[true]
		if end == "" {
			r.fail("\\k needs the name of a group")
			return
		}
		r.at++
		if r.need(r.name()); !r.has(end) {
			r.fail("the name of a group is not closed")
		}
	case strings.IndexByte("CNRX", c) >= 0:
		r.item = true
		if c == 'N' && strings.HasPrefix(r.rest(), "{U+") {
			r.fail("characters by name or number of Unicode are not supported")
		}
	default:
		r.item = true
		r.character(c)
	}
}

// number reads a back-reference. Where there are fewer groups, it reads an octal number.
func (r *reader) number(first byte) {
	digits := string(first)
	for r.at < len(r.text) && isDigit(r.text[r.at]) && len(digits) < 10 {
		digits += string(r.text[r.at])
		r.at++
	}
	switch n := count(digits); {
	case n < 10 || n <= r.groups || first >= '8':
		r.need(digits)
	case first > '3' && len(digits) > 2 && strings.Trim(digits[:3], "01234567") == "":
		r.fail("an octal number is above 377")
	}
}

func (r *reader) groupReference() {
	text := r.rest()
	end := ""
	for open, shut := range map[string]string{"{": "}", "<": ">", "'": "'"} {
		if strings.HasPrefix(text, open) {
			end = shut
			r.at++
		}
	}
	sign := ""
	if r.has("-") {
		sign = "-"
	} else if r.has("+") {
		sign = "+"
	}
	start := r.at
	for r.at < len(r.text) && isDigit(r.text[r.at]) {
		r.at++
	}
	digits := r.text[start:r.at]
	switch {
	case digits == "" && (end == "" || sign != ""):
		r.fail("\\g needs the name or the number of a group")
		return
	case digits == "":
		r.need(r.name())
	case sign == "-":
		if n := count(digits); n == 0 || n > r.groups {
			r.fail("a reference to a group that does not exist")
		}
	case sign == "+":
		r.need(strconv.Itoa(r.groups + count(digits)))
	default:
		r.need(digits)
	}
	if end != "" && !r.has(end) {
		r.fail("a reference to a group is not closed")
	}
}

// character reads the escape of one character or of a class, both of which may also stand in brackets. It reports whether it is a class.
func (r *reader) character(c byte) (class bool) {
	switch {
	case strings.IndexByte("dDhHsSvVwW", c) >= 0:
		return true
	case c == 'p', c == 'P':
		r.property()
		return true
	case strings.IndexByte("aefnrt0", c) >= 0:
	case c == 'c':
		if r.at >= len(r.text) || r.text[r.at] < ' ' || r.text[r.at] > '~' {
			r.fail("\\c must be followed by a printable character")
			return false
		}
		r.at++
	case c == 'o', c == 'x' && strings.HasPrefix(r.rest(), "{"):
		r.code(c)
	case c == 'x':
		for range 2 {
			if r.at < len(r.text) && isHex(r.text[r.at]) {
				r.at++
			}
		}
	case strings.IndexByte("FLlNUu", c) >= 0:
		r.fail("\\F, \\L, \\l, \\N{...}, \\U and \\u are not supported")
	case isLetter(c):
		r.fail("an escape sequence is not recognized")
	}
	return false
}

// code reads the number of a character in braces, which must be one byte.
func (r *reader) code(kind byte) {
	if !r.has("{") {
		r.fail("\\o needs braces")
		return
	}
	base := 16
	if kind == 'o' {
		base = 8
	}
	digits, rest, closed := strings.Cut(r.rest(), "}")
	r.at = len(r.text) - len(rest)
	digits = strings.Trim(digits, " \t") // since 10.43
	n, err := strconv.ParseUint(digits, base, 32)
	switch {
	case !closed || err != nil || digits[0] == '+':
		r.fail("a number in braces is not well formed")
	case n > 0xff:
		r.fail("a character beyond the byte 0xff can only be written as it is")
	}
}

func (r *reader) property() {
	if r.at >= len(r.text) {
		r.fail("a class of Unicode is not complete")
		return
	}
	if !r.has("{") {
		if r.at++; !known(r.text[r.at-1 : r.at]) {
			r.fail("an unknown class of Unicode")
		}
		return
	}
	name, rest, closed := strings.Cut(r.rest(), "}")
	if r.at = len(r.text) - len(rest); !closed {
		r.fail("a class of Unicode is not complete")
		return
	}
	if !known(name) {
		r.fail("an unknown class of Unicode")
	}
}

// posix are the names of classes within brackets.
const posix = " alpha lower upper alnum ascii blank cntrl digit graph print punct space word xdigit "

// class reads a class in brackets.
func (r *reader) class() {
	for _, sign := range []string{":", ".", "="} {
		if isPOSIX(r.text[r.at-1:], sign) {
			r.fail("a POSIX class can only stand within brackets")
			return
		}
	}
	r.item = true
	r.has("^")
	// The last item: -1 when it cannot begin a range, -2 for a class.
	const none, aClass = -1, -2
	last, ranging := none, false
	for first := true; ; first = false {
		for r.has(`\E`) { // \E has no meaning, also before the first item
			continue
		}
		if r.at >= len(r.text) {
			r.fail("a class is not closed")
			return
		}
		c := r.text[r.at]
		next := int(c)
		switch {
		case c == ']' && !first:
			r.at++
			return
		case c == '[' && r.posixClass():
			next = aClass
		case c == '\\':
			r.at++
			var quoted bool
			if next, quoted = r.classEscape(aClass); quoted {
				last, ranging = none, false
				continue
			}
		default:
			r.at++
		}
		if r.wrong != "" {
			return
		}
		switch {
		case ranging && (last == aClass || next == aClass):
			r.fail("a range in a class must be of two characters")
		case ranging && next < last:
			r.fail("a range ends before it begins")
		case ranging:
			last, ranging = none, false
			continue
		}
		if c != '\\' && c != '[' && c == '-' && !first && last != none && !strings.HasPrefix(r.rest(), "]") {
			ranging = true
			continue
		}
		last = next
	}
}

// posixClass reads [:name:] within brackets and fails on [.name.] and [=name=]. It reports whether there was one of them.
func (r *reader) posixClass() bool {
	if isPOSIX(r.rest(), ".") || isPOSIX(r.rest(), "=") {
		r.fail("POSIX collating elements are not supported")
		return true
	}
	if !isPOSIX(r.rest(), ":") {
		return false
	}
	name, rest, _ := strings.Cut(r.rest()[2:], ":]")
	r.at = len(r.text) - len(rest)
	if !strings.Contains(posix, " "+strings.TrimPrefix(name, "^")+" ") {
		r.fail("an unknown POSIX class")
	}
	return true
}

// isPOSIX reports whether a text begins with what looks like [:name:].
func isPOSIX(text, sign string) bool {
	if !strings.HasPrefix(text, "["+sign) {
		return false
	}
	for i := 2; i+1 < len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], sign+"]"):
			return true
		case text[i] == ']', text[i] == '\\', strings.HasPrefix(text[i:], "["+sign):
			return false
		}
	}
	return false
}

// classEscape reads an escape within brackets. It returns the character or a class, or reports that it is neither.
func (r *reader) classEscape(aClass int) (code int, none bool) {
	if r.at >= len(r.text) {
		r.fail("the expression ends in a backslash")
		return 0, true
	}
	c := r.text[r.at]
	r.at++
	switch {
	case c == 'Q':
		_, rest, _ := strings.Cut(r.rest(), `\E`)
		r.at = len(r.text) - len(rest)
		return 0, true
	case c == 'E':
		return 0, true
	case c == 'b':
		return '\b', false
	case strings.IndexByte("BRXCAzZGKk", c) >= 0:
		r.fail("an escape sequence cannot stand in a class")
		return 0, true
	case isDigit(c), c == 'g', c == 'c', c == 'o':
		if c == 'c' || c == 'o' {
			r.character(c)
		}
		return 0xff, true // the character does not matter
	}
	start := r.at
	if r.character(c) {
		return aClass, false
	}
	switch at := strings.IndexByte("aefnrt", c); {
	case at >= 0:
		return int("\a\x1b\f\n\r\t"[at]), false
	case c == 'x':
		n, err := strconv.ParseUint(strings.Trim(r.text[start:r.at], "{} \t"), 16, 32)
		if err != nil {
			n = 0
		}
		return int(n), false
	}
	return int(c), false
}
