package pcre_test

import (
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kong/pcre"
)

// TestCheck: what PCRE2 10.42 was asked, by what a family of expressions is about.
func TestCheck(t *testing.T) {
	for _, c := range []struct {
		about         string
		taken, refuse []string
	}{
		{
			"repetition", []string{`a*`, `a++`, `a??`, `a{2}+`, `a{2}?`, `a{,3}`, `a{`, `a{x}`, `a{1,2`, `{`, `a{65535}`, `(?=a)*`, `(?i:)*`,
				`a\E*`, `\Qab\E*`, `a(?#c)*`, `\N{2}`, `\R*`, `(*ACCEPT)*`},
			[]string{`*`, `a|*`, `(+)`, `(?:?)`, `a**`, `a+++`, `a{2}{3}`, `a???`, `^*`, `$+`, `\b+`, `\A*`, `\E*`, `\Q\E*`, `(?i)*`, `(?#c)*`,
				`{2}`, `a{65536}`, `a{2,1}`, `(*)`},
		},
		{
			"classes", []string{`[a]`, `[]a]`, `[^]a]`, `[a-z]`, `[\d-]`, `[a-c-e]`, `[[:alpha:]]`, `[[:^word:]]`, `[[:alpha]]`, `[a[b]`, `[\b-z]`,
				`[\Q]\E]`, `[&&]`, `[\x41-\x5a]`, `[a-\xff]`, `[\1]`, `[+--]`},
			[]string{`[`, `[]`, `[^]`, `[]a`, `[[:alpha:`, `[[:foo:]]`, `[[.a.]]`, `[[=a=]]`, `[:alpha:]`, `[z-a]`, `[a-\d]`, `[\d-z]`,
				`[[:digit:]-a]`, `[a--b]`, `[\R]`, `[\B]`, `[\A]`, `[\N]`, `[\u]`, `[\x{100}]`, `[\E]`},
		},
		{
			"escapes", []string{`\.`, `\_`, `\<`, `\é`, `\x41`, `\x{ff}`, `\xg`, `\o{101}`, `\cA`, `\h\H\v\V`, `\d\w\s`, `\Z\z\A\G\K`, `\10`,
				`(a)\1`, `(a)\g{-1}`, `(?<n>a)\k<n>\k{n}\k'n'\g{n}`},
			[]string{`\`, `\i`, `\y`, `\u0041`, `\U`, `\L`, `\l`, `\F`, `\N{U+41}`, `\x{}`, `\x{4z}`, `\x{100}`, `\o101`, `\o{9}`, `\c`, `\cé`,
				`\1`, `\8`, `\g1`, `\g{-1}`, `\g`, `\k`, `\k<n>`, `\777`},
		},
		{
			"classes of Unicode", []string{`\pL`, `\p{L}`, `\p{^Lu}`, `\p{L&}`, `\p{Greek}`, `\P{grek}`, `\p{Any}`, `\p{Xan}`, `\p{sc=Greek}`,
				`\p{Script:latin}`, `\p{Alphabetic}`, `\p{bidi_class:L}`, `\p{Kawi}`, `\p{Garay}`},
			[]string{`\p`, `\p{`, `\p{}`, `\pq`, `\p{Foo}`, `\p{IsGreek}`, `\p{Letter}`, `\p{gc=L}`, `\p{Assigned}`, `\p{Other_Math}`, `\p{sc=Foo}`},
		},
		{
			"groups", []string{
				`(a)`, `(?:a)`, `(?>a)`, `(?|a)`, `(?=a)(?!a)(?<=a)(?<!a)`, `(?<n>a)(?'m'b)(?P<o>c)`, `(?J)(?<a>b)(?<a>c)`, `(?R)`, `(a)(?1)`,
				`(a)(?-1)`, `(?+1)(a)`, `(?<n>a)(?&n)(?P>n)(?P=n)`,
				`(a)(?(1)b|c)`, `(?(?=a)b)`, `(?C1)`, `(?#a)`, `(*ACCEPT)`, `(*UTF8)a`, `(*positive_lookahead:a)`,
			},
			[]string{
				`(`, `)`, `(a`, `a)`, `(?`, `(?<n`, `(?<>a)`, `(?<1a>b)`, `(?<a-b>b)`, `(?<é>b)`, `(?<a>b)(?<a>c)`, `(?1)`, `(?-1)`, `(?+1)`, `(?&n)`,
				`(?P>n)`, `(?P=n)`, `(?(1)a)`, `(?C300)`, `(?#a`,
				strings.Repeat("(", 251) + strings.Repeat(")", 251),
			},
		},
		{
			"flags", []string{`(?i)a`, `(?imsxnJU-i)a`, `(?-)`, `(?)`, `(?^)a`, `(?^i:a)`, `(?xx)a`, `(?x) a # b)`, `(?x)a *`},
			[]string{`(?u)`, `(?-u)`, `(?R:a)`, `(?z)`, `(?a-)`, `(?i`, `(?i:a`, "((?x)) # (", `(?x)# (` + "\n("},
		},
	} {
		for _, text := range c.taken {
			if why := pcre.Check(text); why != "" {
				t.Errorf("%s: %.60s is taken, got %s", c.about, text, why)
			}
		}
		for _, text := range c.refuse {
			if pcre.Check(text) == "" {
				t.Errorf("%s: %.60s is refused", c.about, text)
			}
		}
	}
}

func FuzzCheck(f *testing.F) {
	for _, seed := range []string{`^/a(?P<n>\d+)\k<n>`, `(?x)[a-z[:alpha:]] # c`, `(?(1)a|\Q*\E){2,3}+`, `(*ACCEPT)\p{Greek}\x{41}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) { pcre.Check(text) })
}
