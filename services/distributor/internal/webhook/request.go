package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/silverback-gateway/silverback/kit/build"
	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/services/distributor/internal/event"
)

// Bounds of what a server may answer.
const (
	maxHeader = 64 << 10
	maxBody   = 64 << 10
)

// body is what is sent of an event. The sequence is a text: many readers of JSON keep only 53 bits of a number.
type body struct {
	Sequence string `json:"sequence"`
	event.Event
}

func bodyOf(e event.Event) ([]byte, error) {
	text, err := json.Marshal(body{strconv.FormatInt(int64(e.Sequence), 10), e})
	if err != nil {
		return nil, fmt.Errorf("encode event: %w", err)
	}
	return text, nil
}

// Signature returns the value of the header that proves who sent a body, and when. A receiver computes it from the secret and the body as
// it came, compares it in constant time, and refuses one that is old.
func Signature(secret []byte, at time.Time, body []byte) string {
	second := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(second + "."))
	mac.Write(body)
	return "t=" + second + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}

// authorities returns those that the server's certificate may be of; nil for those of the system.
func (h *Hook) authorities() (*x509.CertPool, error) {
	if h.CAFile == "" {
		return nil, nil
	}
	text, err := readFile(h.CAFile, maxFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: holds no certificate", h.CAFile)
	}
	return pool, nil
}

// client returns the client of a hook. It follows no redirects: who may change where events go is whoever writes the configuration.
func (h *Hook) client() (*http.Client, error) {
	authorities, err := h.authorities()
	if err != nil {
		return nil, err
	}
	return &http.Client{
		Timeout: h.Timeout,
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: authorities},
			MaxResponseHeaderBytes: maxHeader, DisableCompression: true, MaxIdleConns: 1, MaxConnsPerHost: 1, IdleConnTimeout: time.Minute,
			ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// post makes one attempt and returns the answer's status and when to try again, if it says so. An error quotes neither the URL nor the
// secret.
func (h *Hook) post(ctx context.Context, client *http.Client, e event.Event) (status int, after string, err error) {
	secret, err := h.secret()
	if err != nil {
		return 0, "", fmt.Errorf("read the secret: %w", err)
	}
	text, err := bodyOf(e)
	if err != nil {
		return 0, "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(text))
	if err != nil {
		return 0, "", errors.New("the URL cannot be used")
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "silverback-distributor/"+build.Version())
	request.Header.Set("X-Silverback-Event", string(e.Reason))
	request.Header.Set("X-Silverback-Sequence", strconv.FormatInt(int64(e.Sequence), 10))
	request.Header.Set("Idempotency-Key", strconv.FormatInt(int64(e.Sequence), 10))
	request.Header.Set("X-Silverback-Signature", Signature(secret, time.Now(), text))
	answer, err := client.Do(request)
	if err != nil {
		var quotes *url.Error // it quotes the URL
		if errors.As(err, &quotes) {
			err = quotes.Err
		}
		return 0, "", errors.New(clean.Line(err.Error(), clean.MaxWord))
	}
	// A connection whose answer is not read to its end is closed.
	_, _ = io.CopyN(io.Discard, answer.Body, maxBody)
	_ = answer.Body.Close()
	return answer.StatusCode, answer.Header.Get("Retry-After"), nil
}
