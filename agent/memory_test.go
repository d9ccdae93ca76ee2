package agent

import "testing"

func TestMachineMemory(t *testing.T) {
	for text, want := range map[string]int64{
		"MemTotal:        8000000 kB\nMemFree: 1 kB\n": 8_000_000 << 10, "MemFree: 1 kB\nMemTotal: 5 kB": 5 << 10,
		"": 0, "MemTotal:": 0, "MemTotal: -5 kB": 0, "MemTotal: 99999999999999 kB": 0, "MemTotal: 5 MB": 0, "MemTotal: x kB": 0,
	} {
		if got := machineMemory([]byte(text)); got != want {
			t.Errorf("%q: got %d, want %d", text, got, want)
		}
	}
	if got := (Config{GatewayMemory: 7}).memoryLimit(); got != 7 {
		t.Errorf("got %d, and 7 were set", got)
	}
}
