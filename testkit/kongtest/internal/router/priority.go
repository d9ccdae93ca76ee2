package router

import (
	"strings"

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/entity"
)

// Bits of a route's priority that are set where they belong.
const (
	plainHostsBit  = 1 << 60
	regexPathBit   = 1 << 51
	expressionBits = 0xff << 56
	negative       = 1 << 63 // what becomes of a number below zero on its way to 64 bits
)

// precedence decides between two routes that both match a request.
type precedence struct {
	criteria      int // kinds of them: methods, hosts, paths, headers, snis
	headers       int // names of headers
	plainHosts    bool
	regexPath     bool
	regexPriority int64
	pathLength    int
}

// priority packs the precedence of a route in one number; the largest comes first
// (F45). Kong meant kinds of criteria to come first, in bits 61 to 63, and headers
// and regex_priority to lie above bit 31, but shifts those three as numbers of 32
// bits: they wrap around, overlap, and below zero they outdo all others. So plain
// hosts come first, then regular expressions, then kinds of criteria; but four
// kinds or more come before anything. The flavor "traditional" shifts them as meant.
func (p precedence) priority(flavor string) uint64 {
	headers, regexPriority := min(p.headers, 255), int64(0)
	var bits uint64
	if p.plainHosts {
		bits |= plainHostsBit
	}
	if p.regexPath {
		bits |= regexPathBit
		regexPriority = p.regexPriority
	}
	length := uint64(p.pathLength) & 0x7ffff
	if flavor == "traditional" {
		return bits | uint64(p.criteria)<<61 | uint64(headers)<<52 | uint64(max(regexPriority, 0))<<19&(regexPathBit-1) | length
	}
	parts := [...]int32{int32(p.criteria) << 29, int32(headers) << 20, int32(regexPriority) << 19, int32(length)}
	if bits == 0 { // then even the whole is a number of 32 bits
		whole := parts[0] | parts[1] | parts[2] | parts[3]
		return widened(whole)
	}
	for _, part := range parts {
		bits |= widened(part)
	}
	return bits
}

func widened(number int32) uint64 {
	if number < 0 {
		return negative
	}
	return uint64(number)
}

// precedenceOf reads it from a route as posted and one group of its paths.
func precedenceOf(n *entity.Node, paths []string) precedence {
	headers, _ := n.Own["headers"].(map[string]any)
	hosts := entity.Words(n.Own["hosts"])
	p := precedence{headers: len(headers), plainHosts: len(hosts) > 0}
	for _, host := range hosts {
		p.plainHosts = p.plainHosts && !strings.Contains(host, "*")
	}
	for _, field := range []string{"methods", "snis", "sources", "destinations"} {
		if list, _ := n.Own[field].([]any); len(list) > 0 {
			p.criteria++
		}
	}
	for _, has := range []bool{len(hosts) > 0, len(headers) > 0, len(paths) > 0} {
		if has {
			p.criteria++
		}
	}
	if len(paths) > 0 {
		if p.regexPath = isRegexPath(paths[0]); !p.regexPath {
			p.pathLength = len(paths[0])
		}
	}
	number, _ := n.Own["regex_priority"].(float64)
	p.regexPriority = int64(number)
	return p
}

func isRegexPath(path string) bool { return strings.HasPrefix(path, "~") }

// groupPaths splits the paths of a route into those that share a priority: all regular expressions, and the prefixes of each length, in the
// order in which the groups begin. Each group becomes a route of its own.
func groupPaths(paths []string) [][]string {
	var groups [][]string
	at := map[int]int{}
	for _, path := range paths {
		length := len(path)
		if isRegexPath(path) {
			length = 0
		}
		i, known := at[length]
		if !known {
			i = len(groups)
			at[length], groups = i, append(groups, nil)
		}
		groups[i] = append(groups[i], path)
	}
	return groups
}
