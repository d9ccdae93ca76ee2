package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestItServesUntilStopped(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	out, in := io.Pipe()
	status := make(chan int, 1)
	go func() {
		status <- run(ctx, []string{"--proxy=0.0.0.0:0", "--insecure-proxy", "--admin=127.0.0.1:0", "--status=127.0.0.1:0", "--workers=2"}, in,
			io.Discard)
		_ = in.Close()
	}()
	lines := bufio.NewScanner(out)
	var banner, admin string
	for lines.Scan() {
		if banner == "" {
			banner = lines.Text()
		}
		if url, ok := strings.CutPrefix(lines.Text(), "admin "); ok {
			admin = url
		}
		if strings.HasPrefix(lines.Text(), "status ") {
			break
		}
	}
	if !strings.Contains(banner, "simulation") {
		t.Errorf("the first line is %q", banner)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, admin+"/status", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("GET /status: %s", res.Status)
	}
	stop()
	if got := <-status; got != 0 {
		t.Errorf("exit status %d", got)
	}
}

func TestWrongFlagsAreRefused(t *testing.T) {
	for args, want := range map[string]int{"--help": 0, "--workers=0": 2, "--nosuch": 2, "extra": 2, "--admin=0.0.0.0:0": 1,
		"--proxy=0.0.0.0:0": 1, "--router-flavor=none": 1} {
		var stderr bytes.Buffer
		if got := run(t.Context(), []string{args}, io.Discard, &stderr); got != want || stderr.Len() == 0 {
			t.Errorf("%s: exit status %d, want %d; said %q", args, got, want, stderr.String())
		}
	}
}
