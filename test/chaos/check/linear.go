package check

import (
	"fmt"
	"time"

	"github.com/anishathalye/porcupine"
)

// An Op is one operation on a group's newest revision: a submission of something new, or a read.
type Op struct {
	Client       int
	Call, Return time.Duration
	Expected     int64 // of a submission: only if the newest has this number; 0 is any
	Read         bool
	Got          int64 // the revision that was made or read
	Refused      bool  // the submission was refused, for another revision was the newest
}

// Linear reports whether a history of definite operations could have happened one after the other: revisions are numbered without gaps,
// each is made once, a conditional submission succeeds only on what it expects, and a read shows what was made before it. It gives up after
// a while, and then finds no fault.
func Linear(ops []Op, start int64, within time.Duration) error {
	model := porcupine.Model{
		Init: func() any { return start },
		Step: func(state, input, _ any) (bool, any) {
			head, op := state.(int64), input.(Op)
			switch {
			case op.Read:
				return op.Got == head, head
			case op.Refused:
				return op.Expected != head, head
			default:
				return op.Got == head+1 && (op.Expected == 0 || op.Expected == head), head + 1
			}
		},
		DescribeOperation: func(input, _ any) string { return fmt.Sprintf("%+v", input) },
	}
	var all []porcupine.Operation
	for _, op := range ops {
		all = append(all, porcupine.Operation{ClientId: op.Client, Input: op, Output: op.Got, Call: int64(op.Call), Return: int64(op.Return)})
	}
	if porcupine.CheckOperationsTimeout(model, all, within) == porcupine.Illegal {
		return fmt.Errorf("no order of these %d operations explains what they returned", len(ops))
	}
	return nil
}
