package rustregex_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kong/rustregex"
)

// TestGrammar: what the crate's 1.10 was asked, by what a family of expressions is about.
func TestGrammar(t *testing.T) {
	for _, c := range []struct {
		about         string
		taken, refuse []string
	}{
		{
			"repetition", []string{`a*`, `a+?`, `a??`, `a**`, `a{2}{3}`, `a{0}`, `a{2,}`, `a{2,3}?`, `a{ 2 , 3 }`, `(a)*`, `()*`, `(?:)*`, `^*`,
				`\b+`, `$?`, `\b{2}`, `\b{2,3}`},
			[]string{`*`, `+a`, `?`, `a|*`, `(*)`, `(?:+)`, `(?i)*`, `|?`, `{2}`, `a{`, `a{1`, `a{1,`, `a{}`, `a{,5}`, `a{,}`, `a{x}`, `a{1,x}`,
				`a{2,1}`, `a{-1}`, `a{9999999999}`, `(?i){2}`},
		},
		{
			"classes", []string{
				`[a-z]`, `[^a]`, `[]a]`, `[^]]`, `[a-]`, `[-a]`, `[--a]`, `[a--]`, `[a[b]]`, `[a[^b]c]`, `[[:alpha:]]`, `[[:^word:]_]`, `[[:foo:]]`,
				`[:alpha:]`,
				`[a&&b]`, `[a-z&&[^aeiou]]`, `[\w--\d]`, `[a~~b]`, `[&&]`, `[a&&]`, `[~~]`, `[a-c-e]`, `[.*+?(){}|^$]`, `[\x41-\x5a]`, `[\pL--\p{Lu}]`,
				`[\]\[]`, `[a-\x{7a}]`,
			},
			[]string{`[`, `[]`, `[^]`, `[a`, `[[a]`, `[a[]`, `[[]a`, `[z-a]`, `[a-\d]`, `[\d-z]`, `[\b]`, `[\A]`, `[\<]`, `[a-[b]]`, `[a-&&b]`},
		},
		{
			"escapes", []string{
				`\.`, `\-`, `\_`, `\,`, `\%`, `\"`, `\ `, `\/`, `\;`, "\\`", `\#`, `\&`, `\~`, `\@`, `\x41`, `\x{41}`, `\x{10FFFF}`, `\u0041`,
				`\u{e9}`, `\U00000041`,
				`\U{1F600}`, `\a\f\n\r\t\v`, `\d\D\s\S\w\W`, `\A\z`, `\b\B`, `\<\>`, `\b{start}\b{end}\b{start-half}\b{end-half}`, `\]\}`,
			},
			[]string{
				`\`, `\1`, `\0`, `\9`, `\Z`, `\h`, `\H`, `\e`, `\c`, `\G`, `\K`, `\Q`, `\E`, `\R`, `\X`, `\N`, `\k<n>`, `\g`, `\y`, `\é`, `\x`, `\x4`,
				`\xg0`, `\x{}`, `\x{`, `\x{41`,
				`\x{110000}`, `\x{d800}`, `\u004`, `\ud800`, `\U0041`, `\b{`, `\b{foo}`, `\b{start`, `\b{start-}`, `\B{start}`,
			},
		},
		{
			"classes of Unicode", []string{
				`\pL`, `\PL`, `\p{L}`, `\p{Lu}`, `\p{Letter}`, `\p{lowercase letter}`, `\p{Greek}`, `\p{grek}`, `\p{IsGreek}`, `\P{Han}`,
				`\p{sc=Latin}`, `\p{scx:Latn}`, `\p{gc!=Nd}`,
				`\p{Age=6.0}`, `\p{Alphabetic}`, `\p{Any}`, `\p{ASCII}`, `\p{Assigned}`, `\p{Emoji}`, `\p{gcb=CR}`, `\p{wb:MidNum}`, `\p{sb=Close}`,
				`\p{sc}`, `\p{cf}`, `\p{lc}`, `\p{White_Space}`,
			},
			[]string{`\p`, `\p{`, `\p{}`, `\p{Foo}`, `\pq`, `\p{^L}`, `\p{Cs}`, `\p{Script}`, `\p{Age=99}`, `\p{Block=Greek}`, `\p{sc=Foo}`,
				`\p{gcb=xx}`, `\p{L&}`, `\p\d`},
		},
		{
			"groups", []string{`(a)`, `(?:a)`, `(?<n>a)`, `(?P<n>a)`, `(?<_>a)`, `(?<a.b>a)`, `(?<a[0]>a)`, `(?<é>a)`, `()`, `(|)`, `a||b`, `|a`,
				`(?<n>a)(?<m>b)`},
			[]string{
				`(`, `)`, `(a`, `a)`, `(?`, `(?<`, `(?<n`, `(?<>a)`, `(?<1>a)`, `(?<n-1>a)`, `(?<n>a)(?<n>b)`, `(?<n>a)|(?P<n>b)`, `(?=a)`, `(?!a)`,
				`(?<=a)`, `(?<!a)`, `(?>a)`, `(?#a)`,
				`(?P=n)`, `(?P>n)`, `(?|a)`, `(?R)a(?`, `(?1)`, `(?(1)a)`, `(?&n)`, `(?'n'a)`,
			},
		},
		{
			"flags", []string{`(?i)a`, `(?imsUuRx)a`, `(?i-s:a)`, `(?-i)`, `(?R)a`, `a(?x) b # c`, `(?x: a \# [ b ] )`, `(?x)a{ 2 , 3 } ?`,
				`(?i)(?-i)a`, `(?x)\ `, `(?x)[a - z]`, `(?x)a{2 3}`},
			[]string{`(?)`, `(?-)`, `(?i-)`, `(?ii)`, `(?i-i)`, `(?--i)`, `(?z)`, `(?J)`, `(?i`, `(?i:a`},
		},
		{
			"bytes without the flag u", []string{`(?-u)a`, `(?-u)\w\d\s`, `(?-u)[a-z]`, `(?-u)\x7f`, `(?-u)é`, `(?-u)\b\B`, `(?-u)[[:alpha:]]`,
				`(?u-s)\w`, `(?-u:a)\W`},
			[]string{`(?-u).`, `(?-u)\W`, `(?-u)[^a]`, `(?-u)\xff`, `(?-u)[\xff]`, `(?-u)[é]`, `(?-u)\pL`, `(?-u)[\pL]`, `(?-u)[[:^alpha:]]`,
				`(?-u)[a[^b]]`, `(?-u)[\D]`, `(?s-u).`},
		},
		{
			"nesting", []string{strings.Repeat("(", 249) + strings.Repeat(")", 249), strings.Repeat("(", 250) + strings.Repeat(")", 250),
				strings.Repeat("[", 100) + "a" + strings.Repeat("]", 100), "a" + strings.Repeat("*", 250)},
			[]string{strings.Repeat("(", 251) + strings.Repeat(")", 251), strings.Repeat("(", 250) + "ab" + strings.Repeat(")", 250),
				strings.Repeat("[", 251) + "a" + strings.Repeat("]", 251), "a" + strings.Repeat("*", 251)},
		},
		{
			"size", []string{`a{1000}`, `\d{1,1001}`, `[a-z]{10000}`, `\w{300}`, `(?:\w{10}){30}`, `(?:){4000000000}`},
			[]string{`a{1000000}`, `\w{1000}`, `(?:\w{100}){10}`, `(?:a{1000}){1000}`, `((a{100}){100}){100}`, `\pL{10,1000}`, `[\w-]{0,900}`},
		},
	} {
		for _, text := range c.taken {
			if r, err := rustregex.Parse(text); err != nil || r.Uncertain() != "" {
				t.Errorf("%s: %.60s is taken, got %v", c.about, text, err)
			}
		}
		for _, text := range c.refuse {
			var wrong *rustregex.Error
			if _, err := rustregex.Parse(text); !errors.As(err, &wrong) || wrong.Offset < 0 || wrong.Offset > len(text) {
				t.Errorf("%s: %.60s is refused, got %v", c.about, text, err)
			}
		}
	}
}

func TestDoubts(t *testing.T) {
	for _, text := range []string{
		`\p{Garay}`, `\p{sc=Todhri}`, `\w{500}`, `a{300000}`, strings.Repeat(`[\w\x41]`, 1000),
	} {
		if r, err := rustregex.Parse(text); err != nil || r.Uncertain() == "" {
			t.Errorf("%.40s: not certain, got %v", text, err)
		}
	}
}

// TestWork: what many expressions may cost together is the caller's to say.
func TestWork(t *testing.T) {
	work := 2000
	for i := range 10 {
		r, err := rustregex.ParseWithin(`[\w\x41]`, &work)
		if err != nil || (r.Uncertain() != "") != (i > 0) {
			t.Errorf("%d: %v, uncertain %q", i, err, r.Uncertain())
		}
	}
}

func TestErrorsSayWhereAndNotWhat(t *testing.T) {
	_, err := rustregex.Parse(`/secret/(?=a)`)
	if err == nil || err.Error() != "look-around is not supported at character 10" {
		t.Errorf("got %v", err)
	}
	if _, err := rustregex.Parse("\xff"); err == nil {
		t.Error("bytes that are no UTF-8 were taken")
	}
}

// TestGo: what an expression matches once it is written for Go.
func TestGo(t *testing.T) {
	for _, c := range []struct{ rust, text, match string }{
		{`[a-z&&[^aeiou]]+`, "eiobcd", "bcd"}, {`[\w--\d]+`, "1a_2", "a_"}, {`[a-c~~b-d]+`, "bcda", "da"}, {`[^\x00-\x{10FFFF}]`, "a", ""},
		{`(?i)[^k]`, "\u212aK1", "1"}, {`(?i)ſ`, "S", "S"}, {`(?i-u)k`, "\u212ak", "k"}, {`[[:^digit:]]+`, "1ab2", "ab"},
		{`(?x) a [ b c ] + # d`, "abcb", "abcb"},
		{`\d+`, "\u0663", "\u0663"}, {`(?-u)\d+`, "\u06631", "1"}, {`\p{Greek}+`, "aαβ", "αβ"}, {`\p{gc=Nd}`, "a1", "1"},
		{`\P{L}+`, "a12b", "12"},
		{`(?U)a+`, "aaa", "a"}, {`(?U)a+?`, "aaa", "aaa"}, {`(?m)^b$`, "a\nb\nc", "b"}, {`^b`, "a\nb", ""}, {`(?s).+`, "a\nb", "a\nb"},
		{`.+`, "a\nb", "a"},
		{`(?R).+`, "a\r\nb", "a"}, {`a{1001,1100}`, strings.Repeat("a", 1050), strings.Repeat("a", 1050)},
		{`a{1001}`, strings.Repeat("a", 1000), ""},
		{`a{2500,}`, strings.Repeat("a", 2600), strings.Repeat("a", 2600)}, {`a{3,2500}`, strings.Repeat("a", 2600), strings.Repeat("a", 2500)},
		{`a{0,1500}b`, strings.Repeat("a", 1400) + "b", strings.Repeat("a", 1400) + "b"}, {`\.\*\x{2b}`, ".*+", ".*+"}, {`a|b|`, "c", ""},
		{`(?<n>a)b`, "ab", "ab"},
	} {
		r, err := rustregex.Parse(c.rust)
		if err != nil {
			t.Errorf("%s: %v", c.rust, err)
			continue
		}
		pattern, err := regexp.Compile(r.Go())
		if err != nil {
			t.Errorf("%s is written as %s: %v", c.rust, r.Go(), err)
			continue
		}
		if got := pattern.FindString(c.text); got != c.match {
			t.Errorf("%s in %.20q: %.20q, want %.20q", c.rust, c.text, got, c.match)
		}
	}
}

// FuzzParse: nothing panics, and what is taken can be written for Go.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{`^/a(?P<n>\d+)`, `(?x)[a-z&&[^b]--\w] # c`, `\b{start}\x{41}{2,3}?`, `(?i-u:[[:^word:]]|\p{Greek})`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 300 {
			return
		}
		r, err := rustregex.Parse(text)
		if err == nil {
			_, _ = regexp.Compile(r.Go()) // Go has tighter limits
		}
	})
}
