package content

import (
	"fmt"
	"testing"
)

func TestCacheKeepsWhatWasUsedLast(t *testing.T) {
	value := make([]byte, 1000-entryOverhead-1)
	c := newCache(3000)
	c.put("a", value)
	c.put("b", value)
	c.put("c", value)
	c.get("a")
	c.put("d", value)
	for key, want := range map[string]bool{"a": true, "b": false, "c": true, "d": true} {
		if _, got := c.get(key); got != want {
			t.Errorf("%s: kept %v, want %v", key, got, want)
		}
	}
	if c.used != 3000 {
		t.Errorf("used %d of 3000 bytes", c.used)
	}
	c.drop("a")
	c.drop("a")
	if _, ok := c.get("a"); ok || c.used != 2000 {
		t.Errorf("dropped: there %v, used %d", ok, c.used)
	}
}

func TestCacheRefusesWhatIsLargerThanItself(t *testing.T) {
	for _, limit := range []int{-1, 100, 1000} {
		c := newCache(limit)
		for i := range 5 {
			c.put(fmt.Sprint(i), make([]byte, 1000))
		}
		if c.used != 0 || len(c.entries) != 0 {
			t.Errorf("limit %d: %d bytes in %d entries", limit, c.used, len(c.entries))
		}
	}
}
