// Package etcdtest runs real etcd servers inside a test: one member, or several whose members can be stopped and started.
// It is for tests; data is not synced to disk.
package etcdtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/tlsfiles"
	"github.com/silverback-gateway/silverback/testkit/port"
)

const (
	startTimeout = 60 * time.Second
	retryPause   = 50 * time.Millisecond
)

// A Server is one or several members of one cluster. It ends with its test.
type Server struct {
	Endpoints []string // client addresses, host:port
	members   []*member
}

// StartSecure starts a single member with TLS from the files. It requires client certificates that their CA signed.
func StartSecure(tb testing.TB, f tlsfiles.Files) *Server {
	tb.Helper()
	return start(tb, 1, func(c *embed.Config) {
		c.ClientTLSInfo = transport.TLSInfo{CertFile: f.Cert, KeyFile: f.Key, TrustedCAFile: f.CA, ClientCertAuth: true}
		for _, urls := range [][]url.URL{c.ListenClientUrls, c.AdvertiseClientUrls} {
			urls[0].Scheme = "https"
		}
	})
}

type member struct {
	config *embed.Config
	etcd   *embed.Etcd
}

// Start starts a single member.
func Start(tb testing.TB) *Server { return StartCluster(tb, 1) }

// StartSmall starts a single member with a quota in bytes.
func StartSmall(tb testing.TB, quota int64) *Server {
	tb.Helper()
	return start(tb, 1, func(c *embed.Config) { c.QuotaBackendBytes = quota })
}

// StartBounded starts a single member with a quota in bytes that compacts its history after a time.
func StartBounded(tb testing.TB, quota int64, history time.Duration) *Server {
	tb.Helper()
	return start(tb, 1, func(c *embed.Config) {
		c.QuotaBackendBytes = quota
		c.AutoCompactionMode, c.AutoCompactionRetention = embed.CompactorModePeriodic, history.String()
	})
}

// StartCluster starts a cluster of n members.
func StartCluster(tb testing.TB, n int) *Server {
	tb.Helper()
	return start(tb, n, func(*embed.Config) {})
}

func start(tb testing.TB, n int, adjust func(*embed.Config)) *Server {
	tb.Helper()
	s := &Server{}
	var initial []string
	dir := tb.TempDir() // before the cleanup, and so removed after it: a member that misses its files ends the process
	tb.Cleanup(s.close)
	for i := range n {
		c := embed.NewConfig()
		c.Name = fmt.Sprintf("m%d", i)
		c.Dir = filepath.Join(dir, c.Name)
		client, peer := freeURL(tb), freeURL(tb)
		c.ListenClientUrls, c.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
		c.ListenPeerUrls, c.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
		c.TickMs, c.ElectionMs = 50, 500
		c.UnsafeNoFsync = true
		c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(lastWords())
		adjust(c)
		initial = append(initial, c.Name+"="+peer.String())
		s.Endpoints = append(s.Endpoints, client.Host)
		s.members = append(s.members, &member{config: c})
	}
	started := make(chan error, n)
	for _, m := range s.members {
		m.config.InitialCluster = strings.Join(initial, ",")
		go func() { started <- m.start() }()
	}
	for range n {
		if err := <-started; err != nil {
			tb.Fatalf("start etcd: %v", err)
		}
	}
	return s
}

// Client returns a new client that ends with its test.
func (s *Server) Client(tb testing.TB) *clientv3.Client {
	tb.Helper()
	client, err := etcdkv.Dial(etcdkv.Config{Endpoints: s.Endpoints})
	if err != nil {
		tb.Fatalf("connect to etcd: %v", err)
	}
	tb.Cleanup(func() { _ = client.Close() })
	return client
}

// Client starts a single member and returns a client of it.
func Client(tb testing.TB) *clientv3.Client {
	tb.Helper()
	return Start(tb).Client(tb)
}

// Stop stops member i; its data stays.
func (s *Server) Stop(i int) {
	if m := s.members[i]; m.etcd != nil {
		m.etcd.Close()
		m.etcd = nil
	}
}

// Restart starts member i again with its data, at its old addresses.
func (s *Server) Restart(tb testing.TB, i int) {
	tb.Helper()
	s.restart(tb, i, embed.ClusterStateFlagExisting)
}

func (s *Server) restart(tb testing.TB, i int, state string) {
	tb.Helper()
	s.Stop(i)
	m := s.members[i]
	c := *m.config
	c.ClusterState = state
	m.config = &c
	if err := m.start(); err != nil {
		tb.Fatalf("restart etcd: %v", err)
	}
}

