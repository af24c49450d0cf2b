// Package proxy stands between moonlet and the API server and breaks things on purpose.
//
// A rule is armed for requests that match and is used up after so many of them:
//
//	p := proxy.New(t, env.Server, env.CA)
//	p.Answer(proxy.Match{Verb: "patch"}, 3, 429, "Retry-After", "1")
//	p.Cut(proxy.Match{Verb: "watch", Resource: "configmaps"}, 1, 100)
package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"encoding/pem"
)

// Match selects requests; empty fields match all.
type Match struct {
	Verb     string // get list watch create update patch delete
	Resource string // "pods", "deployments/status"
}

// Call is one request that came by.
type Call struct {
	Match
	Path string
	At   time.Time
}

type rule struct {
	Match
	left    int // < 0: for ever
	status  int
	header  []string
	cut     int // bytes of the body to let through, -1: all
	delay   time.Duration
	instead http.HandlerFunc
}

// Proxy is one TLS server on loopback in front of one API server.
type Proxy struct {
	URL string
	CA  []byte

	server  *httptest.Server
	forward *httputil.ReverseProxy

	mu      sync.Mutex
	calls   []Call
	rules   []*rule
	conns   map[net.Conn]bool
	stalled chan struct{} // nil: flowing; closed when it flows again
}

// Option of New.
type Option func(*httptest.Server)

// HTTP1 makes a proxy that does not speak HTTP/2.
func HTTP1(s *httptest.Server) {
	s.EnableHTTP2 = false
	s.Config.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
}

// New starts a proxy; it ends with the test.
func New(t testing.TB, server string, ca []byte, options ...Option) *Proxy {
	t.Helper()
	target, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	p := &Proxy{conns: map[net.Conn]bool{}}
	upstream := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: roots},
		ForceAttemptHTTP2: true, DisableCompression: true,
	}
	p.forward = &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:     upstream,
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0),
	}
	p.server = httptest.NewUnstartedServer(p)
	p.server.EnableHTTP2 = true
	for _, option := range options {
		option(p.server)
	}
	p.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	p.server.Config.ConnState = func(conn net.Conn, state http.ConnState) {
		p.mu.Lock()
		defer p.mu.Unlock()
		switch state {
		case http.StateNew:
			p.conns[conn] = true
		case http.StateClosed, http.StateHijacked:
			delete(p.conns, conn)
		}
	}
	p.server.StartTLS()
	p.URL = p.server.URL
	p.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.server.Certificate().Raw})
	t.Cleanup(func() {
		p.Resume()
		p.CutConnections()
		p.server.CloseClientConnections()
		upstream.CloseIdleConnections()
		p.server.Config.Close()
	})
	return p
}

// Answer answers the next n matching requests (n < 0: all) with a Status of that code itself.
func (p *Proxy) Answer(m Match, n, status int, header ...string) {
	p.add(&rule{Match: m, left: n, status: status, header: header, cut: -1})
}

// Cut lets so many bytes of each of the next n matching answers through, then breaks the stream.
func (p *Proxy) Cut(m Match, n, bytes int) { p.add(&rule{Match: m, left: n, cut: bytes}) }

// Delay holds the next n matching requests back.
func (p *Proxy) Delay(m Match, n int, d time.Duration) {
	p.add(&rule{Match: m, left: n, delay: d, cut: -1})
}

// Before runs fn for the next n matching requests before they are passed on.
func (p *Proxy) Before(m Match, n int, fn func()) {
	p.add(&rule{Match: m, left: n, cut: -1, instead: func(http.ResponseWriter, *http.Request) { fn() }})
}

// Clear takes all rules back.
func (p *Proxy) Clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = nil
}

// CutConnections closes every TCP connection at once, in the middle of whatever is under way.
func (p *Proxy) CutConnections() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		_ = conn.Close()
	}
}

// Stall lets no byte through to the client, without closing anything, until Resume.
func (p *Proxy) Stall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stalled == nil {
		p.stalled = make(chan struct{})
	}
}

