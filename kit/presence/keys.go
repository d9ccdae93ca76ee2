package presence

import (
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// A Part is the prefix of the keys of one service, which it may read and write.
type Part string

// The parts of a ledger, by the service that owns them.
const (
	Registry    Part = "identity/"
	Translator  Part = "desired/"
	Distributor Part = "decided/"
)

// Parts are all parts.
var Parts = []Part{Registry, Translator, Distributor}

// Marker is the key that is there while a restore has begun and has not ended.
func (p Part) Marker() string { return string(p) + "restoring" }

// replicas is the prefix of the announcements. What is under decided/ only the leader and operators write.
func (p Part) replicas() string {
	if p == Distributor {
		return "observed/replicas/"
	}
	return string(p) + "replicas/"
}

// service returns the name of the service, for people.
func (p Part) service() string {
	switch p {
	case Registry:
		return "registry"
	case Translator:
		return "translator"
	case Distributor:
		return "distributor"
	}
	return string(p)
}

// Is reports whether a key belongs to this package, and so to no backup.
func Is(key string) bool {
	for _, p := range Parts {
		if key == p.Marker() || strings.HasPrefix(key, p.replicas()) {
			return true
		}
	}
	return false
}

// Replicas of a version that announced none are known by these.
const (
	electionPrefix = "election/"
	sessionsPrefix = "identity/sessions/"
)

// Nobody returns the conditions of a transaction that needs all services to be away.
func Nobody() []clientv3.Cmp {
	all := []clientv3.Cmp{none(electionPrefix), none(sessionsPrefix)}
	for _, p := range Parts {
		all = append(all, none(p.replicas()))
	}
	return all
}

func none(prefix string) clientv3.Cmp {
	return clientv3.Compare(clientv3.CreateRevision(prefix), "=", 0).WithPrefix()
}
