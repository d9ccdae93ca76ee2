package process

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

const tick = 20 * time.Millisecond

// Eventually asks again and again until the answer is nil, and fails the test when that takes too long. It is for what
// announces itself by no event.
func Eventually(tb testing.TB, within time.Duration, what string, ask func() error) {
	tb.Helper()
	over := time.After(within)
	again := time.NewTicker(tick)
	defer again.Stop()
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-again.C:
		case <-over:
			tb.Fatalf("not within %s: %s: %v", within, what, err)
		}
	}
}

// Get asks for a URL over a connection of its own, since a kept one would know the process of before.
func Get(url string) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err = io.ReadAll(answer.Body)
	return answer.StatusCode, body, err
}

// Ready is nil when a URL answers 200.
func Ready(url string) error {
	status, body, err := Get(url)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%s answers %d: %s", url, status, body)
	}
	return err
}
