package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// traffic is what clients see: requests through the load balancer, all the time, and what became of each.
type traffic struct {
	url string

	mu       sync.Mutex
	requests int
	failed   []time.Time
	last     string         // how the newest failure looked
	by       map[string]int // answers by gateway, where the load balancer tells
	cancel   context.CancelFunc
	workers  sync.WaitGroup
}

const (
	clients     = 8
	clientPause = 20 * time.Millisecond
	requestTime = 10 * time.Second
)

// startTraffic begins; stop ends it.
func startTraffic(ctx context.Context, url string) *traffic {
	ctx, cancel := context.WithCancel(ctx)
	t := &traffic{url: url, by: map[string]int{}, cancel: cancel}
	for i := range clients {
		// Half of the clients keep their connection, half open one for each request.
		client := &http.Client{Timeout: requestTime, Transport: &http.Transport{DisableKeepAlives: i%2 == 0}}
		t.workers.Go(func() {
			tick := time.NewTicker(clientPause)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
				by, err := t.ask(ctx, client)
				if ctx.Err() != nil {
					return
				}
				t.count(by, err)
			}
		})
	}
	return t
}

func (t *traffic) ask(ctx context.Context, client *http.Client) (by string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url, nil)
	if err != nil {
		return "", err
	}
	answer, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return "", err
	case answer.StatusCode != http.StatusOK || !strings.Contains(string(body), "silverback-lab echo"):
		return "", fmt.Errorf("%s: %.200s", answer.Status, body)
	}
	return answer.Header.Get("X-Gateway"), nil
}

func (t *traffic) count(by string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.requests++
	if err != nil {
		now := time.Now()
		t.failed = append(t.failed, now)
		t.last = fmt.Sprintf("%s: %v", now.UTC().Format("15:04:05.000"), err)
		return
	}
	t.by[by]++
}

func (t *traffic) stop() {
	t.cancel()
	t.workers.Wait()
}

// seen is a moment of the traffic.
type seen struct {
	requests, failed int
	lasted           time.Duration // from the first failure to the last
	last             string
	by               map[string]int
}

func (t *traffic) now() seen {
	t.mu.Lock()
	defer t.mu.Unlock()
	by := map[string]int{}
	for k, v := range t.by {
		by[k] = v
	}
	return seen{requests: t.requests, failed: len(t.failed), last: t.last, by: by}
}

// since is what happened after a moment.
func (t *traffic) since(before seen) seen {
	now := t.now()
	for k, v := range before.by {
		now.by[k] -= v
	}
	now.requests -= before.requests
	t.mu.Lock()
	failed := t.failed[before.failed:now.failed]
	t.mu.Unlock()
	now.failed = len(failed)
	if now.failed > 0 {
		now.lasted = failed[len(failed)-1].Sub(failed[0])
	}
	return now
}

// get asks for a URL once, over a connection of its own.
func get(ctx context.Context, url string) (status int, body string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), err
}

// fatal is an error that waiting will not mend.
type fatal struct{ error }

// eventually asks again and again until the answer is nil, or a fatal error.
func eventually(ctx context.Context, within time.Duration, what string, ask func() error) error {
	over := time.After(within)
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		err := ask()
		if err == nil || errors.As(err, &fatal{}) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-over:
			return fmt.Errorf("not within %s: %s: %w", within, what, err)
		case <-again.C:
		}
	}
}