// Replace replaces member i as an operator does when its disk is lost: it removes the member from the cluster and adds a new, empty one at
// the same addresses. The others must be a majority.
func (s *Server) Replace(tb testing.TB, i int) {
	tb.Helper()
	s.Stop(i)
	m := s.members[i]
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	client := s.Client(tb)
	defer func() { _ = client.Close() }()
	all, err := client.MemberList(ctx)
	if err != nil {
		tb.Fatalf("replace a member of etcd: %v", err)
	}
	for _, member := range all.Members {
		if member.Name == m.config.Name {
			_, err = client.MemberRemove(ctx, member.ID)
		}
	}
	for err == nil {
		// etcd refuses another change of its members until the others have applied the last.
		if _, err = client.MemberAdd(ctx, []string{m.config.AdvertisePeerUrls[0].String()}); !errors.Is(err, rpctypes.ErrUnhealthy) {
			break
		}
		err = backoff.Sleep(ctx, retryPause)
	}
	if err == nil {
		err = os.RemoveAll(m.config.Dir)
	}
	if err != nil {
		tb.Fatalf("replace a member of etcd: %v", err)
	}
	s.Restart(tb, i)
}

// RaiseAlarm makes etcd refuse writes, as when a member has no space left. MakeRoom ends that.
func RaiseAlarm(tb testing.TB, client *clientv3.Client) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	all, err := client.MemberList(ctx)
	if err == nil {
		_, err = etcdserverpb.NewMaintenanceClient(client.ActiveConnection()).Alarm(ctx, &etcdserverpb.AlarmRequest{
			Action: etcdserverpb.AlarmRequest_ACTIVATE, MemberID: all.Members[0].ID, Alarm: etcdserverpb.AlarmType_NOSPACE,
		})
	}
	if err != nil {
		tb.Fatalf("raise the alarm of etcd: %v", err)
	}
}

// Compact deletes all history before now, so that a watch from an earlier revision fails.
func Compact(tb testing.TB, client *clientv3.Client) {
	tb.Helper()
	answer, err := client.Get(context.Background(), "x")
	if err == nil {
		_, err = client.Compact(context.Background(), answer.Header.Revision, clientv3.WithCompactPhysical())
	}
	if err != nil && !errors.Is(err, rpctypes.ErrCompacted) { // nothing was written since the last time
		tb.Fatalf("compact etcd: %v", err)
	}
}

// Backup returns a copy of the data of the only member, for Restore. The member is stopped for it and started again.
func (s *Server) Backup(tb testing.TB) string {
	tb.Helper()
	dir := tb.TempDir()
	s.Stop(0)
	if err := os.CopyFS(dir, os.DirFS(s.members[0].config.Dir)); err != nil {
		tb.Fatalf("back up etcd: %v", err)
	}
	s.Restart(tb, 0)
	return dir
}

// Restore replaces the data of the only member by a backup. An empty backup leaves no data.
func (s *Server) Restore(tb testing.TB, backup string) {
	tb.Helper()
	s.Stop(0)
	state := embed.ClusterStateFlagNew
	err := os.RemoveAll(s.members[0].config.Dir)
	if err == nil && backup != "" {
		state = embed.ClusterStateFlagExisting
		err = os.CopyFS(s.members[0].config.Dir, os.DirFS(backup))
	}
	if err != nil {
		tb.Fatalf("restore etcd: %v", err)
	}
	s.restart(tb, 0, state)
}

func (s *Server) close() {
	for i := range s.members {
		s.Stop(i)
	}
}

func (m *member) start() error {
	etcd, err := embed.StartEtcd(m.config)
	if err != nil {
		return err
	}
	select {
	case <-etcd.Server.ReadyNotify():
		m.etcd = etcd
		return nil
	case err := <-etcd.Err():
		etcd.Close()
		return err
	case <-time.After(startTimeout):
		etcd.Close()
		return fmt.Errorf("not ready after %s", startTimeout)
	}
}

// lastWords is a log of only those messages that end the process, which etcd does when it cannot continue.
func lastWords() *zap.Logger {
	return zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(zap.NewDevelopmentEncoderConfig()), zapcore.Lock(os.Stderr), zap.FatalLevel))
}

// freeURL returns a URL on a port that stays reserved for the member while it is stopped.
func freeURL(tb testing.TB) url.URL {
	tb.Helper()
	return url.URL{Scheme: "http", Host: port.Address(tb)}
}

const fillPrefix = "/fill/"

// Fill writes until a member started with StartSmall has no space left and its alarm is on.
func Fill(tb testing.TB, client *clientv3.Client) {
	tb.Helper()
	value := strings.Repeat("x", 512<<10)
	for i := range 1000 {
		_, err := client.Put(context.Background(), fmt.Sprintf("%s%d", fillPrefix, i), value)
		if errors.Is(err, rpctypes.ErrNoSpace) {
			return
		}
		if err != nil {
			tb.Fatalf("fill etcd: %v", err)
		}
	}
	tb.Fatal("etcd does not get full")
}

// MakeRoom frees space as an operator does: delete, compact, defragment, disarm.
func MakeRoom(tb testing.TB, client *clientv3.Client) {
	tb.Helper()
	ctx := context.Background()
	_, err := client.Delete(ctx, fillPrefix, clientv3.WithPrefix())
	if err == nil {
		Compact(tb, client)
	}
	for _, member := range client.Endpoints() {
		if err == nil {
			_, err = client.Defragment(ctx, member)
		}
	}
	if err == nil {
		_, err = client.AlarmDisarm(ctx, &clientv3.AlarmMember{})
	}
	if err != nil {
		tb.Fatalf("make room in etcd: %v", err)
	}
}
