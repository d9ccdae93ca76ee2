package status

import (
	"cmp"
	"fmt"
	"strings"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/sources/kubernetes/delivery"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
)

// Limits of what a status and an Event can hold.
const (
	maxMessage = 32 << 10 // bytes of a condition's message
	maxNote    = 1024     // bytes of an Event's note
)

// TypeProgrammed is the condition of everything that reaches a gateway.
const TypeProgrammed = "Programmed"

// Reasons of the condition Programmed that are the same for every kind. They are stable.
const (
	ReasonPending    = "Pending"    // it is on its way
	ReasonRolledBack = "RolledBack" // a gate or an operator took its revision back
	ReasonHeld       = "Held"       // it waits for a person or a time
)

// words are the reasons of Programmed by which kinds differ.
type words struct{ programmed, invalid string }

var (
	kongWords  = words{programmed: "Programmed", invalid: "Invalid"}
	routeWords = words{programmed: "ConfiguredInGateway", invalid: "TranslationError"}
)

func condition[K, R ~string](kind K, holds bool, reason R, message string) meta.Condition {
	status := meta.ConditionFalse
	if holds {
		status = meta.ConditionTrue
	}
	return meta.Condition{Type: string(kind), Status: status, Reason: string(reason), Message: clean.Text(message, maxMessage)}
}

// because is a condition that is False for what was found, or else True.
func because[K, R ~string](kind K, found translate.Finding, otherwise R, message string) meta.Condition {
	if found.OK() {
		return condition(kind, true, otherwise, message)
	}
	return condition(kind, false, found.Reason, found.Message)
}

// programmed is the condition of an object by how far it has come.
func (p *plan) programmed(obj object.Object, w words) meta.Condition {
	return programmed(p.view.Objects[object.RefOf(obj)], w)
}

func programmed(state delivery.State, w words) meta.Condition {
	reason := ReasonPending
	switch state.Phase {
	case delivery.Programmed:
		return condition(TypeProgrammed, true, w.programmed, describe(state))
	case delivery.Refused:
		reason = w.invalid
	case delivery.RolledBack:
		reason = ReasonRolledBack
	case delivery.Held:
		reason = ReasonHeld
	case delivery.Untranslated:
		if state.Reason != "" {
			reason = w.invalid
		}
	}
	return condition(TypeProgrammed, false, reason, describe(state))
}

// describe says in a sentence how far an object has come, and what is served meanwhile.
func describe(state delivery.State) string {
	var said string
	share := fmt.Sprintf("%d/%d gateways", state.Serving, state.Online)
	switch state.Phase {
	case delivery.Programmed:
		said = fmt.Sprintf("revision %d is proven on %s", state.Revision, share)
		if state.Reason != "" {
			said += "; " + state.Reason
		}
	case delivery.Rolling:
		said = fmt.Sprintf("revision %d: %s", state.Revision, share)
		if detail := strings.TrimPrefix(strings.TrimPrefix(state.Reason, share), "; "); detail != "" {
			said += "; " + detail
		}
	case delivery.RolledBack:
		said = fmt.Sprintf("revision %d was rolled back: %s", state.Revision, cmp.Or(state.Reason, "no reason is known"))
	case delivery.Refused:
		said = "refused: " + cmp.Or(state.Reason, "no reason is known")
	case delivery.Held:
		said = "held: " + cmp.Or(state.Reason, "no reason is known")
	case delivery.Untranslated:
		said = cmp.Or(state.Reason, "nothing that gateways serve uses it")
	default:
		said = cmp.Or(state.Reason, "it waits for the next revision")
	}
	if state.LastGood && state.Phase != delivery.Programmed {
		said += "; its last good form is served meanwhile"
	}
	return said
}
