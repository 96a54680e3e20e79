// Command consolesim serves a simulated Console API for demonstrations,
// development and acceptance runs. What it simulates, and what can be asked of
// it under /_sim/, is described in internal/consolesim.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/console-access/console-access-operator/internal/consolesim"
)

// keyVariable names the environment variable that may hold the API key.
const keyVariable = "CONSOLESIM_API_KEY"

// shutdownGrace is how long requests under way may take after a signal.
const shutdownGrace = 5 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "consolesim:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	c, err := parse(args, getenv, stdout, stderr)
	if err != nil {
		return err
	}
	sim := consolesim.New(c.options)
	if err := c.fill(sim); err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.listen)
	if err != nil {
		return fmt.Errorf("listen (choose another address with --listen): %w", err)
	}
	scheme := "http"
	if c.tlsCert != "" {
		pair, err := tls.LoadX509KeyPair(c.tlsCert, c.tlsKey)
		if err != nil {
			_ = listener.Close()
			return fmt.Errorf("load the certificate of --tls-cert and --tls-key: %w", err)
		}
		// Only HTTP/1.1 lets a fault cut the connection itself.
		listener = tls.NewListener(listener, &tls.Config{
			Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		})
		scheme = "https"
	}
	if c.keyIsDefault {
		fmt.Fprintf(stderr, "consolesim: no --api-key and no %s; the key is %q\n", keyVariable, consolesim.DefaultKey)
	}
	fmt.Fprintf(stdout, "consolesim: serving %s://%s (state under /_sim/)\n", scheme, listener.Addr())
	return serve(ctx, listener, sim)
}

func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.Background(), shutdownGrace)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		// Requests that are being delayed on purpose may outlast the grace.
		_ = server.Close()
	}
	return nil
}
