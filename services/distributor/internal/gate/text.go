package gate

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Text is the evidence in one line: numbers, nodes, window and limit.
func (r Result) Text() string {
	switch r.Gate {
	case GateErrorRatio:
		return r.shares("failed requests")
	case GateUpstream:
		return r.shares("upstream failures")
	case GateLatency:
		return r.latencies()
	case GateWorkers:
		return r.restarts()
	case GateProbes:
		return r.probed()
	}
	return ""
}

func (r Result) shares(what string) string {
	if r.Outcome == NotMeasured || r.Treated.Nodes == 0 {
		return r.missing(what)
	}
	text := fmt.Sprintf("%s %s of %s on %s", what, percent(r.Treated.Value), number(r.Treated.Of), nodes(r.Treated.Nodes))
	if r.Reference == Nothing {
		return text + r.over() + "; nothing to compare with, limit 50 %"
	}
	return text + fmt.Sprintf(", %s of %s %s", percent(r.Compared.Value), number(r.Compared.Of), r.where()) + r.over() +
		"; limit +" + percent(r.Limit) + r.tested(percent)
}

func (r Result) latencies() string {
	name := "p" + strconv.FormatFloat(math.Round(r.Quantile*1e5)/1e3, 'f', -1, 64)
	if r.Outcome == NotMeasured || r.Treated.Nodes == 0 {
		return r.missing(name)
	}
	text := fmt.Sprintf("%s %s of %s requests on %s", name, milliseconds(r.Treated.Value), number(r.Treated.Of), nodes(r.Treated.Nodes))
	if r.Reference == Nothing {
		return text + r.over() + "; nothing to compare with"
	}
	return text + fmt.Sprintf(", %s of %s %s", milliseconds(r.Compared.Value), number(r.Compared.Of), r.where()) + r.over() +
		"; limit +" + percent(r.Limit) + r.tested(milliseconds)
}

func (r Result) restarts() string {
	if r.Outcome == NotMeasured || r.Treated.Nodes == 0 {
		return r.missing("worker errors")
	}
	text := fmt.Sprintf("%.0f worker errors on %s", r.Treated.Count, nodes(r.Treated.Nodes))
	if r.Reference == Nothing {
		return text + r.over() + "; nothing to compare with"
	}
	return text + fmt.Sprintf(", %.0f %s", r.Compared.Count, r.where()) + r.over()
}

func (r Result) probed() string {
	text := fmt.Sprintf("%.0f of %s probes failed on %s", r.Treated.Count, number(r.Treated.Of), nodes(r.Treated.Nodes))
	if r.Compared.Nodes > 0 {
		text += fmt.Sprintf(", %.0f of %s %s", r.Compared.Count, number(r.Compared.Of), r.where())
	}
	text += r.over()
	if r.Detail != "" {
		text += "; " + r.Detail
	}
	return text
}

func (r Result) missing(what string) string {
	if r.Outcome == NotMeasured {
		return what + " not measured on the wave: needs " + r.Detail
	}
	return what + " unknown: " + r.Detail
}

// where names the other side.
func (r Result) where() string {
	switch r.Reference {
	case Frozen:
		return fmt.Sprintf("on %s at the end of the wave before (weaker)", nodes(r.Compared.Nodes))
	case Before:
		return "on the same " + nodes(r.Compared.Nodes) + " before the rollout (weaker)"
	case Control, Nothing:
	}
	if r.Compared.Nodes == 1 {
		return "on 1 other"
	}
	return fmt.Sprintf("on %d others", r.Compared.Nodes)
}

// tested tells what the wave was tested against when that is not the limit alone.
func (r Result) tested(format func(float64) string) string {
	if r.Allowed <= 0 || r.Outcome == Fail {
		return ""
	}
	return ", not yet beyond chance and the differences between nodes (" + format(r.Allowed) + ")"
}

func (r Result) over() string {
	if r.Window <= 0 {
		return ""
	}
	return " over " + r.Window.Round(time.Second).String()
}

func nodes(n int) string {
	if n == 1 {
		return "1 node"
	}
	return fmt.Sprintf("%d nodes", n)
}

// number writes 9873 as 9,873.
func number(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	var out strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			out.WriteByte(',')
		}
		out.WriteRune(d)
	}
	return out.String()
}

func percent(share float64) string { return digits(share*100) + " %" }

func milliseconds(ms float64) string {
	if ms >= 10000 {
		return digits(ms/1000) + " s"
	}
	return digits(ms) + " ms"
}

// digits keeps two significant digits after nothing, and no more than are there.
func digits(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v >= 99.95:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 0.095:
		return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
	}
	return strconv.FormatFloat(v, 'g', 2, 64)
}
