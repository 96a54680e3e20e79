package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

// maxSocketPath is what the path of a unix socket may come to on every system
// this runs on, in bytes: macOS has the least, 104 with the final zero.
const maxSocketPath = 103

// etcdServer is an etcd inside this process. It listens on a unix socket in a
// directory of its own, so that any number of instances run side by side.
type etcdServer struct {
	*embed.Etcd
	// endpoint is where a client finds it.
	endpoint string
}

// startEtcd returns when etcd takes requests. Nothing is synced to disk: what
// it keeps survives a clean stop and a killed process, not a power failure.
func startEtcd(ctx context.Context, dataDir, socketDir string, verbose bool) (*etcdServer, error) {
	client, err := socketURL(socketDir, "etcd.sock")
	if err != nil {
		return nil, err
	}
	cfg := embed.NewConfig()
	cfg.Name = "controlplane"
	cfg.Dir = dataDir
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	cfg.ListenPeerUrls = nil // it has no peers; the address it advertises to them is a mere name
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.UnsafeNoFsync = true
	cfg.EnableGRPCGateway = false
	cfg.TickMs, cfg.ElectionMs = 10, 100 // its only member elects itself
	cfg.LogLevel = "fatal"               // what fails is returned, and a stop looks like errors
	if verbose {
		cfg.LogLevel = "info"
	}
	server, err := embed.StartEtcd(cfg)
	if err != nil {
		return nil, fmt.Errorf("start etcd in %s: %w", dataDir, err)
	}
	select {
	case <-server.Server.ReadyNotify():
		return &etcdServer{Etcd: server, endpoint: client.String()}, nil
	case err := <-server.Err():
		return nil, fmt.Errorf("start etcd in %s: %w", dataDir, err)
	case <-ctx.Done():
	case <-time.After(startTimeout):
		err = errors.New("it was not ready in time: is another process using the directory?")
	}
	server.Server.HardStop()
	server.Close()
	return nil, fmt.Errorf("start etcd in %s: %w", dataDir, errors.Join(err, ctx.Err()))
}

// stop ends etcd without waiting for its clients.
func (s *etcdServer) stop() {
	s.Server.HardStop()
	s.Close()
}

func socketURL(dir, name string) (url.URL, error) {
	path := filepath.Join(dir, name)
	if len(path) > maxSocketPath {
		return url.URL{}, fmt.Errorf("the path of the socket %s is longer than %d bytes: set TMPDIR to a shorter directory", path, maxSocketPath)
	}
	return url.URL{Scheme: "unix", Path: path}, nil
}
