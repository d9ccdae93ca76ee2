package agent

import (
	"bytes"
	"os"
	"strconv"
)

// memoryLimit returns how many bytes of memory the gateway may take; 0 when that is not known.
func (c Config) memoryLimit() int64 {
	if c.GatewayMemory > 0 {
		return c.GatewayMemory
	}
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	return machineMemory(text)
}

// machineMemory reads the total of a /proc/meminfo; 0 when it has none.
func machineMemory(text []byte) int64 {
	for line := range bytes.Lines(text) {
		fields := bytes.Fields(line)
		if len(fields) == 3 && string(fields[0]) == "MemTotal:" && string(fields[2]) == "kB" {
			n, err := strconv.ParseInt(string(fields[1]), 10, 64)
			if err != nil || n < 0 || n > 1<<40 {
				return 0
			}
			return n << 10
		}
	}
	return 0
}
