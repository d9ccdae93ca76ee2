package fleet

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
)

const digestPrefix = "sha256:"

// Digest identifies a snapshot: "sha256:" and the hex SHA-256 of its canonical bytes. The empty Digest is none.
type Digest string

// DigestOf returns the digest of canonical bytes.
func DigestOf(canonical []byte) Digest {
	sum := sha256.Sum256(canonical)
	return Digest(digestPrefix + hex.EncodeToString(sum[:]))
}

// ParseDigest checks the form of a digest.
func ParseDigest(text string) (Digest, error) {
	sum, ok := strings.CutPrefix(text, digestPrefix)
	if !ok || len(sum) != 2*sha256.Size || !lowerHex(sum) {
		return "", fmt.Errorf("%q is not a digest: want sha256: and 64 hex digits", text)
	}
	return Digest(text), nil
}

// Hex returns the digest without its prefix, as in storage keys.
func (d Digest) Hex() string { return strings.TrimPrefix(string(d), digestPrefix) }

// Short returns the first twelve hex digits, for people.
func (d Digest) Short() string {
	h := d.Hex()
	return h[:min(len(h), 12)]
}

// GatewayHash is the configuration_hash that Kong reports: the hex MD5 of the posted text (Kong fact F2).
type GatewayHash string

// NoGatewayHash is the hash that Kong reports without a configuration, or with an empty one (Kong facts F1 and F5).
const NoGatewayHash GatewayHash = "00000000000000000000000000000000"

// GatewayHashOf returns the hash that Kong will report for a posted text.
func GatewayHashOf(posted []byte) GatewayHash {
	sum := md5.Sum(posted)
	return GatewayHash(hex.EncodeToString(sum[:]))
}

// GatewayHashFrom is GatewayHashOf for a reader.
func GatewayHashFrom(r io.Reader) (GatewayHash, error) {
	h := md5.New()
	if _, err := io.Copy(h, r); err != nil {
		return "", err
	}
	return GatewayHash(hex.EncodeToString(h.Sum(nil))), nil
}

func lowerHex(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
