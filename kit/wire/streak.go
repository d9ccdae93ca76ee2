package wire

import (
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/target"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// Streak converts a streak; nil is the zero Streak.
func Streak(m *translatorv1.TargetStreak) target.Streak {
	return target.Streak{Since: fleet.Revision(m.GetSinceRevision()), Moved: m.GetMoved(), Of: m.GetTargets()}
}

// StreakMessage is the inverse of Streak.
func StreakMessage(s target.Streak) *translatorv1.TargetStreak {
	if s == (target.Streak{}) {
		return nil
	}
	return &translatorv1.TargetStreak{SinceRevision: int64(s.Since), Moved: s.Moved, Targets: s.Of}
}
