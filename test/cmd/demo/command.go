package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
)

// runCommand runs a program to its end and tells each line of both its streams as it comes.
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
