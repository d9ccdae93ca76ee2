package event

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/target"
	"github.com/silverback-gateway/silverback/services/distributor/internal/targets"
)

// Drained returns the events of a change of what the gateways of a group keep out. A target that another owner keeps out before or after it
// changes nothing for the gateways, and is not told.
func Drained(group fleet.GroupID, by targets.Change, was, next targets.Set) (all []Event) {
	before, after := was.Names(), next.Names()
	at := Event{Time: by.Time, Group: group, Author: by.Author}
	for _, half := range []struct {
		names  []target.Name
		reason Reason
		text   string
	}{
		{missing(before, after), TargetsUndrained, "let in again"},
		{missing(after, before), TargetsDrained, "taken out of every gateway"},
	} {
		if len(half.names) == 0 {
			continue
		}
		e := at
		e.Reason, e.Subject = half.reason, half.names[0].String()
		all = append(all, e.saying("%s %s by %s for owner %q: %s", spell(half.names), half.text, by.Author, by.Owner, by.Reason))
	}
	return all
}

// missing returns the names that are not in the other list; both are sorted.
func missing(names, other []target.Name) (left []target.Name) {
	for _, n := range names {
		if _, found := slices.BinarySearchFunc(other, n, target.Name.Compare); !found {
			left = append(left, n)
		}
	}
	return left
}

// spell names targets as the subject of a sentence.
func spell(names []target.Name) string {
	if len(names) == 1 {
		return names[0].String() + " is"
	}
	var some []string
	for _, n := range names[:min(len(names), spelled)] {
		some = append(some, n.String())
	}
	if more := len(names) - len(some); more > 0 {
		some = append(some, fmt.Sprintf("%d more", more))
	}
	return strings.Join(some, ", ") + " are"
}

// Recovered returns the event of another epoch of the ledger. It is one of the whole installation, and has no group.
func Recovered(now time.Time, epoch fleet.Epoch, author, reason string) Event {
	e := Event{Time: now, Reason: LedgerRecovered, Author: author}
	return e.saying("the ledger is recovered by %s and goes on in epoch %d; every node follows it from now on: %s", author, epoch, reason)
}
