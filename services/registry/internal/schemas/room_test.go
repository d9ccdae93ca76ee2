package schemas

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
)

func TestWhoHasRoom(t *testing.T) {
	node := func(group fleet.GroupID, n int) roster.Key {
		return roster.Key{Group: group, Node: fleet.NodeID(fmt.Sprint("gw-", n))}
	}
	for _, tt := range []struct {
		name   string
		stored map[roster.Key]int // how many bundles each uploaded
		asks   roster.Key
		room   bool
	}{
		{"nobody has any", nil, node("a", 1), true},
		{"a node with one less than its limit", map[roster.Key]int{node("a", 1): MaxOfNode - 1}, node("a", 1), true},
		{"a node at its limit", map[roster.Key]int{node("a", 1): MaxOfNode}, node("a", 1), false},
		{"another node, beside one at its limit", map[roster.Key]int{node("a", 1): MaxOfNode}, node("a", 2), true},
		{"a group that has all", map[roster.Key]int{node("a", 1): MaxBundles}, node("a", 2), false},
		{"another group then", map[roster.Key]int{node("a", 1): MaxBundles}, node("b", 1), true},
		{"a group with its share of two", map[roster.Key]int{node("a", 1): MaxBundles / 2, node("b", 1): MaxBundles / 2}, node("b", 2), false},
	} {
		stored := map[string]roster.Key{}
		for key, n := range tt.stored {
			for range n {
				stored[fmt.Sprint(len(stored))] = key
			}
		}
		if err := room(stored, tt.asks, time.Hour); (err == nil) != tt.room || err != nil && !errors.Is(err, fault.Of(fault.Busy)) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
