package object

import (
	"cmp"
	"slices"
)

// Reason is why something could not be translated. The words are stable: events and programs depend on them.
type Reason string

// The reasons.
const (
	ReasonInvalid     Reason = "Invalid"     // a value is not one that the field can have
	ReasonUnresolved  Reason = "Unresolved"  // it names something that is not there
	ReasonNotGranted  Reason = "NotGranted"  // it names something in another namespace that no ReferenceGrant allows
	ReasonConflict    Reason = "Conflict"    // two objects want the same thing
	ReasonUnsupported Reason = "Unsupported" // a kind, a feature or a combination that is refused
	ReasonNotAttached Reason = "NotAttached" // no listener of a gateway takes the route
	ReasonBroken      Reason = "Broken"      // left out since it, or something it depends on, was refused by a gateway
)

// Problem is why objects, or parts of them, are not in the configuration. Its message never holds a value that can be secret.
type Problem struct {
	Objects []Ref  `json:"objects"`
	Reason  Reason `json:"reason"`
	Message string `json:"message"`
}

// SortProblems orders problems and drops those that are said twice.
func SortProblems(problems []Problem) []Problem {
	slices.SortFunc(problems, compareProblems)
	return slices.CompactFunc(problems, func(a, b Problem) bool { return compareProblems(a, b) == 0 })
}

func compareProblems(a, b Problem) int {
	return cmp.Or(slices.CompareFunc(a.Objects, b.Objects, Compare), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Message, b.Message))
}
