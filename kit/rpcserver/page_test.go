package rpcserver_test

import (
	"testing"

	"github.com/silverback-gateway/silverback/kit/rpcserver"
)

func TestPagesAreBounded(t *testing.T) {
	for requested, want := range map[int32]int{0: 100, -1: 100, 1: 1, 1000: 1000, 1001: 1000} {
		if got := rpcserver.PageSize(requested); got != want {
			t.Errorf("a page of %d has %d items, want %d", requested, got, want)
		}
	}
}
