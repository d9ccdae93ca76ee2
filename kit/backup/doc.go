// Package backup copies a ledger out of etcd into a file, and reads such files. A file is written in one pass and read in one pass, with
// the memory of its longest record. It knows which keys are alive only with a process, and which are named by their content, and nothing
// else of the services' records: what it does not know it copies.
//
// A file is a line with the version, and frames: a manifest, the records and objects in the order of their keys, and an end.
//
//	file  = "silverback-backup 1\n" frame*
//	frame = kind (1 byte) length (4 bytes, big endian) body CRC-32C of all three (4 bytes, big endian)
//
//	M  the manifest, JSON; the first frame
//	R  a record:  key length (uvarint), key, etcd revision (uvarint), value
//	O  an object: likewise. Its key names its content, so it never changes.
//	B  an object that the base has: key length (uvarint), key, SHA-256 of the value (32 bytes)
//	E  the end, JSON: how many frames of each kind there are, and the SHA-256 of every byte before this frame. Nothing follows it.
//
// That SHA-256 is the id of the backup, by which another one names it as its base. An encrypted file is an age file (age-encryption.org/v1)
// of all this.
package backup
