package roster

import "time"

// ConfigurationTTL bounds the wait for an unmanaged gateway's configuration, and how long its parts are stored: they hold secrets.
const ConfigurationTTL = 2 * time.Minute

// Part is one part of what a gateway serves, as it travels.
type Part struct {
	Count   int32  `json:"count"`
	Failure string `json:"failure,omitempty"` // why it cannot be had
	Zstd    []byte `json:"zstd,omitempty"`
}
