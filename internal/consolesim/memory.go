package consolesim

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
)

// InMemory serves a [Server] by net/http over connections that are pipes in
// memory. Unlike sockets, these may be waited for inside a testing/synctest
// bubble. Close it before the bubble ends.
type InMemory struct {
	// URL is the server's address, "http://127.0.0.1". Any other host that is
	// asked for through the transport leads to the same server.
	URL string
	// Transport is the only way to the server.
	Transport *http.Transport

	server   *http.Server
	listener *pipeListener
	serving  sync.WaitGroup
}

// InMemory starts serving in memory.
func (s *Server) InMemory() *InMemory {
	m := &InMemory{
		URL:      "http://127.0.0.1",
		server:   &http.Server{Handler: s},
		listener: &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})},
	}
	m.Transport = &http.Transport{DialContext: m.listener.dial}
	m.serving.Go(func() {
		// It ends with ErrServerClosed, by Close.
		_ = m.server.Serve(m.listener)
	})
	return m
}

// Close cuts every connection and waits until nothing is being accepted.
func (m *InMemory) Close() {
	m.Transport.CloseIdleConnections()
	// The listener's Close cannot fail, and there is nothing else to report.
	_ = m.server.Close()
	m.serving.Wait()
}

type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

var errListenerClosed = errors.New("the in-memory server is closed")

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, errListenerClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements net.Listener.
func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, errListenerClosed
	}
}

// Close implements net.Listener.
func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }
