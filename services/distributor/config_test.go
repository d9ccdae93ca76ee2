package distributor_test

import (
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/services/distributor"
)

func TestAnElectionIDIsOneElementOfAKey(t *testing.T) {
	for id, good := range map[string]bool{
		"": true, distributor.DefaultElectionID: true, "eu-1": true, strings.Repeat("x", 128): true,
		strings.Repeat("x", 129): false, "a/b": false, "/": false, "a b": false, "a\x00": false, "a\n": false, "a\u0085": false, "a\xff": false,
	} {
		err := (&distributor.Config{ElectionID: id}).Check()
		if good != (err == nil) || !good && (!strings.Contains(err.Error(), "--election-id") ||
			!strings.Contains(err.Error(), "such as distributor")) {
			t.Errorf("%q gives %v", id, err)
		}
	}
}

func TestTheFlagsOfRetentionAreChecked(t *testing.T) {
	for flag, c := range map[string]distributor.Config{
		"":                   {CollectInterval: time.Hour, KeepRevisions: 50, KeepAge: time.Hour},
		"--collect-interval": {CollectInterval: time.Millisecond},
		"--keep-revisions":   {KeepRevisions: 1},
		"--keep-age":         {KeepAge: -1},
		"--keep-events":      {KeepEvents: 99},
		"--etcd-quota-bytes": {EtcdQuota: -1},
	} {
		if err := c.Check(); (err == nil) != (flag == "") || err != nil && !strings.Contains(err.Error(), flag) {
			t.Errorf("%q gives %v", flag, err)
		}
	}
}
