package roster

import "time"

// ConfigurationTTL is how long what an unmanaged gateway serves is waited for and kept: it holds secrets.
const ConfigurationTTL = 2 * time.Minute

// Part is one part of what a gateway serves, as it travels.
type Part struct {
	Count   int32  `json:"count"`
	Failure string `json:"failure,omitempty"` // why it cannot be had
	Zstd    []byte `json:"zstd,omitempty"`
}
