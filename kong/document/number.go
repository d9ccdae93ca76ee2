package document

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// number checks a JSON number and returns its kind and its canonical form, see Append. The third result is why the number is refused: with
// the kind Null it is not JSON, with another kind it is out of range.
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
	kind := Float
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		kind = Int
	}
	return kind, formatFloat(f), ""
}

// formatFloat writes a double in the shortest form that reads back as the same double, with exponents where ECMAScript uses them.
func formatFloat(f float64) string {
	switch size := math.Abs(f); {
	case f == 0:
		return "0" // also for -0
	case size >= 1e-6 && size < 1e21:
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return strings.Replace(strconv.FormatFloat(f, 'e', -1, 64), "e-0", "e-", 1) // e-07 is e-7
}
