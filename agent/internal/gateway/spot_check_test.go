package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/proof"
)

func TestSpotCheck(t *testing.T) {
	digest, other := "sha256:"+strings.Repeat("a", 64), "sha256:"+strings.Repeat("b", 64)
	var says atomic.Value
	g := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		said := says.Load().(string)
		if said == "" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = w.Write([]byte(said))
	})
	g.keepProcesses(map[int]int{0: 10})
	answer := func(digest string, pid int) string {
		return fmt.Sprintf(`{"digest":%q,"worker":0,"workers":1,"pid":%d}`, digest, pid)
	}
	for _, tt := range []struct {
		name, answer string
		form         proof.Form
		want         bool
	}{
		{"what was proven", answer(digest, 10), proof.Worker, false},
		{"another configuration", answer(other, 10), proof.Worker, true},
		{"another process", answer(digest, 11), proof.Worker, true},
		{"a process that is not named", answer(digest, 0), proof.Worker, false},
		{"no reserved route", "", proof.Worker, true},
		{"another configuration, by the weaker form", `{"digest":"` + other + `"}`, proof.Route, true},
		{"nothing to ask", answer(other, 10), proof.None, false},
		{"something that is no answer", "{}", proof.Worker, false},
	} {
		says.Store(tt.answer)
		if got := g.SpotCheck(t.Context(), fleet.Digest(digest), tt.form); got != tt.want {
			t.Errorf("%s: doubt %v, want %v", tt.name, got, tt.want)
		}
	}
}
