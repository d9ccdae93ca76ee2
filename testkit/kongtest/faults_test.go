package kongtest_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

func TestRefuseRoute(t *testing.T) {
	g := kongtest.Start(t)
	g.RefuseRoute("r")
	got := post(t, g, terminating("a"))
	expect(t, got, 400, "")
	contains(t, got.body, `"entity_name":"r"`)
	mustPost(t, g, `{"_format_version":"3.0","routes":[{"name":"other","paths":["/"]}]}`)
	g.RefuseIf(nil)
	mustPost(t, g, terminating("a"))
}

func TestFailNext(t *testing.T) {
	g := kongtest.Start(t)
	for status, message := range map[int]string{
		429: "Currently loading previous configuration",
		413: `Configuration does not fit in LMDB database, consider raising the "lmdb_map_size" config for Kong`,
		500: "An unexpected error occurred",
	} {
		g.FailNext(status, 1)
		expect(t, post(t, g, terminating("a")), status, message)
	}
	mustPost(t, g, terminating("a"))
	if g.Posts() != 4 || g.Loads() != 1 {
		t.Errorf("%d posts, %d loads", g.Posts(), g.Loads())
	}
	if want := int64(4 * len(terminating("a"))); g.BytesReceived() != want {
		t.Errorf("%d bytes received, want %d", g.BytesReceived(), want)
	}
}

func TestHangEndsWithTheClientOrTheGateway(t *testing.T) {
	g := kongtest.Start(t)
	release := g.Hang()
	client := &http.Client{Timeout: 50 * time.Millisecond, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Post(g.AdminURL()+"/config?config=x", "", nil)
	if err == nil {
		_ = res.Body.Close()
		t.Error("a hanging gateway answered")
	}
	done := make(chan reply)
	go func() {
		got, _ := try(t, http.MethodPost, g.AdminURL()+"/config", terminating("a"), "Content-Type", "text/yaml")
		done <- got
	}()
	release()
	if got := <-done; got.status != 201 {
		t.Errorf("got %d after the release", got.status)
	}
	g.Hang()
	before := g.Posts() // whether the first one came, before its client gave up, is not known
	go func() {
		got, _ := try(t, http.MethodPost, g.AdminURL()+"/config", terminating("a"), "Content-Type", "text/yaml")
		done <- got
	}()
	for g.Posts() == before {
		if t.Context().Err() != nil {
			t.Fatal("the post never came")
		}
	}
	g.Kill()
	if got := <-done; got.status != 0 {
		t.Errorf("a killed gateway answered %d", got.status)
	}
}

func TestCloseHalfwayLoadsAndBreaksOff(t *testing.T) {
	g := kongtest.Start(t)
	g.CloseHalfway(1)
	if got, err := try(t, http.MethodPost, g.AdminURL()+"/config", terminating("a"), "Content-Type", "text/yaml"); err == nil {
		t.Errorf("the answer arrived: %d %s", got.status, got.body)
	}
	if g.Hash() != md5Hex(terminating("a")) {
		t.Error("the configuration was not loaded")
	}
	expect(t, post(t, g, terminating("a")), 304, "")
}

func TestSlow(t *testing.T) {
	g := kongtest.Start(t)
	g.Slow(30 * time.Millisecond)
	begun := time.Now()
	mustPost(t, g, terminating("a"))
	if took := time.Since(begun); took < 30*time.Millisecond {
		t.Errorf("took %v", took)
	}
}

func TestAKilledPostIsNotLoadedAfterTheRestart(t *testing.T) {
	g := kongtest.Start(t)
	release := g.Hang()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = try(t, http.MethodPost, g.AdminURL()+"/config", terminating("a"), "Content-Type", "text/yaml")
	}()
	for g.Posts() < 1 {
		if t.Context().Err() != nil {
			t.Fatal("the post never came")
		}
	}
	g.Kill()
	release()
	<-done
	restart(t, g)
	if g.Hash() != zeros {
		t.Error("a post that the killed gateway never answered is in force")
	}
}
