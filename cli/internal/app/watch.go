package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kit/screen"
)

// lookAgain is how often what is watched is asked for.
const lookAgain = time.Second

// ages are what changes in a screen when nothing does.
var ages = regexp.MustCompile(`\b[0-9]+[smhd] ago`)

// Watch prints what look prints, again and again, until look says that it is over or ctx ends: in place on a terminal, elsewhere each time
// that more than ages changed, with an empty line between, or as a line of JSON. Look writes to the Out and Err of the App that it is
// given. The error is that of the last look; an end by ctx is none.
func (a *App) Watch(ctx context.Context, look func(context.Context, *App) (over bool, err error)) error {
	s := &watched{app: a}
	resized, stop := screen.Resized()
	defer stop()
	for {
		var out bytes.Buffer
		inner := *a
		inner.Out = &out
		if a.Flags.Output == show.Table { // people see the words on a screen, programs get values alone
			inner.Err = &out
		}
		over, err := look(ctx, &inner)
		a.client = inner.client
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && Code(err) != ExitDifference {
			inner.Report(inner.Err, err)
		}
		if err := s.show(out.String()); err != nil {
			return err
		}
		if over {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-resized:
		case <-time.After(lookAgain):
		}
	}
}

// watched is what a watch printed last.
type watched struct {
	app    *App
	region *screen.Region // on a terminal
	last   string
}

func (s *watched) show(text string) error {
	text = strings.TrimRight(text, "\n")
	if text == "" {
		return nil // there was nothing but an error
	}
	switch {
	case s.app.Flags.Output == show.JSON:
		return s.line(text)
	case s.app.Flags.Output == show.YAML:
		text = "---\n" + text
	case s.app.Terminal && s.app.Size != nil:
		if s.region == nil {
			s.region = screen.NewRegion(s.app.Out, s.app.Size)
		}
		return s.region.Draw(strings.Split(text, "\n")...)
	}
	if same := ages.ReplaceAllString(text, ""); same == s.last {
		return nil
	} else if s.last, text = same, text+"\n"; s.last != "" && s.app.Flags.Output == show.Table {
		text += "\n"
	}
	_, err := fmt.Fprint(s.app.Out, text)
	return err
}

// line prints one value of JSON in a line, when it is another one.
func (s *watched) line(text string) error {
	var line bytes.Buffer
	if err := json.Compact(&line, []byte(text)); err != nil {
		return fmt.Errorf("print in a line: %w", err)
	}
	if line.String() == s.last {
		return nil
	}
	s.last = line.String()
	line.WriteByte('\n')
	_, err := s.app.Out.Write(clean.JSON(line.Bytes()))
	return err
}
