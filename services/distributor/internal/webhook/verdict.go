package webhook

import (
	"net/http"
	"strconv"
	"time"
)

// A verdict says what becomes of an event after an attempt.
type verdict int

const (
	taken verdict = iota // the server has it
	again                // another attempt may succeed
	dead                 // no other attempt will
)

// judge returns what an answer means; status 0 is none. A redirect is not followed, so trying again would not help.
func judge(status int) verdict {
	switch {
	case status >= 200 && status < 300:
		return taken
	case status == 0, status >= 500, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout:
		return again
	}
	return dead
}

// maxRetryAfter bounds how long a server may have its next attempt wait.
const maxRetryAfter = 10 * time.Minute

// pauseOf returns how long to wait before the next attempt: what the server asks for in seconds or as a date, within bounds, but no less
// than the pause of the backoff.
func pauseOf(after string, now time.Time, pause time.Duration) time.Duration {
	asked := time.Duration(0)
	if seconds, err := strconv.ParseInt(after, 10, 32); err == nil {
		asked = time.Duration(seconds) * time.Second
	} else if date, err := http.ParseTime(after); err == nil {
		asked = date.Sub(now)
	}
	return max(pause, min(asked, maxRetryAfter))
}
