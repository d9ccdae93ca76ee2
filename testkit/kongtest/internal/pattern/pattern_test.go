package pattern

import "testing"

func TestRustExpressions(t *testing.T) {
	for _, c := range []struct {
		source, text string
		want         string // what matched, "-" for nothing, "!" for no expression
	}{
		{`^/a++b`, "/aaab", "/aaab"}, {`^/x{2,3}`, "/xxxx", "/xxx"}, {`^/x{2, 3}`, "/xx", "/xx"}, {`^/x{`, "/x{", "!"}, {`^/x{a}`, "/x{a}", "!"},
		{`^/(?i)case`, "/CASE", "/CASE"}, {`^/(?<id>[a-z]+)/x$`, "/ab/x", "/ab/x"}, {`^/(?P<id>a)(?P<id>b)`, "/ab", "!"},
		{`^/\d+`, "/\u0663", "/\u0663"}, {`^/(?-u)\d+`, "/\u0663", "-"}, {`^/\w+$`, "/\u00fc", "/\u00fc"}, {`^/[\W]`, "/\u00fc", "-"},
		{`^/[^\S]`, "/ ", "/ "}, {`^/[a[bc]]+$`, "/abc", "/abc"}, {`^/[a[^b]]`, "/b", "-"}, {`^/[\p{Greek}x]+`, "/\u03b1x", "/\u03b1x"},
		{`^/a(?x) b # c`, "/ab", "/ab"}, {`^/(?x: a b )c d`, "/abc d", "/abc d"}, {`^/a(?!b)`, "/a", "!"}, {`^/(a)\1`, "/aa", "!"},
		{`^/(?>a)`, "/a", "!"},
		{`^/\x41\u{42}\U00000043`, "/ABC", "/ABC"}, {`^/\Qa`, "/Qa", "!"}, {`^/a\/b\-c`, "/a/b-c", "/a/b-c"}, {`^/(?:a`, "/a", "!"},
		{`^/a)`, "/a", "!"},
		{`^/a*?b{2}{2}$`, "/aabbbb", "/aabbbb"}, {`^/]}`, "/]}", "/]}"}, {`^/[]a]`, "/]", "/]"}, {`^/[a-]+`, "/a-", "/a-"},
		{`^/(?i)[a]b`, "/AB", "/AB"}, {`^/(?i)[^a]`, "/A", "-"}, {`^/[a-z&&[^aeiou]]+`, "/xyza", "/xyz"}, {`^/[a-e--c]+`, "/abcd", "/ab"},
		{`^/\p{IsGreek}`, "/", "!"}, {`^/a{,5}`, "/a", "!"}, {`^/\d{1,1001}`, "/1", "-"}, {`^/[[]a`, "/[a", "!"}, {`^/\Z`, "/", "!"},
	} {
		pattern, err := Compile(c.source)
		got := "!"
		if err == nil {
			if got = "-"; pattern.MatchString(c.text) {
				got = pattern.FindString(c.text)
			}
		}
		if got != c.want {
			t.Errorf("%s with %q: %q (%v), want %q", c.source, c.text, got, err, c.want)
		}
	}
}
