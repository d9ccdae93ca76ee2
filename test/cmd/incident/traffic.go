package main

import (
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// An answer is what became of one request.
type answer struct {
	at      time.Time // when it was sent
	gateway int
	harmed  bool // no answer, a status of 500 or more, or one of the slow upstream
}

// traffic sends requests to gateways in turn, at a rate that does not depend on how fast they answer, and keeps what became of each. So a
// gateway that answers slowly gets as many as the others, as behind a load balancer that spreads evenly.
type traffic struct {
	urls []string

	mu      sync.Mutex
	answers []answer
	left    atomic.Int64 // requests that were not sent, for too many wait
	stop    context.CancelFunc
	done    sync.WaitGroup
}

const (
	requestTime = 10 * time.Second
	maxWaiting  = 2000
)

func startTraffic(ctx context.Context, urls []string, rate int) *traffic {
	ctx, cancel := context.WithCancel(ctx)
	t := &traffic{urls: urls, stop: cancel}
	client := &http.Client{Timeout: requestTime, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	places := make(chan struct{}, maxWaiting)
	t.done.Go(func() {
		began := time.Now()
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Until(began.Add(time.Duration(n) * time.Second / time.Duration(rate)))):
			}
			select {
			case places <- struct{}{}:
				t.done.Go(func() {
					t.ask(client, n%len(urls))
					<-places
				})
			default:
				t.left.Add(1)
			}
		}
	})
	return t
}

// ask sends one request. It is not cut when the traffic ends: it would count as failed.
func (t *traffic) ask(client *http.Client, gateway int) {
	a := answer{at: time.Now(), gateway: gateway, harmed: true}
	if response, err := client.Get(t.urls[gateway] + "/orders"); err == nil { //nolint:noctx // bounded by the client's timeout
		_, err = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		a.harmed = err != nil || response.StatusCode >= http.StatusInternalServerError || response.Header.Get(slowHeader) != ""
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.answers = append(t.answers, a)
}

// end stops the traffic and returns all answers.
func (t *traffic) end() []answer {
	t.stop()
	t.done.Wait()
	return t.answers
}
