package consolesim

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// defaultHuge is the size of a huge body, in bytes.
const defaultHuge = 64 << 20

// respond performs the request and answers it, spoilt by the fault that strikes.
func (s *Server) respond(w http.ResponseWriter, r *http.Request, c *call) {
	f := c.fault
	if f == nil {
		s.send(w, c, s.perform(c))
		return
	}
	switch f.Effect {
	case EffectLatency:
		if pause(r.Context(), f.Delay) {
			s.send(w, c, s.perform(c))
		}
		return
	case EffectError:
		s.send(w, c, f.spoilt(http.StatusServiceUnavailable, false))
		return
	case EffectTooMany:
		s.send(w, c, f.spoilt(http.StatusTooManyRequests, false))
		return
	case EffectRedirect:
		s.send(w, c, f.spoilt(http.StatusFound, true))
		return
	case EffectNoRoute:
		s.send(w, c, f.foreign(http.StatusNotFound, `{"message":"no Route matched with those values"}`))
		return
	case EffectHollow:
		s.send(w, c, f.foreign(http.StatusOK, `{}`))
		return
	case EffectCut:
		s.cut(w, c)
		return
	}
	a := s.perform(c)
	switch f.Effect {
	case EffectLatencyAfter:
		if pause(r.Context(), f.Delay) {
			s.send(w, c, a)
		}
	case EffectSlowBody:
		s.sendSlowly(w, r, c, a)
	case EffectErrorAfter:
		s.send(w, c, f.spoilt(http.StatusBadGateway, true))
	case EffectCutAfter:
		s.cut(w, c)
	case EffectTruncated:
		s.finish(c, a.status)
		a.writeHeader(w)
		_, _ = w.Write(a.body[:len(a.body)/2])
		flush(w)
		s.cut(w, c)
	case EffectNotJSON:
		s.send(w, c, f.spoilt(http.StatusOK, true))
	case EffectHugeBody:
		s.sendHuge(w, c)
	case EffectWrongTypes:
		if a.status < http.StatusMultipleChoices {
			a.status, a.body = http.StatusOK, []byte(`{"message":{"text":1},"data":"none","pagination":[true]}`)
		}
		s.send(w, c, a)
	}
}

// cut closes the connection without a word, or without another one. Over TCP
// the client sees a reset.
func (s *Server) cut(w http.ResponseWriter, c *call) {
	s.finish(c, 0)
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		// HTTP/2 has no connection to give away; this resets the stream.
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok && c.fault.Effect != EffectTruncated {
		// Without lingering, closing sends RST instead of FIN. A failure
		// leaves an ordinary close, which cuts as well.
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

func flush(w http.ResponseWriter) {
	// Not to be able to flush delays what was written; it loses nothing.
	_ = http.NewResponseController(w).Flush()
}

// sendSlowly spreads the body over the delay, in ten pieces.
func (s *Server) sendSlowly(w http.ResponseWriter, r *http.Request, c *call, a answer) {
	const pieces = 10
	s.finish(c, a.status)
	a.writeHeader(w)
	flush(w)
	size := len(a.body)
	for i := range pieces {
		if !pause(r.Context(), c.fault.Delay/pieces) {
			return
		}
		_, _ = w.Write(a.body[size*i/pieces : size*(i+1)/pieces])
		flush(w)
	}
}

// sendHuge streams {"message":"xxx…"} without holding it.
func (s *Server) sendHuge(w http.ResponseWriter, c *call) {
	const before, after = `{"message":"`, `","data":[]}`
	size := c.fault.Size
	if size == 0 {
		size = defaultHuge
	}
	s.finish(c, http.StatusOK)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(before)+size+len(after)))
	_, _ = io.WriteString(w, before)
	chunk := strings.Repeat("x", 32<<10)
	for left := size; left > 0; left -= len(chunk) {
		if _, err := io.WriteString(w, chunk[:min(left, len(chunk))]); err != nil {
			return
		}
	}
	_, _ = io.WriteString(w, after)
}
