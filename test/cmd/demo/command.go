package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
)

// command runs a program to its end and tells each line of both its streams as it comes.
func command(ctx context.Context, in string, line func(string), name string, args ...string) (code int, err error) {
	cmd := exec.CommandContext(ctx, name, args...)
	return runCommand(cmd, in, line)
}

func runCommand(cmd *exec.Cmd, in string, line func(string)) (code int, err error) {
	cmd.Stdin = strings.NewReader(in)
	reader, writer := io.Pipe()
	cmd.Stdout, cmd.Stderr = writer, writer
	var reading sync.WaitGroup
	reading.Go(func() {
		lines := bufio.NewScanner(reader)
		for lines.Scan() {
			line(lines.Text())
		}
		_, _ = io.Copy(io.Discard, reader)
	})
	err = cmd.Run()
	_ = writer.Close()
	reading.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	if err != nil {
		return -1, fmt.Errorf("run %s: %w", strings.Join(cmd.Args, " "), err)
	}
	return 0, nil
}

// must is command for what has to succeed; it returns what was printed.
func must(ctx context.Context, name string, args ...string) (string, error) {
	var out strings.Builder
	code, err := command(ctx, "", func(l string) { out.WriteString(l + "\n") }, name, args...)
	if err == nil && code != 0 {
		err = fmt.Errorf("%s %s ended with %d:\n%s", name, strings.Join(args, " "), code, out.String())
	}
	return out.String(), err
}
