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

// lookAgain is how often a watched value is read.
const lookAgain = time.Second

// ages matches texts that change although nothing happens.
var ages = regexp.MustCompile(`\b[0-9]+[smhd] ago`)

// Watch prints the output of look repeatedly, until look reports the end or ctx ends. On a terminal it prints in place. Elsewhere it prints
// each time that more than ages changed, with an empty line between, or a line of JSON. look writes to the Out and Err of the App that it
// is given. The error is that of the last look; an end by ctx is none.
func (a *App) Watch(ctx context.Context, look func(context.Context, *App) (over bool, err error)) error {
	s := &watched{app: a}
	resized, stop := screen.Resized()
	defer stop()
	for {
		var out bytes.Buffer
		inner := *a
		inner.Out = &out
		if a.Flags.Output == show.Table { // people see messages on a screen, programs get values only
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

// watched is the last output of a watch.
type watched struct {
	app    *App
	region *screen.Region // on a terminal
	last   string
}

func (s *watched) show(text string) error {
	text = strings.TrimRight(text, "\n")
	if text == "" {
		return nil // there was only an error
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

// line prints a changed JSON value as one line.
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
