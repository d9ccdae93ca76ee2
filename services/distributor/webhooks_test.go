package distributor_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
)

// Leaders come and go, the server fails now and then, and it gets every event in order; what it gets twice has the same sequence.
func TestWebhooksGetEveryEventOverChangesOfLeaders(t *testing.T) {
	var mu sync.Mutex
	var got []int64
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.ParseInt(r.Header.Get("X-Silverback-Sequence"), 10, 64)
		mu.Lock()
		defer mu.Unlock()
		if requests++; requests%3 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if !slices.Contains(got, n) {
			got = append(got, n)
		}
	}))
	defer server.Close()
	folder := t.TempDir()
	secret, file := filepath.Join(folder, "secret"), filepath.Join(folder, "webhooks.yaml")
	for name, text := range map[string]string{
		secret: "correct horse battery staple\n",
		file:   fmt.Sprintf("webhooks:\n- {name: ci, url: %q, secret_file: %s}\n", server.URL, secret),
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := newControlPlane(t)
	p.webhooks = file
	stays := p.replica("first")
	eventually(t, "there is a leader, and the hook has its place", func() bool {
		answer, err := p.etcd.Get(t.Context(), "decided/webhooks/ci")
		return err == nil && len(answer.Kvs) == 1
	})
	for i := range 4 {
		next := p.replica(fmt.Sprint("next-", i))
		for j := range 3 {
			eventually(t, "the group, which the replica has to hear of, is frozen", func() bool {
				_, err := next.FreezeGroup(t.Context(), &distributorv1.FreezeGroupRequest{Group: "g", Reason: fmt.Sprint(i, j)})
				return err == nil
			})
			if _, err := next.UnfreezeGroup(t.Context(), &distributorv1.UnfreezeGroupRequest{Group: "g", Reason: fmt.Sprint(i, j)}); err != nil {
				t.Fatal(err)
			}
		}
		stays.stop() // the leader
		stays = next
		eventually(t, "the next one leads", func() bool { name, _ := next.Leader(t.Context()); return name == fmt.Sprint("next-", i) })
	}
	var want []int64
	eventually(t, "the last leader has heard of everything", func() bool {
		want = nil
		for _, e := range stays.listed(t, &distributorv1.ListEventsRequest{}) {
			want = append(want, e.GetSequence())
		}
		return len(want) == 24
	})
	eventually(t, "everything has come", func() bool { mu.Lock(); defer mu.Unlock(); return len(got) == len(want) })
	if !slices.Equal(got, want) {
		t.Errorf("came\n%v, happened\n%v", got, want)
	}
	if n := stays.counter(t, "silverback_distributor_webhook_dead_letters_total"); n != 0 {
		t.Errorf("%v events were given up", n)
	}
}
