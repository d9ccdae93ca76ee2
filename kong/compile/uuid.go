package compile

import (
	"crypto/sha1"
	"encoding/hex"
)

type uuid [16]byte

// kongEntities is the namespace in which Kong derives ids of declarative entities.
var kongEntities = uuid{0xfd, 0x02, 0x80, 0x1f, 0x09, 0x57, 0x4a, 0x15, 0xa5, 0x5a, 0xc8, 0xd9, 0x60, 0x6f, 0x30, 0xb5}

// inventedEntities is our own, for entities that Kong would give a random id.
var inventedEntities = uuid{0x5b, 0x0c, 0x1e, 0x44, 0x7d, 0x3a, 0x4f, 0x0e, 0x9c, 0x61, 0x21, 0x8a, 0xe6, 0x90, 0x4d, 0x17}

// version5 returns the UUIDv5 of a name in a namespace.
func version5(namespace uuid, name ...string) uuid {
	h := sha1.New()
	h.Write(namespace[:])
	for _, part := range name {
		h.Write([]byte(part))
	}
	var u uuid
	copy(u[:], h.Sum(nil))
	u[6] = u[6]&0x0f | 0x50
	u[8] = u[8]&0x3f | 0x80
	return u
}

func (u uuid) String() string {
	var b [36]byte
	hex.Encode(b[0:8], u[0:4])
	hex.Encode(b[9:13], u[4:6])
	hex.Encode(b[14:18], u[6:8])
	hex.Encode(b[19:23], u[8:10])
	hex.Encode(b[24:36], u[10:16])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}
