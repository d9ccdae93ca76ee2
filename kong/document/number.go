package document

import (
	"math"
	"strconv"
	"strings"

	"github.com/silverback-gateway/silverback/kong/snapshot"

	"encoding/json"
)

// number checks a JSON number and returns it in canonical form. A fault with the
// kind Null is a fault of syntax.
func number(s string) (Kind, string, string) {
	digits := strings.TrimPrefix(s, "-")
	i := 0
	for i < len(digits) && digits[i] >= '0' && digits[i] <= '9' {
		i++
	}
	if i == 0 || i > 1 && digits[0] == '0' {
		return Null, "", "a malformed number"
	}
	if i == len(digits) {
		if digits == "0" {
			return Int, "0", ""
		}
		if len(s) > 20 {
			return Int, "", "the number does not fit 64 bits"
		}
		if _, err := strconv.ParseInt(s, 10, 64); err != nil {
			return Int, "", "the number does not fit 64 bits"
		}
		return Int, s, ""
	}
	if len(s) > 400 {
		return Float, "", "the number has too many digits"
	}
	if !json.Valid([]byte(s)) {
		return Null, "", "a malformed number"
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return Float, "", "the number is too large"
	}
	out, err := snapshot.AppendCanonical(nil, f)
	if err != nil {
		return Float, "", "the number cannot be written"
	}
	kind := Float
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		kind = Int
	}
	return kind, string(out), ""
}

// Quote writes a name for a message: in double quotes, printable, of bounded length.
func Quote(s string) string {
	const longest = 120
	if len(s) > longest {
		cut := longest
		for cut > 0 && s[cut]&0xc0 == 0x80 {
			cut--
		}
		s = s[:cut] + "…"
	}
	return strconv.QuoteToGraphic(s)
}
