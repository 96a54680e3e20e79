package statsig

import (
	"crypto/tls"
	"encoding/binary"
	"encoding/pem"
	"io"
	"net"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/quota"
)

// The parts of RFC 9113 that the test's server speaks.
const (
	frameHeaders, frameRST, frameSettings, frameGoAway = 1, 3, 4, 7
	flagEndStream, flagAck                             = 1, 1
	errNoError, errRefusedStream                       = 0, 7
	clientPreface                                      = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
)

// frame encodes an HTTP/2 frame.
func frame(kind, flags byte, stream uint32, payload ...uint32) []byte {
	out := []byte{0, 0, byte(4 * len(payload)), kind, flags}
	out = binary.BigEndian.AppendUint32(out, stream)
	for _, word := range payload {
		out = binary.BigEndian.AppendUint32(out, word)
	}
	return out
}

// refuseStreams serves one HTTP/2 connection, counts the requests that arrive
// whole, and answers each with reply.
func refuseStreams(conn net.Conn, requests *atomic.Int32, reply func(stream uint32) []byte) {
	defer func() { _ = conn.Close() }()
	if _, err := io.ReadFull(conn, make([]byte, len(clientPreface))); err != nil {
		return
	}
	_, _ = conn.Write(frame(frameSettings, 0, 0))
	for head := make([]byte, 9); ; {
		if _, err := io.ReadFull(conn, head); err != nil {
			return
		}
		length, kind, flags := int64(head[0])<<16|int64(head[1])<<8|int64(head[2]), head[3], head[4]
		if _, err := io.CopyN(io.Discard, conn, length); err != nil {
			return
		}
		switch {
		case kind == frameSettings && flags&flagAck == 0:
			_, _ = conn.Write(frame(frameSettings, flagAck, 0))
		case kind <= frameHeaders && flags&flagEndStream != 0:
			requests.Add(1)
			_, _ = conn.Write(reply(binary.BigEndian.Uint32(head[5:])))
		}
	}
}

// net/http repeats an HTTP/2 request whose stream was refused, or that a
// GOAWAY says was not processed. One permit pays for one request.
func TestRefusedStreamIsNotSentAgain(t *testing.T) {
	replies := map[string]func(stream uint32) []byte{
		"REFUSED_STREAM": func(stream uint32) []byte { return frame(frameRST, 0, stream, errRefusedStream) },
		"GOAWAY":         func(uint32) []byte { return frame(frameGoAway, 0, 0, 0, errNoError) },
	}
	calls := map[string]func(testing.TB, *Client) error{
		"GET": read, "POST": write,
		"DELETE": func(t testing.TB, c *Client) error { return c.DeleteTeam(t.Context(), byAnyone, "x") },
	}
	for name, reply := range replies {
		for method, call := range calls {
			t.Run(name+" "+method, func(t *testing.T) {
				certs := httptest.NewUnstartedServer(nil)
				certs.StartTLS()
				defer certs.Close()
				listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: certs.TLS.Certificates, NextProtos: []string{"h2"}})
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = listener.Close() }()
				var requests atomic.Int32
				go func() {
					for {
						conn, err := listener.Accept()
						if err != nil {
							return
						}
						go refuseStreams(conn, &requests, reply)
					}
				}()
				trust := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certs.Certificate().Raw})
				c := newClient(t, "https://"+listener.Addr().String(), func(cfg *Config) { cfg.CABundle = trust })
				if class := console.ClassOf(call(t, c)); class != console.Unavailable && class != console.Ambiguous {
					t.Errorf("a refused stream is %q", class)
				}
				if n := requests.Load(); n != 1 {
					t.Errorf("%d requests were sent for one permit", n)
				}
				settled(t, c, quota.Totals{Unavailable: 1, Lost: 1})
			})
		}
	}
}
