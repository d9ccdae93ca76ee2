package etcdkv

import (
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
)

func TestHowFullAMemberIs(t *testing.T) {
	for _, tt := range []struct {
		name                     string
		file, told, quota, limit int64
		percent                  int64
	}{
		{name: "it tells its quota", file: 900, told: 1000, quota: 5000, limit: 1000, percent: 90},
		{name: "it is of before 3.6", file: 900, quota: 3600, limit: 3600, percent: 25},
		{name: "nobody knows", file: 900},
		{name: "nearly", file: 7499, told: 10_000, limit: 10_000, percent: 74},
		{name: "over", file: 11_000, told: 10_000, limit: 10_000, percent: 110},
	} {
		got := sizeOf("e", &clientv3.StatusResponse{DbSize: tt.file, DbSizeInUse: tt.file / 2, DbSizeQuota: tt.told}, tt.quota)
		if got.Quota != tt.limit || got.Percent() != tt.percent || got.File != tt.file || got.InUse != tt.file/2 || got.Endpoint != "e" {
			t.Errorf("%s: %+v, %d %%", tt.name, got, got.Percent())
		}
	}
}
