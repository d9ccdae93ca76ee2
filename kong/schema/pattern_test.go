package schema

import (
	"strings"
	"testing"
)

func plenty(t *testing.T) *allowance { return &allowance{ctx: t.Context(), budget: NewBudget(1 << 40)} }

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern   string
		good, bad []string
	}{
		{"", []string{"", "a"}, nil},
		{"^$", []string{""}, []string{"a"}},
		{"a.c", []string{"abc", "xxa.cx"}, []string{"ac", "ab"}},
		{"^%u+$", []string{"GET"}, []string{"", "get", "GET "}},
		{"^[a-z][a-z%d-]-[a-z%d]+$", []string{"my-env", "ab", "a1"}, []string{"a", "My Vault", "-a", "a-", "1a"}},
		{"^[%a_-][%a%d_-]*$", []string{"A_1", "-x"}, []string{"1-bad", ""}},
		{"^[^*]*%*?[^*]*$", []string{"a", "*.a", "a.*"}, []string{"*.a.*"}},
		{"%.%*$", []string{"a.*"}, []string{"a.*b", "*"}},
		{"^[^:]+:.*$", []string{"a:", "a:b:c"}, []string{":a", "a"}},
		{"%w*%p*@+%w*%.?%w*", []string{"me@example.com", "@"}, []string{"me"}},
		{"^[0-9]+-[0-9]+$", []string{"200-299"}, []string{"200", "a-b"}},
		{"^[^*&%%\\`]+$", []string{"/tmp/x.log"}, []string{"a*b", "a%b", "a`b", `a\b`}},
		{"%b()", []string{"f(a(b)c)"}, []string{"f(a", ")("}},
		{"^%f[%w]%w+%f[%W]$", []string{"word"}, []string{" word"}},
		{"^(a+)%1$", []string{"aa", "aaaa"}, []string{"aaa", ""}},
		{"^()a()$", []string{"a"}, []string{"b"}},
		{"[]x]", []string{"]", "x"}, []string{"y"}},
		{"[^]]", []string{"a"}, []string{"]"}},
		{"^[a%-z]$", []string{"a", "-", "z"}, []string{"b"}},
		{"^[%w.-]+$", []string{"a.b-c"}, []string{"a b"}},
		{"^a-b$", []string{"b", "aab"}, []string{"a"}},
		{"^a?b$", []string{"b", "ab"}, []string{"aab"}},
		{"^%S%D%L%A%C%P%W%X%U$", []string{"xaA1 a !a"}, []string{"123456789"}},
		{"^%s%d%l%a%c%p%x%g%w$", []string{"\t1aB\x01!f~z"}, []string{"abcdefghi"}},
		{"a$b", []string{"a$b"}, []string{"ab"}},
		{"^a^b$", []string{"a^b"}, []string{"ab"}},
		{"%.%.", []string{"a..b"}, []string{"a.b"}},
	} {
		p, err := parsePattern(c.pattern)
		if err != nil {
			t.Errorf("%q: %v", c.pattern, err)
			continue
		}
		for _, s := range c.good {
			if !p.find(plenty(t), s, false) {
				t.Errorf("%q does not match %q", c.pattern, s)
			}
		}
		for _, s := range c.bad {
			if p.find(plenty(t), s, true) {
				t.Errorf("%q matches %q", c.pattern, s)
			}
		}
	}
}

func TestMalformedPatterns(t *testing.T) {
	for _, text := range []string{"%", "[a", "[%", "[]", "[^", "(", "(a", "a)", "%b", "%bx", "%f", "%fa", "%f[a", "%1", "%0", "(a)%2",
		strings.Repeat("(", 40), strings.Repeat("a", 1000)} {
		if _, err := parsePattern(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// TestPatternsEnd: a pattern that would take for ever ends in doubt.
func TestPatternsEnd(t *testing.T) {
	p, err := parsePattern(strings.Repeat(".-", 30) + "x")
	if err != nil {
		t.Fatal(err)
	}
	subject := strings.Repeat("a", 10_000)
	if !p.find(plenty(t), subject, true) || p.find(plenty(t), subject, false) {
		t.Error("doubt is not what the caller said")
	}
}

// FuzzPattern: what is taken as a pattern matches without falling over, and ends within its steps, whatever it is matched with. With steps
// enough it says the same whatever the doubt.
func FuzzPattern(f *testing.F) {
	for _, seed := range [][2]string{
		{"^[%a_-][%a%d_-]*$", "A_1"}, {".-.-.-.-x", "aaaaaaaaaaaaaaaa"}, {"(a-)%1-%1", "aaaa"}, {"%b()", "f(a(b)c)"},
		{"^%f[%w]%w+%f[%W]$", "word"},
		{"[]x]", "]"}, {"^()a()$", "a"}, {"[a%-z]-[^%s]?$", "a-"}, {"((((", ""}, {"%", ""}, {"[%", ""},
		{"(((a*)*)*)*b", "aaaaaaaaaaaaaaaaaaaaaaaa"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, text, subject string) {
		p, err := parsePattern(text)
		if err != nil {
			return
		}
		bound := leastSteps + stepsPerByte*len(subject)
		const grains = 2 * maxPattern // one step may go over by what it costs itself
		matched := map[bool]bool{}
		for _, doubt := range []bool{true, false} {
			large := plenty(t)
			matched[doubt] = p.find(large, subject, doubt)
			if err := large.close(); err != nil {
				t.Fatal(err)
			}
			used := 1<<40 - int(large.budget.Left())
			if used > bound+len(subject)+grains {
				t.Fatalf("%q takes %d steps with %q, bound is %d", text, used, subject, bound)
			}
			if used < bound/2 && doubt == false && matched[true] != matched[false] {
				t.Fatalf("%q: with doubt %v, without %v, after %d of %d steps", text, matched[true], matched[false], used, bound)
			}
			small := &allowance{ctx: t.Context(), budget: NewBudget(batch)}
			p.find(small, subject, doubt)
			if used > 2*batch && small.err == nil {
				t.Fatalf("%q with %q took %d steps, and a budget of %d sufficed", text, subject, used, batch)
			}
		}
	})
}
