package proxy_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"moonlet.dev/e2e/harness/proxy"
)

func through(t *testing.T, options ...proxy.Option) (*proxy.Proxy, *http.Client) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", 1000))
	}))
	t.Cleanup(server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	p := proxy.New(t, server.URL, ca, options...)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(p.CA)
	return p, &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots}}}
}

func TestProxySpeaksBothVersionsAndCounts(t *testing.T) {
	for want, options := range map[int][]proxy.Option{2: nil, 1: {proxy.HTTP1}} {
		p, client := through(t, options...)
		res, err := client.Get(p.URL + "/api/v1/namespaces/a/pods?watch=true")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if res.ProtoMajor != want || len(body) != 1000 || err != nil {
			t.Errorf("HTTP/%d, %d bytes, %v", res.ProtoMajor, len(body), err)
		}
		if n := p.Count(proxy.Match{Verb: "watch", Resource: "pods"}); n != 1 {
			t.Errorf("%d watches", n)
		}
	}
}

func TestProxyCutsAndRefusesSoManyTimes(t *testing.T) {
	p, client := through(t)
	p.Cut(proxy.Match{Verb: "list"}, 1, 10)
	p.Answer(proxy.Match{Verb: "get"}, 1, 429, "Retry-After", "1")
	res, err := client.Get(p.URL + "/apis/apps/v1/deployments")
	if err == nil {
		var body []byte
		if body, err = io.ReadAll(res.Body); err == nil || len(body) != 10 {
			t.Errorf("%d bytes, %v", len(body), err)
		}
	}
	for _, want := range []int{429, 200} {
		res, err := client.Get(p.URL + "/apis/apps/v1/namespaces/a/deployments/b")
		if err != nil || res.StatusCode != want {
			t.Errorf("%v %v, want %d", res, err, want)
		}
	}
}