// Resume ends Stall.
func (p *Proxy) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stalled != nil {
		close(p.stalled)
		p.stalled = nil
	}
}

// Connections is how many TCP connections are open.
func (p *Proxy) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns)
}

// Calls are the requests so far that match.
func (p *Proxy) Calls(m Match) []Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []Call
	for _, call := range p.calls {
		if m.matches(call.Match) {
			found = append(found, call)
		}
	}
	return found
}

// Count counts them.
func (p *Proxy) Count(m Match) int { return len(p.Calls(m)) }

func (m Match) matches(call Match) bool {
	return (m.Verb == "" || m.Verb == call.Verb) && (m.Resource == "" || m.Resource == call.Resource)
}

func (p *Proxy) add(r *rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = append(p.rules, r)
}

func (p *Proxy) take(call Call) *rule {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, call)
	for _, r := range p.rules {
		if r.left != 0 && r.matches(call.Match) {
			r.left--
			return r
		}
	}
	return nil
}

func (p *Proxy) wait(ctx context.Context) {
	p.mu.Lock()
	stalled := p.stalled
	p.mu.Unlock()
	if stalled != nil {
		select {
		case <-stalled:
		case <-ctx.Done():
		}
	}
}

func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.wait(r.Context())
	answer := &writer{ResponseWriter: w, proxy: p, ctx: r.Context(), left: -1}
	if rule := p.take(Call{describe(r), r.URL.String(), time.Now()}); rule != nil {
		if rule.delay > 0 {
			select {
			case <-time.After(rule.delay):
			case <-r.Context().Done():
			}
		}
		if rule.instead != nil {
			rule.instead(w, r)
		}
		if rule.status != 0 {
			refuse(w, rule.status, rule.header)
			return
		}
		answer.left = rule.cut
	}
	p.forward.ServeHTTP(answer, r)
}

func refuse(w http.ResponseWriter, status int, header []string) {
	for i := 0; i+1 < len(header); i += 2 {
		w.Header().Set(header[i], header[i+1])
	}
	reason := map[int]string{401: "Unauthorized", 403: "Forbidden", 409: "Conflict", 410: "Expired",
		429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable"}[status]
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",`+
		`"message":"the test says so","reason":%q,"code":%d}`, reason, status)
}

// writer breaks the stream after `left` bytes, and waits while the proxy is stalled.
type writer struct {
	http.ResponseWriter
	proxy *Proxy
	ctx   context.Context
	left  int
}

func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *writer) Write(b []byte) (int, error) {
	w.proxy.wait(w.ctx)
	if w.left < 0 {
		return w.ResponseWriter.Write(b)
	}
	if len(b) < w.left {
		w.left -= len(b)
		return w.ResponseWriter.Write(b)
	}
	_, _ = w.ResponseWriter.Write(b[:w.left])
	_ = http.NewResponseController(w.ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
}

// describe finds verb and resource of a request as the API server's RequestInfo does.
func describe(r *http.Request) Match {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case len(parts) >= 3 && parts[0] == "api":
		parts = parts[2:]
	case len(parts) >= 4 && parts[0] == "apis":
		parts = parts[3:]
	default:
		return Match{Verb: strings.ToLower(r.Method)}
	}
	if parts[0] == "namespaces" && len(parts) > 2 {
		parts = parts[2:]
	}
	m := Match{Resource: parts[0]}
	if len(parts) > 2 {
		m.Resource += "/" + parts[2]
	}
	switch r.Method {
	case http.MethodGet:
		m.Verb = "get"
		if watch := r.URL.Query().Get("watch"); watch == "true" || watch == "1" {
			m.Verb = "watch"
		} else if len(parts) == 1 {
			m.Verb = "list"
		}
	case http.MethodPost:
		m.Verb = "create"
	case http.MethodPut:
		m.Verb = "update"
	default:
		m.Verb = strings.ToLower(r.Method)
	}
	return m
}
