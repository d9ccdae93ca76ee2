package store

import (
	"strings"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// The keys of the ledger, under the prefix of the etcd client. No other service opens them.
const (
	decidedPrefix    = "decided/"
	rolloutsPrefix   = decidedPrefix + "rollouts/"
	assignmentPrefix = decidedPrefix + "assignments/"
	ordersPrefix     = decidedPrefix + "orders/"
	targetsPrefix    = decidedPrefix + "targets/"
	toldPrefix       = decidedPrefix + "told/"
	eventsPrefix     = decidedPrefix + "events/"
	trimmedKey       = decidedPrefix + "trimmed"
	webhooksPrefix   = decidedPrefix + "webhooks/"
	epochKey         = decidedPrefix + "epoch"
	tallyPrefix      = "observed/tallies/"
	evidencePrefix   = "observed/evidence/"
	electionPrefix   = "election/"
)

// Election returns the key prefix of a leader election.
func Election(id string) string { return electionPrefix + id }

func rolloutKey(group fleet.GroupID, id fleet.RolloutID) string {
	return rolloutsPrefix + string(group) + "/" + string(id)
}

func assignmentKey(group fleet.GroupID) string { return assignmentPrefix + string(group) }

func webhookKey(hook string) string { return webhooksPrefix + hook }

func toldKey(group fleet.GroupID) string { return toldPrefix + string(group) }

func ordersKey(group fleet.GroupID) string { return ordersPrefix + string(group) }

func targetsKey(group fleet.GroupID) string { return targetsPrefix + string(group) }

func evidenceKey(group fleet.GroupID, id fleet.RolloutID, replica string) string {
	return evidencePrefix + string(group) + "/" + string(id) + "/" + replica
}

func tallyKey(group fleet.GroupID, id fleet.RolloutID, replica string) string {
	return tallyPrefix + string(group) + "/" + string(id) + "/" + replica
}

// parts splits what follows a prefix; ok only if there are as many parts as wanted, none empty.
func parts(key, prefix string, want int) ([]string, bool) {
	rest, ok := strings.CutPrefix(key, prefix)
	all := strings.Split(rest, "/")
	for _, part := range all {
		ok = ok && part != ""
	}
	return all, ok && len(all) == want
}
